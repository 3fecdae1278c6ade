"""What every store does, whatever is behind it."""

import random

import numpy as np
import pytest

from gallery.models import Image, ImageEmbedding, IndexVersion, ModelVersion
from gallery.vectors import updates
from gallery.vectors.base import IndexStore, Lookup
from gallery.vectors.registry import BACKENDS, follows_rows, store_of
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.errors import ContextVisionError, IndexMismatchError, InvalidQueryError
from mlcore.i18n import Message
from mlcore.index import Hit
from mlcore.progress import NoProgress
from tests.gallery.vectors.rows import (
    DIM,
    embed,
    held_by,
    int64,
    make_model,
    slow_search,
    unit_rows,
)

QUERY = unit_rows(1, seed=99)


def built(store: IndexStore, model: ModelVersion) -> IndexVersion:
    return store.build(model, IndexSpec(), NoProgress(), lambda: None)


def opened(store: IndexStore, model: ModelVersion) -> Lookup:
    return store.open(built(store, model))


def found(
    lookup: Lookup, k: int = 1000, query: FloatMatrix = QUERY, allowed: IdVector | None = None
) -> list[int]:
    return [hit.image_id for hit in lookup.search(query, k, allowed_ids=allowed)]


def delete_pictures(keys: list[int]) -> None:
    Image.objects.filter(pk__in=keys).delete()
    updates.delete(keys)


class Interrupted(NoProgress):
    def report(self, done: int, total: int, message: Message | str | None = None) -> None:
        if done:
            raise KeyboardInterrupt


class TestBuilding:
    def test_a_version_holds_what_is_stored_and_its_row_says_where(
        self, store: IndexStore, model: ModelVersion
    ) -> None:
        assert store.locations() == []
        embed(model, unit_rows(12))
        index = built(store, model)
        assert index == IndexVersion.objects.get()
        assert (index.store, index.count, index.is_active) == (store.scheme, 12, False)
        assert index.watermark == ImageEmbedding.objects.latest("pk").pk
        assert store.locations() == [index.location]
        assert {key: vector.tolist() for key, vector in store.records(index)} == held_by(model)
        assert [key for key, _ in store.records(index)] == sorted(held_by(model))
        store.check(index)
        store.check(index, thoroughly=True)
        assert list(store.problems(index)) == []

    def test_a_row_leads_back_to_its_store(self, store: IndexStore, model: ModelVersion) -> None:
        embed(model, unit_rows(1))
        index = built(store, model)
        assert store_of(index) is store
        assert follows_rows(index) is store.follows_rows
        assert store.scheme in BACKENDS

    def test_nothing_is_left_of_a_build_that_was_interrupted(
        self, store: IndexStore, model: ModelVersion
    ) -> None:
        embed(model, unit_rows(3))
        with pytest.raises(KeyboardInterrupt):
            store.build(model, IndexSpec(), Interrupted(), lambda: None)
        assert store.locations() == []
        assert not IndexVersion.objects.exists()

    def test_it_says_what_would_be_built(self, store: IndexStore) -> None:
        assert len(store.explain(IndexSpec(), 1_000)) > 10

    def test_versions_do_not_touch_each_other(self, store: IndexStore, model: ModelVersion) -> None:
        other = make_model("other")
        keys = embed(model, unit_rows(4))
        ImageEmbedding.objects.store(other, keys[:2], unit_rows(2, seed=5))
        first, second = built(store, model), built(store, other)
        assert sorted(found(store.open(first))) == keys
        assert sorted(found(store.open(second))) == keys[:2]
        store.remove(second.location)
        assert store.locations() == [first.location]
        assert sorted(found(store.open(first))) == keys


class TestKept:
    def test_what_was_removed_cannot_serve(self, store: IndexStore, model: ModelVersion) -> None:
        embed(model, unit_rows(2))
        index = built(store, model)
        for _ in range(2):  # removing it again is well
            store.remove(index.location)
            assert store.locations() == []
        with pytest.raises(ContextVisionError, match=r"build_index|[Rr]ebuild"):
            store.check(index)

    def test_a_version_of_another_model_is_refused(
        self, store: IndexStore, model: ModelVersion
    ) -> None:
        embed(model, unit_rows(2))
        index = built(store, model)
        index.model_version = make_model("other")
        with pytest.raises(IndexMismatchError, match="model"):
            store.check(index)
        with pytest.raises(IndexMismatchError, match="model"):
            store.open(index)

    def test_a_bundle_carries_a_folder_or_is_refused_one(
        self, store: IndexStore, model: ModelVersion
    ) -> None:
        keys = embed(model, unit_rows(5))
        index = built(store, model)
        folder = store.folder(index)
        if folder is None:
            return
        taken_over = store.adopt(model, folder)
        assert taken_over is not None
        assert sorted(found(store.open(taken_over))) == keys
        assert store.locations() == [taken_over.location]


