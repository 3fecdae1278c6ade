"""What every store does with captions and titles, whatever is behind it."""

import io

import numpy as np
import pytest
from django.conf import LazySettings
from django.core.management import call_command

from gallery.models import (
    Caption,
    Image,
    ImageEmbedding,
    IndexVersion,
    ModelVersion,
    SentenceEmbedding,
    SentenceModel,
    SentenceReading,
)
from gallery.models.sentence import Sentence, SentenceRows
from gallery.pipelines.indexing import prune, remove_index
from gallery.pipelines.sentences import read_sentences
from gallery.selectors import sentence_tail_length
from gallery.vectors import updates
from gallery.vectors.base import IndexStore, Lookup
from gallery.vectors.reconcile import compare_sentences
from gallery.vectors.registry import store_for_new
from gallery.vectors.sentences import SentenceStore
from mlcore.config import FloatMatrix, IndexSpec
from mlcore.errors import IndexFileError, IndexMismatchError, InvalidQueryError
from mlcore.progress import NoProgress
from tests.gallery.vectors.conftest import MILVUSES
from tests.gallery.vectors.rows import embed, int64, make_model, unit_rows
from tests.sentences import WordsEncoder

WORDS = ("red", "blue", "green", "dog", "cat", "sea", "sky", "house")


def asked(text: str) -> FloatMatrix:
    return WordsEncoder().encode_queries([text])


def opened(store: IndexStore, model: ModelVersion) -> Lookup:
    return store.open(store.build(model, IndexSpec(), NoProgress(), lambda: None))


def read() -> None:
    """Read what has changed, and let versions take it in."""
    read_sentences()
    updates.sync_sentences()


@pytest.fixture
def told(model: ModelVersion) -> list[int]:
    """Twelve pictures: up to three captions each, a title on every third; all read."""
    keys = embed(model, unit_rows(12))
    generator = np.random.default_rng(3)
    for key in keys:
        for order in range(key % 4):
            text = " ".join(generator.choice(WORDS, 3))
            Caption.objects.create(image_id=key, order=order, text=text)
        if key % 3 == 0:
            Image.objects.filter(pk=key).update(title=f"{WORDS[key % 8]} and more")
    read_sentences()
    return keys


def slow_best(query: FloatMatrix, allowed: list[int] | None = None) -> dict[int, tuple[float, int]]:
    """By picture: the best cosine, and the key of that sentence."""
    model = SentenceReading.objects.current()
    assert model is not None
    best: dict[int, tuple[float, int]] = {}
    stored = SentenceEmbedding.objects.of_model(model).said().order_by("image_id", "key")
    rows = stored.matrix(model.dim)
    for image, key, vector in zip(
        rows.images.tolist(), rows.keys.tolist(), rows.vectors, strict=True
    ):
        score = float(vector @ query[0])
        if (allowed is None or image in allowed) and score > best.get(image, (-2, 0))[0] + 1e-6:
            best[image] = (score, key)
    return best


def agrees(lookup: Lookup, query: FloatMatrix, k: int = 5, allowed: list[int] | None = None) -> int:
    """Hold a search, and the scores of all pictures, to what is worked out slowly."""
    best = slow_best(query, allowed)
    ids = None if allowed is None else int64(*allowed)
    hits = lookup.captions.search(query, k, ids)
    order = sorted(best, key=lambda image: (-round(best[image][0], 5), image))[:k]
    assert [hit.score for hit in hits] == pytest.approx([best[i][0] for i in order], abs=1e-5)
    for hit in hits:
        score, key = best[hit.image_id]
        assert hit.score == pytest.approx(score, abs=1e-5)
        assert hit.caption_id == (key if key > 0 else None) or score == pytest.approx(hit.score)
    everybody = int64(*Image.objects.order_by("-pk").values_list("pk", flat=True), 999)
    scored = lookup.captions.best_of(query, everybody)
    known = slow_best(query)
    for image, score, key in zip(everybody.tolist(), scored.scores, scored.keys, strict=True):
        if image in known:
            assert score == pytest.approx(known[image][0], abs=1e-5)
            assert key != 0
        else:
            assert np.isnan(score)
            assert key == 0
    return len(hits)


