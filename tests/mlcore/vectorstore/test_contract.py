"""What every vector store does, whatever engine stands behind it."""

import itertools
import random

import numpy as np
import pytest

from mlcore.errors import IndexMismatchError, InvalidQueryError
from mlcore.index import Hit
from mlcore.vectorstore import (
    ACTIVE,
    Attributes,
    Audience,
    Conditions,
    Filter,
    UnknownVersionError,
    VectorBackend,
    VectorStoreError,
)
from tests.mlcore.vectorstore.conftest import Opener
from tests.mlcore.vectorstore.vectors import DIM, MODEL, Oracle, int64, unit_rows


def made(store: VectorBackend, name: str = "first", *, n: int = 0, seed: int = 0) -> VectorBackend:
    store.create_version(name, dim=DIM, fingerprint=MODEL)
    if n:
        ids = np.arange(n, dtype=np.int64)
        store.upsert(name, ids, unit_rows(n, seed=seed), fingerprint=MODEL)
    return store


def found(
    store: VectorBackend, version: str = "first", k: int = 100, where: Filter | None = None
) -> list[int]:
    [hits] = store.search(version, unit_rows(1, seed=99), k, fingerprint=MODEL, where=where)
    return [hit.image_id for hit in hits]


class TestVersions:
    def test_a_new_store_has_none(self, store: VectorBackend) -> None:
        assert store.versions() == []
        assert store.active() is None

    def test_a_version_is_empty_at_first_and_says_what_it_is_for(
        self, store: VectorBackend
    ) -> None:
        made(store)
        info = store.info("first")
        assert (info.name, info.dim, info.fingerprint, info.active) == ("first", DIM, MODEL, False)
        assert store.versions() == [info]
        assert store.count("first") == 0
        assert found(store) == []
        assert list(store.records("first")) == []
        assert [piece.tolist() for piece in store.ids("first")] == []

    def test_making_one_again_leaves_it_alone(self, store: VectorBackend) -> None:
        made(store, n=3)
        made(store)
        assert store.count("first") == 3
        assert len(store.versions()) == 1

    @pytest.mark.parametrize(("dim", "model"), [(DIM + 1, MODEL), (DIM, "sha256:other")])
    def test_a_name_stands_for_one_model_and_width(
        self, store: VectorBackend, dim: int, model: str
    ) -> None:
        made(store)
        with pytest.raises(IndexMismatchError, match="already"):
            store.create_version("first", dim=dim, fingerprint=model)

    @pytest.mark.parametrize(
        "name", ["", "A", "a b", "a__b", "_a", "a-b", "../a", "x" * 65, ACTIVE]
    )
    def test_names_that_some_engine_cannot_use_are_refused(
        self, store: VectorBackend, name: str
    ) -> None:
        with pytest.raises(ValueError, match="name of a version"):
            store.create_version(name, dim=DIM, fingerprint=MODEL)

    def test_a_version_that_is_not_there_is_an_error_and_not_empty(
        self, store: VectorBackend
    ) -> None:
        for version in ("nothing", ACTIVE):
            with pytest.raises(UnknownVersionError):
                found(store, version)
            with pytest.raises(UnknownVersionError):
                store.count(version)
            with pytest.raises(UnknownVersionError):
                list(store.ids(version))
            with pytest.raises(UnknownVersionError):
                list(store.records(version))
            with pytest.raises(UnknownVersionError):
                store.info(version)
        for write in (store.activate, store.drop):
            with pytest.raises(UnknownVersionError):
                write("nothing")
        with pytest.raises(UnknownVersionError):
            store.upsert("nothing", int64(1), unit_rows(1), fingerprint=MODEL)
        with pytest.raises(UnknownVersionError):
            store.delete("nothing", int64(1))


