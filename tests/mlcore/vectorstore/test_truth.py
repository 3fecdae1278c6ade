"""A store that differs from the truth is told and mended, whatever the engine."""

import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlcore.errors import IndexMismatchError
from mlcore.vectorstore import (
    Attributes,
    Conditions,
    FaissBackend,
    Filter,
    Record,
    UnknownVersionError,
    VectorBackend,
    check,
    mend,
)
from mlcore.vectorstore.truth import MENDED_AT_ONCE
from tests.mlcore.vectorstore.vectors import DIM, MODEL, int64, unit_rows

TRUTH = [
    Record(key * 2, vector, Attributes(collection=f"c{key % 3}", tags=("t",), public=True))
    for key, vector in enumerate(unit_rows(20, seed=5))
]


def put(store: VectorBackend, rows: Sequence[Record]) -> None:
    store.upsert(
        "first",
        np.array([row.image_id for row in rows], dtype=np.int64),
        np.stack([row.vector for row in rows]),
        [row.attributes for row in rows],
        fingerprint=MODEL,
    )


@pytest.fixture
def filled(store: VectorBackend) -> VectorBackend:
    store.create_version("first", dim=DIM, fingerprint=MODEL)
    put(store, TRUTH)
    return store


@pytest.fixture
def local(tmp_path: Path) -> FaissBackend:
    store = FaissBackend(tmp_path / "store")
    store.create_version("first", dim=DIM, fingerprint=MODEL)
    return store


def as_lists(differences: Any) -> tuple[list[int], list[int], list[int]]:
    return (
        differences.missing.tolist(),
        differences.extra.tolist(),
        differences.changed.tolist(),
    )


def damage(store: VectorBackend) -> None:
    store.delete("first", int64(0, 38))
    put(store, [Record(5, unit_rows(1, seed=8)[0]), Record(1000, unit_rows(1, seed=9)[0])])
    put(store, [Record(10, unit_rows(1, seed=7)[0], TRUTH[5].attributes)])
    put(store, [TRUTH[6]._replace(attributes=Attributes(collection="c0", public=False))])
    almost = TRUTH[7].vector.copy()
    almost[0] += 1e-4  # less than any change of model or picture makes
    put(store, [TRUTH[7]._replace(vector=almost)])


def test_a_faithful_store_has_no_differences(filled: VectorBackend) -> None:
    differences = check(filled, "first", iter(TRUTH), fingerprint=MODEL)
    assert not differences
    assert str(differences) == "no differences"
    assert not mend(filled, "first", iter(TRUTH), fingerprint=MODEL)


def test_each_injected_difference_is_named_and_mended(filled: VectorBackend) -> None:
    damage(filled)
    expected = ([0, 38], [5, 1000], [10, 12, 14])
    differences = check(filled, "first", iter(TRUTH), fingerprint=MODEL)
    assert as_lists(differences) == expected
    assert str(differences) == "2 missing, 2 that should not be there, 3 changed"
    assert as_lists(check(filled, "first", TRUTH, fingerprint=MODEL)) == expected  # only looked

    assert as_lists(mend(filled, "first", iter(TRUTH), fingerprint=MODEL)) == expected

    assert not check(filled, "first", iter(TRUTH), fingerprint=MODEL)
    assert filled.count("first") == len(TRUTH)
    for row in TRUTH:
        [[hit]] = filled.search("first", row.vector[None], 1, fingerprint=MODEL)
        assert hit.image_id == row.image_id
    where = Filter(Conditions(collection="c0"))
    [hits] = filled.search("first", TRUTH[0].vector[None], 100, fingerprint=MODEL, where=where)
    assert {hit.image_id for hit in hits} == {row.image_id for row in TRUTH[::3]}


def test_an_empty_store_is_filled_and_a_store_without_truth_is_emptied(
    filled: VectorBackend,
) -> None:
    assert len(mend(filled, "first", [], fingerprint=MODEL).extra) == len(TRUTH)
    assert filled.count("first") == 0
    assert len(mend(filled, "first", TRUTH, fingerprint=MODEL).missing) == len(TRUTH)
    assert not check(filled, "first", TRUTH, fingerprint=MODEL)


def test_a_truth_of_vectors_alone(local: FaissBackend) -> None:
    pairs = [(row.image_id, row.vector) for row in TRUTH]
    assert len(mend(local, "first", pairs, fingerprint=MODEL).missing) == len(TRUTH)
    assert not check(local, "first", pairs, fingerprint=MODEL)
    put(local, TRUTH[:2])  # with attributes, which such a truth says they do not have
    assert check(local, "first", pairs, fingerprint=MODEL).changed.tolist() == [0, 2]


def test_what_comes_and_goes_meanwhile_is_looked_at_again(filled: VectorBackend) -> None:
    """The truth was read a while ago: 5 is new since then, 0 was deleted, and 2 is as it was."""
    put(filled, [Record(5, unit_rows(1, seed=8)[0])])
    filled.delete("first", int64(0, 2))
    now = {row.image_id: row for row in [*TRUTH[1:], Record(5, unit_rows(1, seed=8)[0])]}

    def look_again(ids: Sequence[int]) -> Iterator[Record]:
        assert ids == [0, 2, 5]
        return (now[key] for key in ids if key in now)

    differences = mend(filled, "first", TRUTH, fingerprint=MODEL, look_again=look_again)
    assert as_lists(differences) == ([0, 2], [5], [])
    held = [key for piece in filled.ids("first") for key in piece.tolist()]
    assert held == sorted(now)


def test_a_truth_out_of_order_is_refused(local: FaissBackend) -> None:
    with pytest.raises(ValueError, match="ascending"):
        check(local, "first", [TRUTH[1], TRUTH[0]], fingerprint=MODEL)
    with pytest.raises(ValueError, match="ascending"):
        check(local, "first", [TRUTH[1], TRUTH[1]], fingerprint=MODEL)


def test_the_truth_of_another_model_mends_nothing(filled: VectorBackend) -> None:
    with pytest.raises(IndexMismatchError, match="model"):
        mend(filled, "first", [], fingerprint="sha256:other")
    assert filled.count("first") == len(TRUTH)


def test_a_version_that_is_not_there_is_not_a_difference(local: FaissBackend) -> None:
    with pytest.raises(UnknownVersionError):
        check(local, "nothing", TRUTH, fingerprint=MODEL)


def test_only_a_batch_of_the_truth_is_in_memory(local: FaissBackend) -> None:
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def truth() -> Iterator[tuple[int, NDArray[np.float32]]]:
        nonlocal alive, most
        for key in range(5 * MENDED_AT_ONCE):
            vector = unit_rows(1, seed=key)[0].copy()
            weakref.finalize(vector, gone)
            alive += 1
            most = max(most, alive)
            yield key, vector

    assert len(mend(local, "first", truth(), fingerprint=MODEL).missing) == 5 * MENDED_AT_ONCE
    assert most <= MENDED_AT_ONCE + 3
    most = 0
    assert not check(local, "first", truth(), fingerprint=MODEL)
    assert most <= 3
