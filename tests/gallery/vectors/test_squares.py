"""What every store does with the squares of wide pictures, whatever is behind it."""

import numpy as np
import pytest
from django.conf import LazySettings

from gallery.models import Image, IndexVersion, ModelVersion, SquareEmbedding
from gallery.models.square import ENDS, squares_of
from gallery.vectors import updates
from gallery.vectors.base import IndexStore, Lookup
from gallery.vectors.reconcile import compare, repair
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.index import Hit
from mlcore.progress import NoProgress
from tests.gallery.vectors.rows import DIM, embed, held_by, int64, unit_rows

QUERY = unit_rows(1, seed=99)


def built(store: IndexStore, model: ModelVersion) -> IndexVersion:
    return store.build(model, IndexSpec(), NoProgress(), lambda: None)


def embed_wide(model: ModelVersion, count: int, seed: int) -> list[int]:
    """Keep vectors of so many new pictures with squares at both ends; return their ids."""
    keys = embed(model, unit_rows(count, seed=seed))
    ends = unit_rows(ENDS * count, seed=seed + 1).reshape(count, ENDS, DIM)
    SquareEmbedding.objects.store(model, keys, ends)
    return keys


def true_scores(model: ModelVersion, query: FloatMatrix = QUERY) -> dict[int, float]:
    """The cosine of each picture's best square, worked out the obvious way."""
    scores = {key: float(np.dot(vector, query[0])) for key, vector in held_by(model).items()}
    for row in SquareEmbedding.objects.of_model(model):
        score = float(np.frombuffer(bytes(row.vector), "<f4") @ query[0])
        if row.image_id in scores:
            scores[row.image_id] = max(scores[row.image_id], score)
    return scores


def expected(model: ModelVersion, k: int, allowed: IdVector | None = None) -> list[int]:
    scores = true_scores(model)
    keys = [key for key in scores if allowed is None or key in allowed]
    return sorted(keys, key=lambda key: (-scores[key], key))[:k]


def found(lookup: Lookup, k: int, allowed: IdVector | None = None) -> list[int]:
    hits = lookup.search(QUERY, k, allowed_ids=allowed)
    assert all(isinstance(hit, Hit) for hit in hits)
    return [hit.image_id for hit in hits]


def test_a_picture_is_as_near_as_its_best_square(store: IndexStore, model: ModelVersion) -> None:
    plain = embed(model, unit_rows(20))
    wide = embed_wide(model, 15, seed=5)
    index = built(store, model)
    assert (index.count, index.square_count) == (35, 30)
    lookup = store.open(index)
    assert found(lookup, 10) == expected(model, 10)
    assert sorted(found(lookup, 1000)) == plain + wide
    scores = true_scores(model)
    for hit in lookup.search(QUERY, 35):
        assert hit.score == pytest.approx(scores[hit.image_id], abs=1e-5)
    ids = int64(*reversed(wide), plain[0], 999_999)
    told = lookup.scores_of(QUERY, ids)
    assert told[:-1] == pytest.approx([scores[pk] for pk in ids.tolist()[:-1]], abs=1e-5)
    assert np.isnan(told[-1])
    allowed = int64(*wide[3:9], *plain[:4], 999_999)
    assert found(lookup, 4, allowed) == expected(model, 4, allowed)
    assert set(expected(model, 5)) <= set(lookup.candidates(QUERY, 5))
    assert set(lookup.candidates(QUERY, 5, allowed_ids=allowed)) <= set(allowed.tolist())
    store.check(index)
    store.check(index, thoroughly=True)


def test_what_comes_and_goes_is_followed(store: IndexStore, model: ModelVersion) -> None:
    embed(model, unit_rows(6))
    index = built(store, model)
    lookup = store.open(index)
    assert index.square_count == 0
    wide = embed_wide(model, 4, seed=30)
    updates.sync(model)
    lookup = lookup.refreshed()
    assert found(lookup, 10) == expected(model, 10)
    index.refresh_from_db()
    assert found(store.open(index), 10) == expected(model, 10)
    if store.follows_rows:
        assert index.count == 10
        assert index.square_count == 8
        assert index.square_watermark == SquareEmbedding.objects.latest("pk").pk
        Image.objects.filter(pk=wide[0]).delete()
        updates.delete([wide[0]])
        keys = [key for key, _ in store.records(index)]
        gone = squares_of(int64(wide[0]))
        assert not {wide[0], *(-gone).tolist()}.intersection(keys)
        assert keys == sorted(keys)
        assert found(store.open(index), 10) == expected(model, 10)


def test_the_settings_turn_them_off(
    store: IndexStore, model: ModelVersion, settings: LazySettings
) -> None:
    embed_wide(model, 12, seed=40)
    index = built(store, model)
    settings.CONTEXTVISION_SQUARES = False
    scores = {key: float(np.dot(vector, QUERY[0])) for key, vector in held_by(model).items()}
    centres = sorted(scores, key=lambda key: (-scores[key], key))
    lookup = store.open(index)
    assert found(lookup, 5) == centres[:5]
    assert found(lookup, 3, int64(*centres[4:])) == centres[4:7]
    assert lookup.scores_of(QUERY, int64(centres[0]))[0] == pytest.approx(scores[centres[0]])
    without = built(store, model)
    assert without.square_count == 0
    settings.CONTEXTVISION_SQUARES = True
    assert found(store.open(index), 5) == expected(model, 5)


def test_damage_is_found_and_mended(store: IndexStore, model: ModelVersion) -> None:
    if not store.follows_rows:
        pytest.skip("its files are compared byte by byte")
    wide = embed_wide(model, 5, seed=50)
    index = built(store, model)
    assert not compare(store, index)
    lost, stray = -squares_of(int64(wide[0])), int64(-2 * 999_999)
    store.delete(index, lost)
    store.add(index, stray, unit_rows(1, seed=3))
    store.add(index, -squares_of(int64(wide[1])), unit_rows(2, seed=4))
    drift = compare(store, index)
    assert sorted(drift.missing.tolist()) == sorted(lost.tolist())
    assert drift.extra.tolist() == stray.tolist()
    assert len(drift.changed) == 2
    repair(store, index)
    assert not compare(store, index)


def test_rows_are_read_in_pieces(model: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallery.models.square._READ_CHUNK", 3)
    wide = embed_wide(model, 5, seed=60)
    ids, vectors, watermark = SquareEmbedding.objects.of_model(model).matrix(DIM)
    assert ids.tolist() == squares_of(int64(*wide)).tolist()
    assert watermark == SquareEmbedding.objects.latest("pk").pk
    pairs = list(SquareEmbedding.objects.of_model(model).by_square())
    assert [key for key, _ in pairs] == ids.tolist()[::-1]
    assert (np.stack([vector for _, vector in pairs]) == vectors[::-1]).all()