class TestActive:
    def test_readers_of_the_active_version_see_a_switch_and_its_rollback_at_once(
        self, store: VectorBackend, open_again: Opener
    ) -> None:
        made(store, "first", n=3, seed=1)
        made(store, "second", n=5, seed=2)
        reader = open_again()
        for name, count in [("first", 3), ("second", 5), ("first", 3)]:
            store.activate(name)
            for each in (reader, store):
                active = each.active()
                assert active is not None
                assert active.name == name
                assert each.info(ACTIVE) == active == each.info(name)
                assert len(found(each, ACTIVE)) == count
                assert each.count(ACTIVE) == count
            assert [info.name for info in store.versions() if info.active] == [name]

    def test_making_the_active_version_active_changes_nothing(self, store: VectorBackend) -> None:
        made(store).activate("first")
        store.activate("first")
        assert store.info("first").active

    def test_the_active_version_cannot_be_dropped(self, store: VectorBackend) -> None:
        made(store, "first", n=2).activate("first")
        with pytest.raises(VectorStoreError, match="is active"):
            store.drop("first")
        assert len(found(store, ACTIVE)) == 2
        made(store, "second").activate("second")
        store.drop("first")
        assert [info.name for info in store.versions()] == ["second"]

    def test_a_dropped_name_can_be_used_again_and_starts_empty(self, store: VectorBackend) -> None:
        made(store, n=3)
        assert store.count("first") == 3
        store.drop("first")
        store.create_version("first", dim=DIM + 1, fingerprint="sha256:other")
        assert store.count("first") == 0

    def test_queries_of_another_model_are_refused_after_a_switch(
        self, store: VectorBackend
    ) -> None:
        made(store, n=2).activate("first")
        assert found(store, ACTIVE)
        store.create_version("other", dim=DIM, fingerprint="sha256:other")
        store.activate("other")
        with pytest.raises(IndexMismatchError, match="model"):
            found(store, ACTIVE)


class TestWriting:
    def test_an_upsert_replaces(self, store: VectorBackend) -> None:
        made(store, n=4)
        moved = unit_rows(1, seed=77)
        attributes = [Attributes(collection="new")]
        store.upsert("first", int64(2), moved, attributes, fingerprint=MODEL)
        assert store.count("first") == 4
        [[hit]] = store.search("first", moved, 1, fingerprint=MODEL)
        assert hit.image_id == 2
        assert hit.score == pytest.approx(1.0, abs=1e-5)
        assert found(store, where=Filter(Conditions(collection="new"))) == [2]
        stored = {row.image_id: row for row in store.records("first")}
        assert sorted(stored) == [0, 1, 2, 3]
        assert np.array_equal(stored[2].vector, moved[0])
        assert stored[2].attributes == attributes[0]

    def test_a_deleted_picture_is_gone_at_once_for_everybody(
        self, store: VectorBackend, open_again: Opener
    ) -> None:
        made(store, n=6).activate("first")
        reader = open_again()
        assert len(found(reader, ACTIVE)) == 6
        store.delete("first", int64(1, 4, 1000))
        for each in (store, reader):
            assert sorted(found(each, ACTIVE)) == [0, 2, 3, 5]
            assert each.count(ACTIVE) == 4
            assert [key for piece in each.ids(ACTIVE) for key in piece.tolist()] == [0, 2, 3, 5]
        store.upsert("first", int64(4), unit_rows(1, seed=3), fingerprint=MODEL)
        assert sorted(found(reader, ACTIVE)) == [0, 2, 3, 4, 5]

    def test_versions_do_not_touch_each_other(self, store: VectorBackend) -> None:
        made(store, "first", n=3)
        made(store, "second", n=3, seed=5)
        store.delete("second", int64(0))
        assert store.count("first") == 3
        assert store.count("second") == 2

    def test_nothing_to_write_is_nothing(self, store: VectorBackend) -> None:
        made(store, n=1)
        store.upsert("first", int64(), unit_rows(0), fingerprint=MODEL)
        store.delete("first", int64())
        assert store.count("first") == 1

    def test_foreign_vectors_are_refused(self, store: VectorBackend) -> None:
        made(store, n=1)
        with pytest.raises(IndexMismatchError, match="wide"):
            store.upsert("first", int64(1), unit_rows(1, DIM + 1), fingerprint=MODEL)
        with pytest.raises(IndexMismatchError, match="model"):
            store.upsert("first", int64(1), unit_rows(1), fingerprint="sha256:other")
        with pytest.raises(IndexMismatchError, match="length"):
            store.upsert("first", int64(1), unit_rows(1) * 2, fingerprint=MODEL)
        not_a_number = np.full((1, DIM), np.nan, dtype=np.float32)
        with pytest.raises(IndexMismatchError, match="not a finite"):
            store.upsert("first", int64(1), not_a_number, fingerprint=MODEL)
        with pytest.raises(IndexMismatchError, match="once only"):
            store.upsert("first", int64(1, 1), unit_rows(2), fingerprint=MODEL)
        with pytest.raises(IndexMismatchError, match="negative"):
            store.upsert("first", int64(-1), unit_rows(1), fingerprint=MODEL)
        with pytest.raises(ValueError, match="attributes"):
            store.upsert("first", int64(1), unit_rows(1), [], fingerprint=MODEL)
        assert store.count("first") == 1

    def test_the_active_version_is_written_by_its_name(self, store: VectorBackend) -> None:
        made(store, n=1).activate("first")
        with pytest.raises(ValueError, match="name of a version"):
            store.upsert(ACTIVE, int64(1), unit_rows(1), fingerprint=MODEL)
        with pytest.raises(ValueError, match="name of a version"):
            store.delete(ACTIVE, int64(0))

    def test_the_largest_ids_are_kept(self, store: VectorBackend) -> None:
        made(store)
        ids = int64(0, 2**53 + 1, 2**62)
        store.upsert("first", ids, unit_rows(3), fingerprint=MODEL)
        assert sorted(found(store)) == ids.tolist()
        assert found(store, where=Filter(allowed_ids=ids[1:2])) == [2**53 + 1]


