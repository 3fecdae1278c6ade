"""A setting and a row each lead to a store; a further kind costs one module and one entry."""

import subprocess
import sys
from io import StringIO

import pytest
from django.conf import LazySettings
from django.core.management import call_command

from gallery.checks import live_index_is_as_set
from gallery.models import IndexVersion, Job
from gallery.services import images, versions
from gallery.vectors.errors import VectorStoreError
from gallery.vectors.files import FileStore
from gallery.vectors.milvus import MilvusStore
from gallery.vectors.registry import BACKENDS, check_address, store_for_new, store_of
from search.engine import engine_holder, get_engine
from search.filters import ImageFilter
from search.query import SearchQuery
from search.services import search_images
from tests.encoders import COLOURS, ColourEncoder
from tests.gallery.vectors.toy_store import ENTRY, ToyStore
from tests.pictures_of_colours import add_picture, index_everything, run


def test_a_setting_names_a_store(settings: LazySettings) -> None:
    kinds = {"faiss": FileStore, "files": FileStore, "milvus://nowhere.invalid": MilvusStore}
    for address, kind in kinds.items():
        check_address(address)
        settings.CONTEXTVISION_VECTOR_BACKEND = address
        assert isinstance(store_for_new(), kind)


@pytest.mark.parametrize("wrong", ["", "FAISS", "faiss:x", "redis://x", "milvus:/x", "milvuss://x"])
def test_what_names_no_store_is_refused_with_what_does(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"faiss|milvus://"):
        check_address(wrong)


def test_a_row_of_an_unknown_kind_is_refused_in_words() -> None:
    index = IndexVersion(pk=7, store="clay", location="tablet")
    with pytest.raises(VectorStoreError, match=r"kind clay.*build_index"):
        store_of(index)


def test_the_settings_can_ask_without_models_or_engines() -> None:
    code = (
        "import sys, gallery.vectors.registry as r; r.check_address('milvus://host'); "
        "print({'faiss', 'pymilvus', 'grpc', 'torch', 'gallery.models'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def found(text: str, limit: int = 1, where: ImageFilter | None = None) -> list[str]:
    query = SearchQuery.of(text, limit=limit, where=where or ImageFilter())
    return [result.image.source for result in search_images(query, user=None).results]


@pytest.mark.django_db(transaction=True)
def test_a_third_kind_of_store_carries_the_whole_product(
    colours: ColourEncoder, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKENDS, "toy", ENTRY)
    monkeypatch.setattr(ToyStore, "kept", {})
    settings.CONTEXTVISION_VECTOR_BACKEND = "toy://here"
    red = add_picture("red")
    for colour in set(COLOURS) - {"red"}:
        add_picture(colour)
    index_everything()
    first = IndexVersion.objects.get()
    assert first.store == "toy"
    assert versions.explain_index() == "A dict, whatever is asked for."
    assert found("blue") == ["blue-0.jpg"]
    # Pictures come, go and are narrowed down.
    deep = add_picture("blue", shade=20)
    images.update_image(deep, {"tags": ["deep"]})
    run(Job.Kind.EMBED)
    assert set(found("blue", 2)) == {"blue-0.jpg", "blue-20.jpg"}
    assert found("red", 3, ImageFilter(tag="deep")) == ["blue-20.jpg"]
    images.delete_images([red])
    assert "red-0.jpg" not in found("red", 20)
    # Another version goes live; one that nothing names is found and removed.
    run(Job.Kind.INDEX)
    ToyStore.kept["stray"] = ("", {})
    told = StringIO()
    call_command("doctor", "--repair", "--only=indexes", stdout=told)
    assert "The version stray belongs to no index (mended)" in told.getvalue()
    assert "1 found, 1 mended" in told.getvalue()
    get_engine()
    engine_holder.wait_for_swap()
    assert get_engine().version != first
    assert found("green") == ["green-0.jpg"]
    # Its setting is taken away, and given back.
    settings.CONTEXTVISION_VECTOR_BACKEND = "faiss"
    assert [warning.id for warning in live_index_is_as_set(["default"])] == ["contextvision.W010"]
    settings.CONTEXTVISION_VECTOR_BACKEND = "toy://here"
    assert live_index_is_as_set(["default"]) == []
