"""Which models a search process holds while the live one changes."""

import gc
import weakref

import pytest
from django.conf import LazySettings

import mlcore.encoders.cache
from gallery.models import Image, IndexVersion, Job, ModelVersion
from gallery.services import versions
from search.engine import engine_holder, get_engine
from search.query import GalleryPicture, SearchQuery
from search.services import search_images
from tests.encoders import COLOURS, ColourEncoder, NamedEncoder
from tests.pictures_of_colours import add_picture, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def models(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        mlcore.encoders.cache,
        "load_encoder",
        lambda reference, **_: NamedEncoder(
            reference, images="first" if reference == "words" else ""
        ),
    )
    mlcore.encoders.cache.forget_encoders()
    settings.CONTEXTVISION_MODEL = "first"
    settings.CONTEXTVISION_KEEP_INDEXES = 5
    for colour in COLOURS:
        add_picture(colour)


def make_live(model: str) -> IndexVersion:
    run(Job.Kind.EMBED, model=model)
    run(Job.Kind.INDEX, model=model)
    live = IndexVersion.objects.active()
    assert live is not None
    assert live.model_version.name == model
    return live


def swapped() -> ColourEncoder:
    """Let the process notice what is live, and return the model that it answers with then."""
    get_engine()
    engine_holder.wait_for_swap()
    encoder = get_engine().encoder
    assert isinstance(encoder, ColourEncoder)
    return encoder


def is_loaded(encoder: "weakref.ref[ColourEncoder]") -> bool:
    gc.collect()
    return encoder() is not None


def test_the_live_and_the_former_model_are_kept_and_no_other(models: None) -> None:
    make_live("first")
    first = weakref.ref(swapped())
    make_live("second")
    second = weakref.ref(swapped())
    assert is_loaded(first)
    make_live("third")
    assert swapped().name == "third"
    assert not is_loaded(first)
    assert is_loaded(second)
    versions.rollback(user=None)
    assert swapped() is second(), "it was at hand and is not loaded again"


def test_a_model_of_new_words_searches_the_vectors_of_the_old(models: None) -> None:
    make_live("first")
    swapped()
    live = make_live("words")
    assert live.model_version.vectors_version == ModelVersion.objects.get(name="first")
    assert swapped().name == "words"
    red = Image.objects.get(title="red-0")
    fresh = add_picture("red", shade=20)
    run(Job.Kind.EMBED)
    engine_holder._looked_at = 0.0
    page = search_images(SearchQuery.of("red", limit=2), user=None)
    assert {result.image for result in page.results} == {red, fresh}
    like = search_images(SearchQuery.of(GalleryPicture(fresh.pk), limit=1), user=None)
    assert [result.image for result in like.results] == [red]