class TestSearching:
    def test_finds_what_a_slow_search_finds(self, store: VectorBackend) -> None:
        made(store, n=60)
        oracle = Oracle()
        oracle.upsert(np.arange(60), unit_rows(60), [Attributes()] * 60)
        queries = unit_rows(5, seed=3)
        answers = store.search("first", queries, 10, fingerprint=MODEL)
        for query, hits in zip(queries, answers, strict=True):
            assert [hit.image_id for hit in hits] == oracle.search(query, 10)
            for hit in hits:
                assert isinstance(hit, Hit)
                assert hit.score == pytest.approx(
                    float(unit_rows(60)[hit.image_id] @ query), abs=1e-5
                )

    def test_equal_scores_come_by_id(self, store: VectorBackend) -> None:
        """Engines on other machines may score equal vectors a last digit apart."""
        made(store)
        same = np.repeat(unit_rows(1), 5, axis=0)
        store.upsert("first", int64(9, 3, 7, 1, 5), same, fingerprint=MODEL)
        [hits] = store.search("first", same[:1], 5, fingerprint=MODEL)
        assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.image_id))
        assert {hit.image_id for hit in hits} == {1, 3, 5, 7, 9}
        assert [hit.score for hit in hits] == pytest.approx([1.0] * 5, abs=1e-5)

    def test_k_may_be_larger_than_the_count(self, store: VectorBackend) -> None:
        made(store, n=3)
        assert len(found(store, k=1000)) == 3
        assert len(found(store, k=1000, where=Filter(denied_ids=int64(1)))) == 2

    def test_no_queries_no_answers(self, store: VectorBackend) -> None:
        made(store, n=3)
        assert store.search("first", unit_rows(0), 3, fingerprint=MODEL) == []

    def test_foreign_queries_are_refused(self, store: VectorBackend) -> None:
        made(store, n=3)
        with pytest.raises(IndexMismatchError, match="wide"):
            store.search("first", unit_rows(1, DIM + 1), 3, fingerprint=MODEL)
        with pytest.raises(IndexMismatchError, match="model"):
            store.search("first", unit_rows(1), 3, fingerprint="sha256:other")
        with pytest.raises(InvalidQueryError):
            store.search("first", unit_rows(1) * 0, 3, fingerprint=MODEL)
        with pytest.raises(ValueError, match="at least 1"):
            store.search("first", unit_rows(1), 0, fingerprint=MODEL)


