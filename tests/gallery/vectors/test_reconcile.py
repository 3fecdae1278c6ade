"""A version that differs from the rows is told and repaired, whatever keeps it."""

import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from gallery.models import Image, IndexVersion, ModelVersion
from gallery.vectors.base import IndexStore, Record
from gallery.vectors.errors import UnknownVersionError
from gallery.vectors.reconcile import REPAIRED_AT_ONCE, Drift, compare, repair
from mlcore.config import IndexSpec
from mlcore.errors import IndexMismatchError
from mlcore.progress import NoProgress
from tests.gallery.vectors.conftest import FOLLOWERS
from tests.gallery.vectors.rows import (
    embed,
    held_by,
    int64,
    make_model,
    replace_vector,
    unit_rows,
)

every_follower = pytest.mark.parametrize("store", FOLLOWERS, indirect=True)
toy = pytest.mark.parametrize("store", ["toy"], indirect=True)

KEYS = range(10, 50, 2)


@pytest.fixture
def index(store: IndexStore, model: ModelVersion) -> IndexVersion:
    embed(model, unit_rows(20, seed=5), ids=KEYS)
    return store.build(model, IndexSpec(), NoProgress(), lambda: None)


def as_lists(drift: Drift) -> tuple[list[int], list[int], list[int]]:
    return (drift.missing.tolist(), drift.extra.tolist(), drift.changed.tolist())


def held(store: IndexStore, index: IndexVersion) -> dict[int, list[float]]:
    return {key: vector.tolist() for key, vector in store.records(index)}


@every_follower
def test_a_faithful_version_has_no_drift(store: IndexStore, index: IndexVersion) -> None:
    drift = compare(store, index)
    assert not drift
    assert str(drift.message) == "no differences"
    assert not repair(store, index)


@every_follower
def test_each_injected_difference_is_named_and_repaired(
    store: IndexStore, index: IndexVersion
) -> None:
    store.delete(index, int64(10, 48))
    store.add(index, int64(15, 1000), unit_rows(2, seed=8))
    store.add(index, int64(20), unit_rows(1, seed=7))
    almost = np.array([held_by(index.model_version)[24]], dtype=np.float32)
    almost[0, 0] += 1e-4  # less than any change of model or picture makes
    replace_vector(index.model_version, 24, almost)
    expected = ([10, 48], [15, 1000], [20, 24])
    drift = compare(store, index)
    assert as_lists(drift) == expected
    assert str(drift.message) == "2 missing, 2 that should not be there, 2 changed"
    assert as_lists(compare(store, index)) == expected  # only looked

    assert as_lists(repair(store, index)) == expected

    assert not compare(store, index)
    assert held(store, index) == held_by(index.model_version)


@every_follower
def test_without_rows_it_is_emptied_and_filled_again_with_them(
    store: IndexStore, index: IndexVersion
) -> None:
    store.delete(index, np.array(KEYS, dtype=np.int64))
    assert as_lists(repair(store, index)) == (list(KEYS), [], [])
    assert not compare(store, index)
    Image.objects.all().delete()
    assert as_lists(repair(store, index)) == ([], list(KEYS), [])
    assert held(store, index) == {}


@toy
def test_what_comes_and_goes_meanwhile_is_looked_at_again(
    store: IndexStore, index: IndexVersion
) -> None:
    """The rows were read a while ago: 15 is new since then, 10 was deleted, 12 is as it was."""
    model = index.model_version
    once = [(key, np.array(vector, dtype=np.float32)) for key, vector in held_by(model).items()]
    store.delete(index, int64(10, 12))
    Image.objects.filter(pk=10).delete()
    embed(model, unit_rows(1, seed=8), ids=[15])
    store.add(index, int64(15), unit_rows(1, seed=8))
    assert as_lists(repair(store, index, once)) == ([10, 12], [15], [])
    assert held(store, index) == held_by(model)
    assert 15 in held(store, index)
    assert 10 not in held(store, index)


@toy
def test_the_rows_of_another_model_repair_nothing(store: IndexStore, index: IndexVersion) -> None:
    index.model_version = make_model("other")
    with pytest.raises(IndexMismatchError, match="model"):
        repair(store, index)
    assert sorted(held(store, index)) == list(KEYS)


@toy
def test_a_version_that_is_not_there_is_not_a_difference(
    store: IndexStore, index: IndexVersion
) -> None:
    store.remove(index.location)
    with pytest.raises(UnknownVersionError):
        compare(store, index)


@toy
def test_only_a_piece_of_the_rows_is_in_memory(store: IndexStore, index: IndexVersion) -> None:
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def rows() -> Iterator[Record]:
        nonlocal alive, most
        for key in range(100, 100 + 3 * REPAIRED_AT_ONCE):
            vector = unit_rows(1, seed=key)[0].copy()
            weakref.finalize(vector, gone)
            alive += 1
            most = max(most, alive)
            yield key, vector

    assert len(compare(store, index, rows()).missing) == 3 * REPAIRED_AT_ONCE
    assert len(repair(store, index, rows()).missing) == 3 * REPAIRED_AT_ONCE
    assert most <= 3