class TestSearching:
    def test_each_picture_comes_once_by_the_best_that_is_said_of_it(
        self, store: IndexStore, model: ModelVersion, told: list[int]
    ) -> None:
        lookup = opened(store, model)
        assert lookup.captions.model == SentenceModel.objects.get()
        assert lookup.captions.count == SentenceEmbedding.objects.count()
        for text in ("red dog", "a blue house", "the sea and the sky"):
            assert agrees(lookup, asked(text), 1) == 1
            assert agrees(lookup, asked(text), 5) == 5
            assert agrees(lookup, asked(text), 100) == len(slow_best(asked(text)))
            assert agrees(lookup, asked(text), 5, told[:6]) > 0
        assert lookup.captions.search(asked("red"), 5, int64()) == []

    def test_a_title_has_no_caption(
        self, store: IndexStore, model: ModelVersion, told: list[int]
    ) -> None:
        Image.objects.filter(pk=told[0]).update(title="an entirely unusual title")
        read()
        lookup = opened(store, model)
        [hit] = lookup.captions.search(asked("an entirely unusual title"), 1)
        assert (hit.image_id, hit.caption_id) == (told[0], None)

    def test_bad_questions_are_refused(
        self, store: IndexStore, model: ModelVersion, told: list[int]
    ) -> None:
        captions = opened(store, model).captions
        with pytest.raises(IndexMismatchError):
            captions.search(unit_rows(1, 3), 5)
        with pytest.raises(InvalidQueryError):
            captions.best_of(np.full((1, 64), np.nan, dtype=np.float32), int64(1))

    def test_nothing_was_read_yet(self, store: IndexStore, model: ModelVersion) -> None:
        embed(model, unit_rows(3))
        captions = opened(store, model).captions
        assert (captions.model, captions.count) == (None, 0)
        assert captions.search(asked("red"), 5) == []
        assert np.isnan(captions.best_of(asked("red"), int64(1, 2)).scores).all()


class TestNews:
    def test_what_is_written_changed_and_deleted_later_is_known(
        self, store: IndexStore, model: ModelVersion, told: list[int]
    ) -> None:
        lookup = opened(store, model)
        Caption.objects.create(image_id=told[3], order=9, text="a giraffe eats leaves")
        read()
        lookup = lookup.refreshed()
        assert lookup.captions.search(asked("a giraffe eats leaves"), 1)[0].image_id == told[3]
        agrees(lookup, asked("red dog"))
        Caption.objects.filter(image_id=told[2]).update(text="a whale swims by")
        Caption.objects.filter(image_id=told[3]).update(text="no such animal")
        read()
        lookup = lookup.refreshed()
        assert lookup.captions.search(asked("a whale swims by"), 1)[0].image_id == told[2]
        assert lookup.captions.search(asked("a giraffe eats leaves"), 1)[0].score < 0.9
        agrees(lookup, asked("red dog"))
        Caption.objects.filter(image_id=told[2]).delete()
        Image.objects.filter(pk=told[6]).update(title="")
        read()
        lookup = lookup.refreshed()
        assert lookup.captions.search(asked("a whale swims by"), 1)[0].score < 0.9
        for text in ("red dog", "sea sky", "a whale"):
            agrees(lookup, asked(text))
            agrees(lookup, asked(text), 3, told[:7])
        assert lookup.captions.count == len(list(SentenceEmbedding.objects.said()))

    def test_without_news_it_stays_the_same_object(
        self, store: IndexStore, model: ModelVersion, told: list[int]
    ) -> None:
        lookup = opened(store, model)
        assert lookup.refreshed().captions is lookup.captions

    def test_another_model_of_sentences_is_followed(
        self, store: IndexStore, model: ModelVersion, told: list[int], settings: LazySettings
    ) -> None:
        lookup = opened(store, model)
        former = lookup.captions.model
        settings.CONTEXTVISION_SENTENCE_MODEL = "others"
        read()
        lookup = lookup.refreshed()
        assert lookup.captions.model == SentenceReading.objects.current() != former
        assert lookup.captions.count == SentenceEmbedding.objects.filter(model=former).count()
        query = WordsEncoder("others").encode_queries(["red dog"])
        agrees(lookup, query)
        agrees(store.open(IndexVersion.objects.select_related("model_version").get()), query)

    def test_the_first_that_is_said_is_known(self, store: IndexStore, model: ModelVersion) -> None:
        [key, *_] = embed(model, unit_rows(3))
        lookup = opened(store, model)
        Caption.objects.create(image_id=key, text="red dog")
        read()
        [hit] = lookup.refreshed().captions.search(asked("red dog"), 5)
        assert hit.image_id == key
        assert hit.score == pytest.approx(1)