class TestSearching:
    def test_finds_what_a_slow_search_finds(self, store: IndexStore, model: ModelVersion) -> None:
        embed(model, unit_rows(60))
        lookup, rows = opened(store, model), held_by(model)
        for query in unit_rows(5, seed=3)[:, None]:
            hits = lookup.search(query, 10)
            assert [hit.image_id for hit in hits] == slow_search(model, query, 10)
            for hit in hits:
                assert isinstance(hit, Hit)
                cosine = np.dot(rows[hit.image_id], query[0])
                assert hit.score == pytest.approx(float(cosine), abs=1e-5)

    def test_equal_scores_come_by_id(self, store: IndexStore, model: ModelVersion) -> None:
        """Engines on other machines may score equal vectors a last digit apart."""
        same = np.repeat(unit_rows(1), 5, axis=0)
        keys = embed(model, same)
        hits = opened(store, model).search(same[:1], 5)
        assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.image_id))
        assert sorted(hit.image_id for hit in hits) == keys
        assert [hit.score for hit in hits] == pytest.approx([1.0] * 5, abs=1e-5)

    def test_the_largest_ids_are_kept(self, store: IndexStore, model: ModelVersion) -> None:
        keys = embed(model, unit_rows(3), ids=(1, 2**53 + 1, 2**62))
        lookup = opened(store, model)
        assert sorted(found(lookup)) == keys
        assert found(lookup, allowed=int64(2**53 + 1)) == [2**53 + 1]

    def test_lists_of_ids(self, store: IndexStore, model: ModelVersion) -> None:
        keys = embed(model, unit_rows(30))
        lookup = opened(store, model)
        everything = found(lookup)
        assert sorted(everything) == keys
        for allowed in ([keys[4], keys[0], 500_000, keys[4]], [], range(10, 25_010)):
            narrowed = found(lookup, allowed=np.array(allowed, dtype=np.int64))
            assert narrowed == [key for key in everything if key in allowed]

    def test_the_best_of_those_that_are_allowed(
        self, store: IndexStore, model: ModelVersion
    ) -> None:
        embed(model, unit_rows(60))
        lookup = opened(store, model)
        ranked = found(lookup)
        rest = np.array(ranked[40:], dtype=np.int64)
        assert found(lookup, k=5, allowed=rest) == ranked[40:45]

    def test_what_cannot_be_asked_is_refused(self, store: IndexStore, model: ModelVersion) -> None:
        embed(model, unit_rows(3))
        lookup = opened(store, model)
        with pytest.raises(IndexMismatchError, match="wide"):
            lookup.search(unit_rows(1, DIM + 1), 3)
        for bad in (QUERY * 0, QUERY * 2, QUERY * np.float32("nan")):
            with pytest.raises(InvalidQueryError):
                lookup.search(bad, 3)
        with pytest.raises(ValueError, match="at least 1"):
            lookup.search(QUERY, 0)

    def test_an_opened_version_tells_of_itself(
        self, store: IndexStore, model: ModelVersion
    ) -> None:
        keys = embed(model, unit_rows(40))
        lookup = opened(store, model)
        lookup.check()
        assert lookup.fingerprint == model.fingerprint
        assert lookup.warning is None
        assert lookup.most_hits is None or lookup.most_hits >= 10_000
        assert set(slow_search(model, QUERY, 10)) <= set(lookup.candidates(QUERY, 10))
        chosen = np.array(keys[:3], dtype=np.int64)
        assert set(lookup.candidates(QUERY, 10, allowed_ids=chosen)) == set(keys[:3])
        sample = lookup.sample()
        assert sample.dtype == np.float32
        assert sample.shape == (40, DIM)


class TestNews:
    def test_what_is_embedded_later_is_found(self, store: IndexStore, model: ModelVersion) -> None:
        before = embed(model, unit_rows(3))
        index = built(store, model)
        lookup = store.open(index)
        assert sorted(found(lookup)) == before
        later = embed(model, unit_rows(2, seed=7))
        updates.sync(model)
        assert sorted(found(lookup.refreshed())) == before + later
        assert sorted(found(store.open(index))) == before + later
        index.refresh_from_db()
        if store.follows_rows:
            assert index.watermark == ImageEmbedding.objects.latest("pk").pk
            assert index.count == 5

    def test_what_is_deleted_goes_where_the_version_follows(
        self, store: IndexStore, model: ModelVersion
    ) -> None:
        keys = embed(model, unit_rows(4))
        index = built(store, model)
        delete_pictures(keys[:2])
        delete_pictures([12345])
        kept = keys[2:] if store.follows_rows else keys
        assert [key for key, _ in store.records(index)] == kept

    def test_a_version_of_another_model_is_left_alone(
        self, store: IndexStore, model: ModelVersion
    ) -> None:
        keys = embed(model, unit_rows(2))
        other = make_model("other")
        ImageEmbedding.objects.store(other, keys[:1], unit_rows(1, seed=5))
        index = built(store, other)
        embed(model, unit_rows(2, seed=6))
        updates.sync()
        assert found(store.open(index)) == keys[:1]


def test_any_course_of_changes_ends_as_the_rows_say(store: IndexStore, model: ModelVersion) -> None:
    random.seed(11)
    alive = embed(model, unit_rows(5))
    index = built(store, model)
    lookup = store.open(index)
    for step in range(15):
        if random.random() < 0.6:
            alive += embed(model, unit_rows(random.randint(1, 6), seed=1000 + step))
        else:
            doomed = random.sample(alive, min(len(alive), random.randint(1, 3)))
            alive = [key for key in alive if key not in doomed]
            delete_pictures(doomed)
        updates.sync()
        lookup = lookup.refreshed()
        allowed = random.choice([alive, random.sample(alive, len(alive) // 2)])
        answer = found(lookup, 6, allowed=np.array(allowed, dtype=np.int64))
        assert answer == slow_search(model, QUERY, 6, allowed)
    if store.follows_rows:
        assert {key: vector.tolist() for key, vector in store.records(index)} == held_by(model)