AWKWARD = [
    "plain",
    "it's",
    'say "hi"',
    "back\\slash",
    "trailing\\",
    '\\"',
    '\\\\"',
    "'\"",
    'x" or id >= 0 or collection == "x',
    "x' or id >= 0 or collection == 'x",
    '") or ARRAY_CONTAINS(tags, "plain") or (collection == "',
    "' OR 1=1 --",
    "line\nbreak\r\ttab",
    "\\n",
    "\\u0041",
    "é",
    "e\u0301",
    "日本語",
    "👩‍👩‍👧",
    "\u202eright to left",
    "%",
    "_",
    "{x}",
    "  spaces  ",
    "Plain",
    "null",
    "true",
    "0",
    "ß" * 120,
]
"""Names that people could give, and some that they would give to get at other people's pictures."""


class TestFilters:
    def test_each_name_finds_its_own_and_nothing_else(self, store: VectorBackend) -> None:
        made(store)
        attributes = [Attributes(collection=name, tags=(name, "x")) for name in AWKWARD]
        ids = np.arange(len(AWKWARD), dtype=np.int64)
        store.upsert("first", ids, unit_rows(len(AWKWARD)), attributes, fingerprint=MODEL)
        for key, name in enumerate(AWKWARD):
            assert found(store, where=Filter(Conditions(collection=name))) == [key], name
            assert found(store, where=Filter(Conditions(tags=(name,)))) == [key], name
        stored = [row.attributes for row in store.records("first")]
        assert stored == attributes

    def test_a_name_that_nobody_gave_finds_nothing(self, store: VectorBackend) -> None:
        made(store, n=3)
        for name in AWKWARD:
            assert found(store, where=Filter(Conditions(collection=name))) == []
            assert found(store, where=Filter(Conditions(tags=("x", name)))) == []
            assert found(store, where=Filter(Conditions(split=name))) == []

    def test_what_says_nothing_is_shown_only_to_those_who_see_everything(
        self, store: VectorBackend
    ) -> None:
        made(store, n=2)
        assert len(found(store)) == 2
        for audience in (Audience(), Audience(user=0), Audience(user=7)):
            assert found(store, where=Filter(Conditions(audience=audience))) == []

    def test_people_see_what_is_public_or_their_own(self, store: VectorBackend) -> None:
        made(store)
        attributes = [
            Attributes(public=True),
            Attributes(public=True, owner=7),
            Attributes(owner=7),
            Attributes(owner=8),
            Attributes(),
        ]
        store.upsert("first", np.arange(5), unit_rows(5), attributes, fingerprint=MODEL)
        seen = {
            who: sorted(found(store, where=Filter(Conditions(audience=Audience(who)))))
            for who in (None, 7, 8, 9)
        }
        assert seen == {None: [0, 1], 7: [0, 1, 2], 8: [0, 1, 3], 9: [0, 1]}

    def test_lists_of_ids(self, store: VectorBackend) -> None:
        made(store, n=8)
        everything = found(store)
        cases = [
            (Filter(allowed_ids=int64(5, 1, 500, 5)), {1, 5}),
            (Filter(denied_ids=int64(5, 1, 500)), {0, 2, 3, 4, 6, 7}),
            (Filter(allowed_ids=int64(1, 2, 3), denied_ids=int64(2)), {1, 3}),
            (Filter(allowed_ids=int64()), set()),
            (Filter(allowed_ids=int64(2), denied_ids=int64(2)), set()),
            (Filter(denied_ids=int64()), set(range(8))),
        ]
        for where, expected in cases:
            assert found(store, where=where) == [key for key in everything if key in expected]

    def test_long_lists_of_ids(self, store: VectorBackend) -> None:
        made(store, n=30)
        everything = found(store)
        many = np.arange(10, 25_010, dtype=np.int64)
        assert found(store, where=Filter(allowed_ids=many)) == [k for k in everything if k >= 10]
        assert found(store, where=Filter(denied_ids=many)) == [k for k in everything if k < 10]

    def test_the_best_may_be_denied_however_many(self, store: VectorBackend) -> None:
        made(store, n=60)
        ranked = found(store)
        assert len(ranked) == 60
        denied = Filter(denied_ids=np.array(ranked[:40], dtype=np.int64))
        assert found(store, k=5, where=denied) == ranked[40:45]
        store.delete("first", np.array(ranked[:40], dtype=np.int64))
        assert found(store, k=5) == ranked[40:45]

    def test_a_filter_sees_what_changed(self, store: VectorBackend) -> None:
        made(store, n=6)
        assert len(found(store)) == 6  # read once as it was
        moved = unit_rows(1, seed=50)
        public = [Attributes(public=True)]
        store.upsert("first", int64(2), moved, public, fingerprint=MODEL)
        store.delete("first", int64(3))
        for where in (
            Filter(allowed_ids=int64(2, 3)),
            Filter(Conditions(audience=Audience())),
            Filter(denied_ids=int64(0, 1, 4, 5)),
        ):
            [[hit]] = store.search("first", moved, 9, fingerprint=MODEL, where=where)
            assert hit.image_id == 2
            assert hit.score == pytest.approx(1.0, abs=1e-5)
        store.upsert("first", int64(2), moved, fingerprint=MODEL)
        assert found(store, where=Filter(Conditions(audience=Audience()))) == []

    def test_all_conditions_together(self, store: VectorBackend) -> None:
        made(store)
        random.seed(4)
        oracle = Oracle()
        ids, vectors = np.arange(80, dtype=np.int64), unit_rows(80)
        attributes = [
            Attributes(
                collection=random.choice(["", "a", "b"]),
                tags=tuple(random.sample(["p", "q", "r"], random.randint(0, 3))),
                split=random.choice(["", "train", "test"]),
                public=random.random() < 0.5,
                owner=random.choice([None, 1, 2]),
            )
            for _ in ids
        ]
        store.upsert("first", ids, vectors, attributes, fingerprint=MODEL)
        oracle.upsert(ids, vectors, attributes)
        query = unit_rows(1, seed=99)[0]
        answers = 0
        conditions = itertools.starmap(
            Conditions,
            itertools.product(("", "a"), ((), ("p", "q")), ("", "train"), (None, Audience(1))),
        )
        allowed = (None, np.arange(5, 75, dtype=np.int64))
        denied = (None, np.arange(0, 80, 3, dtype=np.int64))
        for where in itertools.starmap(Filter, itertools.product(conditions, allowed, denied)):
            expected = oracle.search(query, 7, where)
            assert found(store, k=7, where=where) == expected
            answers += len(expected)
        assert answers > 100  # the conditions let something through