def test_pictures_are_scored_wherever_they_are(store: IndexStore, model: ModelVersion) -> None:
    keys = embed(model, unit_rows(5))
    lookup = opened(store, model)
    later = embed(model, unit_rows(3, seed=7))
    updates.sync(model)
    lookup = lookup.refreshed()
    query = unit_rows(1, seed=99)
    wanted = int64(later[1], 999, *keys, later[0])
    scores = lookup.scores_of(query, wanted)
    rows = dict(ImageEmbedding.objects.of_model(model).by_picture())
    for key, score in zip(wanted.tolist(), scores, strict=True):
        if key == 999:
            assert np.isnan(score)
        else:
            assert score == pytest.approx(float(rows[key] @ query[0]), abs=1e-5)
    assert len(lookup.scores_of(query, int64())) == 0


def test_the_row_of_a_version_tells_of_its_sentences(
    store: IndexStore, model: ModelVersion, told: list[int]
) -> None:
    index = store.build(model, IndexSpec(), NoProgress(), lambda: None)
    if store.scheme != "toy":
        assert index.sentence_model == SentenceModel.objects.get()
        assert index.sentence_count == SentenceEmbedding.objects.count()
        assert index.sentence_watermark == SentenceEmbedding.objects.latest("pk").pk
    store.check(index)
    store.check(index, thoroughly=True)
    assert store.locations() == [index.location]
    store.remove(index.location)
    assert store.locations() == []


def test_pictures_of_many_sentences_do_not_crowd_out_the_others(
    store: IndexStore, model: ModelVersion
) -> None:
    keys = embed(model, unit_rows(6))
    Caption.objects.bulk_create(
        Caption(image_id=keys[0], order=order, text="red dog") for order in range(60)
    )
    for key in keys[1:]:
        Caption.objects.create(image_id=key, text="red house")
    read_sentences()
    lookup = opened(store, model)
    assert {hit.image_id for hit in lookup.captions.search(asked("red dog"), 6)} == set(keys)
    sentence_model = SentenceModel.objects.get()
    # Many of the index are gone: those that are left are found all the same.
    Caption.objects.filter(image_id=keys[0]).delete()
    read()
    hits = lookup.refreshed().captions.search(asked("red dog"), 6)
    assert {hit.image_id for hit in hits} == set(keys[1:])
    assert sentence_model == lookup.captions.model


def test_a_picture_that_is_deleted_takes_its_sentences_along(
    store: IndexStore, model: ModelVersion, told: list[int]
) -> None:
    lookup = opened(store, model)
    Image.objects.filter(pk=told[3]).delete()
    updates.delete([told[3]])
    if store.follows_rows:
        found = store.open(lookup.index).captions.search(asked("red dog"), 100)  # type: ignore[attr-defined]
        assert {hit.image_id for hit in found} == set(slow_best(asked("red dog")))


