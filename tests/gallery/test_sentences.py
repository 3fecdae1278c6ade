"""Captions and titles are read soon after they were written, however they were written."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from gallery.models import (
    Caption,
    Image,
    Job,
    SentenceChange,
    SentenceEmbedding,
    SentenceModel,
    SentenceReading,
)
from gallery.models.sentence import is_sentence
from gallery.models.sentence_triggers import TRIGGERS
from gallery.pipelines import sentences
from gallery.pipelines.sentences import read_sentences
from gallery.services import images as services
from gallery.services.maintenance import maintain
from tests.gallery.vectors.rows import add_images
from tests.sentences import WordsEncoder

pytestmark = pytest.mark.django_db


def stored() -> dict[tuple[int, int], list[float]]:
    """The vectors that are kept of the model of the settings, by picture and key."""
    model = SentenceReading.objects.current()
    assert model is not None
    rows = SentenceEmbedding.objects.of_model(model).said().matrix(model.dim)
    places = zip(rows.images.tolist(), rows.keys.tolist(), strict=True)
    return dict(zip(places, rows.vectors.tolist(), strict=True))


def meant() -> dict[tuple[int, int], list[float]]:
    """The same, worked out anew from captions and titles."""
    texts = {(each.image_id, each.pk): each.text for each in Caption.objects.all()}
    for image in Image.objects.all():
        if is_sentence(image.title, image.source):
            texts[image.pk, -image.pk] = image.title
    return {place: WordsEncoder().encode_texts([text])[0].tolist() for place, text in texts.items()}


@pytest.fixture
def said() -> list[Image]:
    """Three pictures with two captions and a title each, all read."""
    images = add_images(3)
    for number, image in enumerate(images):
        Image.objects.filter(pk=image.pk).update(title=f"title of {image.pk}")
        for order, what in enumerate(("dog", "cat")):
            Caption.objects.create(image=image, order=order, text=f"a {what} with {number} balls")
    assert read_sentences() == 9
    assert stored() == meant()
    return images


def raw(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


WAYS: dict[str, Callable[[Image], object]] = {
    "service": lambda image: services.set_captions(image, ["a new one", "a cat with 0 balls"]),
    "added": lambda image: services.add_caption(image, "one more"),
    "saved": lambda image: Caption(image=image, order=7, text="saved").save(),
    "bulk create": lambda image: Caption.objects.bulk_create(
        [Caption(image=image, order=8, text="made in bulk")]
    ),
    "bulk update": lambda image: image.captions.update(text="all the same"),
    "deleted": lambda image: image.captions.filter(order=0).delete(),
    "moved": lambda image: image.captions.update(image=image.pk + 1, order=F("order") + 10),
    "title": lambda image: services.update_image(image, {"title": "two dogs at play"}),
    "no title": lambda image: Image.objects.filter(pk=image.pk).update(title=""),
    "raw update": lambda image: raw("UPDATE gallery_caption SET text = 'typed in'"),
    "raw delete": lambda image: raw("DELETE FROM gallery_caption WHERE text LIKE '%dog%'"),
    "raw title": lambda image: raw("UPDATE gallery_image SET title = 'typed in too'"),
    "picture deleted": lambda image: services.delete_images([image]),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_is_noticed(said: list[Image], way: str) -> None:
    before = stored()
    WAYS[way](said[0])
    assert SentenceReading.objects.is_due()
    read_sentences()
    assert stored() == meant() != before
    assert not SentenceReading.objects.is_due()


def test_what_has_not_changed_is_not_read_again(said: list[Image]) -> None:
    rows = set(SentenceEmbedding.objects.values_list("pk", flat=True))
    services.set_captions(said[0], ["a dog with 0 balls", "something else"])
    # Written anew under new ids, by name the same: these two are read, and no others.
    assert read_sentences() == 2
    kept = rows & set(SentenceEmbedding.objects.values_list("pk", flat=True))
    assert len(kept) == 7


def test_what_is_said_anew_or_no_more_is_a_later_row(said: list[Image]) -> None:
    last = SentenceEmbedding.objects.latest("pk").pk
    first, second = said[0].captions.order_by("order")
    Caption.objects.filter(pk=first.pk).update(text="other words")
    Caption.objects.filter(pk=second.pk).delete()
    read_sentences()
    model = SentenceModel.objects.get()
    later = SentenceEmbedding.objects.later_than(model, last).matrix(model.dim)
    told = dict(zip(later.keys.tolist(), later.said.tolist(), strict=True))
    assert told == {first.pk: True, second.pk: False}


@pytest.mark.parametrize(
    ("title", "source", "says"),
    [
        ("Rex the dog", "IMG_1.jpg", True),
        ("Rex", "IMG_1.jpg", True),
        ("IMG_1", "IMG_1.jpg", False),
        ("dog on a beach", "folder/Dog on a beach.JPG", False),
        ("DSC02041", "", False),
        ("beach.jpeg", "", False),
        ("", "", False),
        ("  ", "", False),
    ],
)
def test_a_file_name_is_no_sentence(title: str, source: str, says: bool) -> None:
    assert is_sentence(title, source) is says


def test_the_newest_is_read_first(monkeypatch: pytest.MonkeyPatch) -> None:
    many = add_images(80)
    Caption.objects.bulk_create(Caption(image=image, text="an import") for image in many)
    Caption.objects.create(image=many[40], order=1, text="written now")
    batches: list[list[str]] = []

    class Watched(WordsEncoder):
        def encode_texts(self, texts: list[str]) -> np.ndarray:  # type: ignore[override]
            batches.append(list(texts))
            return super().encode_texts(texts)

    monkeypatch.setattr(sentences, "shared_sentence_encoder", lambda *args, **named: Watched())
    # Before anything was read all is looked at, as a model's first reading is; that is done here.
    SentenceReading.objects.create(
        pk=1, sentence_model=SentenceModel.objects.for_encoder(WordsEncoder())
    )
    assert read_sentences() == 81
    assert "written now" in batches[0]
    assert len(batches) == 3


def test_a_worker_that_dies_loses_one_batch(
    said: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentences, "PICTURES", 1)
    Caption.objects.update(text="changed")
    calls = []

    class Dies(WordsEncoder):
        def encode_texts(self, texts: list[str]) -> np.ndarray:  # type: ignore[override]
            calls.append(texts)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return super().encode_texts(texts)

    with monkeypatch.context() as patched:
        patched.setattr(sentences, "shared_sentence_encoder", lambda *args, **named: Dies())
        with pytest.raises(KeyboardInterrupt):
            read_sentences()
    true = meant()
    # The titles, and the captions of two pictures.
    assert sum(true[place] == vector for place, vector in stored().items()) == 3 + 4
    assert read_sentences() == 2
    assert stored() == meant()


def test_one_worker_reads_at_a_time_and_a_dead_one_is_succeeded(said: list[Image]) -> None:
    Caption.objects.update(text="changed")
    taken = SentenceReading.objects.take()
    assert taken is not None
    assert not SentenceReading.objects.is_due()
    assert read_sentences() == 0
    SentenceReading.objects.update(lease_until=Now() - timedelta(seconds=1), token=uuid.uuid4())
    assert SentenceReading.objects.is_due()
    assert read_sentences() == 6
    assert not taken.beat()


def test_another_model_reads_all_anew_and_the_former_ones_vectors_stay(
    said: list[Image], settings: LazySettings
) -> None:
    before = stored()
    settings.CONTEXTVISION_SENTENCE_MODEL = "others"
    assert read_sentences() == 9
    assert stored().keys() == before.keys()
    assert stored() != before
    # Back again: nothing but what was said meanwhile is read.
    Caption.objects.filter(image=said[0]).update(text="meanwhile")
    assert read_sentences() == 2
    settings.CONTEXTVISION_SENTENCE_MODEL = "words"
    assert read_sentences() == 2
    assert stored() == meant()


def test_an_index_is_wanted_once_all_is_read(
    indexed: dict[str, Image], settings: LazySettings
) -> None:
    settings.CONTEXTVISION_TAIL_LIMIT = 5
    waiting = Job.objects.filter(kind=Job.Kind.INDEX, status=Job.Status.QUEUED)
    Caption.objects.update(text="said anew")
    maintain()
    assert not waiting.exists()
    read_sentences()
    last = Caption.objects.latest("pk")
    Caption.objects.filter(pk=last.pk).update(text="and once more")
    maintain()
    assert not waiting.exists()
    read_sentences()
    maintain()
    assert waiting.count() == 1


def test_triggers_that_are_gone_are_made_again_and_nothing_is_missed(said: list[Image]) -> None:
    TRIGGERS.remove(connection)
    Caption.objects.update(text="unseen")
    assert not SentenceChange.objects.exists()
    call_command("migrate", verbosity=0)
    assert SentenceReading.objects.is_due()
    read_sentences()
    assert stored() == meant()
    call_command("migrate", verbosity=0)  # which finds them all
    assert not SentenceReading.objects.is_due()