def test_any_course_of_changes_ends_as_the_slow_store_does(
    store: VectorBackend, open_again: Opener
) -> None:
    """Writers and readers take turns; each sees what the one before it did."""
    made(store).activate("first")
    random.seed(11)
    oracle, workers = Oracle(), [store, open_again()]
    for step in range(25):
        worker = random.choice(workers)
        ids = np.array(random.sample(range(40), random.randint(1, 8)), dtype=np.int64)
        if random.random() < 0.6:
            vectors = unit_rows(len(ids), seed=1000 + step)
            attributes = [Attributes(tags=(random.choice("pq"),)) for _ in ids]
            worker.upsert("first", ids, vectors, attributes, fingerprint=MODEL)
            oracle.upsert(ids, vectors, attributes)
        else:
            worker.delete("first", ids)
            oracle.delete(ids)
        where = random.choice([None, Filter(Conditions(tags=("p",)))])
        query = unit_rows(1, seed=99)[0]
        assert found(random.choice(workers), ACTIVE, 6, where) == oracle.search(query, 6, where)
    rows = {row.image_id: row for row in store.records("first")}
    assert {key: row.vector.tolist() for key, row in rows.items()} == oracle.vectors
    assert {key: row.attributes for key, row in rows.items()} == oracle.attributes
    assert store.count("first") == len(oracle.vectors)