@pytest.mark.parametrize("store", MILVUSES, indirect=True)
def test_each_injected_difference_is_named_and_repaired(
    store: IndexStore, model: ModelVersion, told: list[int]
) -> None:
    index = store.build(model, IndexSpec(), NoProgress(), lambda: None)
    assert isinstance(store, SentenceStore)
    assert index.sentence_model is not None
    assert not compare_sentences(store, index, repairing=False)
    rows = SentenceEmbedding.objects.of_model(index.sentence_model).order_by("key")
    first, second = rows.filter(key__gt=0).values_list("key", flat=True)[:2]
    width = index.sentence_model.dim
    other = unit_rows(2, width, seed=5)
    said = np.array([True, True, False])
    vectors = np.concatenate([other, np.zeros((1, width), dtype=np.float32)])
    keys, images = int64(first, 12345, second), int64(told[1], told[2], 0)
    images[0] = rows.get(key=first).image_id
    store.add_sentences(index, SentenceRows(keys, images, vectors, said, 0))
    drift = compare_sentences(store, index, repairing=False)
    assert [drift.missing.tolist(), drift.extra.tolist(), drift.changed.tolist()] == [
        [second],
        [12345],
        [first],
    ]
    said_so = io.StringIO()
    call_command("doctor", "--repair", "--only=indexes", stdout=said_so)
    assert "captions and titles: 1 missing" in said_so.getvalue()
    assert not compare_sentences(store, index, repairing=False)
    agrees(store.open(index), asked("red dog"))


def test_what_no_index_needs_any_more_is_removed(
    model: ModelVersion, told: list[int], settings: LazySettings
) -> None:
    settings.CONTEXTVISION_VECTOR_BACKEND = "faiss"
    store = store_for_new()
    first = store.build(model, IndexSpec(), NoProgress(), lambda: None)
    Caption.objects.filter(image_id=told[2]).delete()
    read()
    former = SentenceReading.objects.current()
    retired = SentenceEmbedding.objects.filter(vector=b"")
    first.activate(instead_of=None)
    prune()
    assert retired.count() == 3  # the index does not know yet
    second = store.build(model, IndexSpec(), NoProgress(), lambda: None)
    second.activate(instead_of=first)
    remove_index(first)
    prune()
    assert retired.count() == 0
    settings.CONTEXTVISION_SENTENCE_MODEL = "others"
    read()
    prune()
    assert SentenceEmbedding.objects.filter(model=former).exists()  # for the index that holds them
    third = store.build(model, IndexSpec(), NoProgress(), lambda: None)
    third.activate(instead_of=second)
    remove_index(second)
    prune()
    assert SentenceModel.objects.get() == SentenceReading.objects.current() == third.sentence_model


def test_many_that_were_read_since_want_an_index(
    model: ModelVersion, told: list[int], settings: LazySettings
) -> None:
    settings.CONTEXTVISION_VECTOR_BACKEND = "faiss"
    index = store_for_new().build(model, IndexSpec(), NoProgress(), lambda: None)
    assert sentence_tail_length(index) == 0
    Caption.objects.filter(image_id=told[2]).update(text="changed")
    read()
    assert sentence_tail_length(index) == 3
    settings.CONTEXTVISION_SENTENCE_MODEL = "others"
    read()
    model_now = SentenceReading.objects.current()
    assert sentence_tail_length(index) == SentenceEmbedding.objects.filter(model=model_now).count()


def test_files_that_are_damaged_are_replaced_by_the_rows_meanwhile(
    model: ModelVersion, told: list[int], settings: LazySettings
) -> None:
    settings.CONTEXTVISION_VECTOR_BACKEND = "faiss"
    store = store_for_new()
    index = store.build(model, IndexSpec(), NoProgress(), lambda: None)
    folder = store.folder(index)
    assert folder is not None
    for name in ("keys.npy", "images.npy", "index.faiss"):
        file = folder / "captions" / name
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(IndexFileError):
            store.check(index, thoroughly=True)
        lookup = store.open(index)
        assert lookup.warning is not None
        agrees(lookup, asked("red dog"))
        file.write_bytes(content[:-1])
        with pytest.raises(IndexFileError):
            store.check(index)
        file.write_bytes(content)
    assert store.open(index).warning is None


def test_a_sentence_of_a_picture_that_is_gone_is_not_kept(model: ModelVersion) -> None:
    sentence_model = SentenceModel.objects.for_encoder(WordsEncoder())
    gone = Sentence(image_id=999, key=1, text="nobody's")
    vectors = WordsEncoder().encode_texts(["nobody's"])
    assert SentenceEmbedding.objects.store(sentence_model, [gone], vectors) == 0
    assert make_model("other") != model
