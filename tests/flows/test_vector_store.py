"""The whole product with its vectors in Milvus: the double in CI, a real server where asked for."""

import io
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

import mlcore.encoders.cache
from gallery.checks import live_index_is_as_set
from gallery.models import Image, ImageEmbedding, IndexVersion, Job
from gallery.services import images, maintenance, versions
from gallery.vectors.base import IndexStore
from gallery.vectors.errors import (
    VectorStoreError,
    VectorStoreUnavailableError,
)
from gallery.vectors.registry import store_for_new
from mlcore.config import IndexSpec
from mlcore.progress import NoProgress
from search.engine import engine_holder, get_engine
from search.filters import ImageFilter
from search.query import SearchQuery
from search.services import search_images
from tests.encoders import COLOURS, NamedEncoder
from tests.gallery.vectors.servers import MilvusServer
from tests.pictures_of_colours import add_picture, index_everything, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["milvus-lite", pytest.param("milvus", marks=pytest.mark.slow)])
def server(
    request: pytest.FixtureRequest, server_for: Callable[[str], MilvusServer]
) -> MilvusServer:
    return server_for(request.param)


@pytest.fixture
def store(
    server: MilvusServer, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[IndexStore]:
    """The vector store of the settings, empty; models are told apart by their names."""
    settings.CONTEXTVISION_VECTOR_BACKEND = f"{server.uri}?consistency=strong&timeout=20"
    monkeypatch.setattr(mlcore.encoders.cache, "load_encoder", lambda name, **_: NamedEncoder(name))
    mlcore.encoders.cache.forget_encoders()
    settings.CONTEXTVISION_MODEL = "first"
    found = store_for_new()
    yield found
    for location in found.locations():
        found.remove(location)


@pytest.fixture
def pictures(store: IndexStore) -> dict[str, Image]:
    """One picture of each colour, found through the store."""
    added = {colour: add_picture(colour) for colour in COLOURS}
    index_everything()
    return added


def live() -> IndexVersion:
    found = IndexVersion.objects.active()
    assert found is not None
    return found


def swapped() -> None:
    get_engine()
    engine_holder.wait_for_swap()


def found(text: str, limit: int = 1, **asked: object) -> list[Image]:
    page = search_images(SearchQuery.of(text, limit=limit, **asked), user=None)  # type: ignore[arg-type]
    return [result.image for result in page.results]


def checked(*options: str) -> str:
    out = io.StringIO()
    call_command("doctor", "--only=indexes", *options, stdout=out)
    return out.getvalue()


def test_from_a_picture_to_a_search_and_away_again(
    store: IndexStore, pictures: dict[str, Image], client: Client, settings: LazySettings
) -> None:
    assert live().store == "milvus"
    assert not list(Path(settings.INDEX_DIR).glob("*"))
    assert store.locations() == [live().location]
    assert found("blue") == [pictures["blue"]]
    assert b"blue-0" in client.get("/", {"q": "blue"}).content
    # A picture that comes is found without a rebuild, one that goes is gone there too.
    fresh = add_picture("blue", shade=20)
    run(Job.Kind.EMBED)
    assert set(found("blue", limit=2)) == {pictures["blue"], fresh}
    assert live().watermark == ImageEmbedding.objects.latest("pk").pk
    images.delete_images([pictures["blue"]])
    assert found("blue") == [fresh]
    assert len(list(store.records(live()))) == len(COLOURS)
    assert "0 found" in checked()


def test_a_search_is_narrowed_and_keeps_what_is_private_to_itself(
    store: IndexStore, pictures: dict[str, Image]
) -> None:
    images.update_image(pictures["red"], {"tags": ["warm"]})
    images.update_image(pictures["orange"], {"tags": ["warm"], "visibility": "private"})
    where = ImageFilter(tag="warm")
    assert found("blue", limit=5, where=where) == [pictures["red"]]
    assert pictures["orange"] not in found("orange", limit=20)
    assert found("red", limit=20, offset=len(COLOURS)) == []


def test_a_model_goes_live_and_back(store: IndexStore, pictures: dict[str, Image]) -> None:
    swapped()
    first = live()
    run(Job.Kind.EMBED, model="second")
    run(Job.Kind.INDEX, model="second")
    swapped()
    assert live() != first
    assert get_engine().version == live()
    assert found("green") == [pictures["green"]]
    versions.rollback(user=None)
    swapped()
    assert get_engine().version == first
    assert found("green") == [pictures["green"]]


def test_versions_that_are_not_kept_are_dropped(
    store: IndexStore, pictures: dict[str, Image], settings: LazySettings
) -> None:
    settings.CONTEXTVISION_KEEP_INDEXES = 2
    for _ in range(3):
        run(Job.Kind.INDEX)
    kept = {index.location for index in IndexVersion.objects.all()}
    assert len(kept) == 2
    assert set(store.locations()) == kept


def test_differences_are_told_and_repaired(store: IndexStore, pictures: dict[str, Image]) -> None:
    red, strange = pictures["red"].pk, pictures["pink"].pk + 1_000
    store.delete(live(), np.array([red]))
    store.add(live(), np.array([strange]), np.eye(1, 16, dtype=np.float32))
    built = store.build(live().model_version, IndexSpec(), NoProgress(), lambda: None)
    built.delete()
    with pytest.raises(SystemExit, match="3"):
        checked()
    told = checked("--repair")
    assert "1 missing, 1 that should not be there, 0 changed. (mended)" in told
    assert f"The version {built.location} belongs to no index (mended)" in told
    assert "0 found" in checked()
    assert found("red") == [pictures["red"]]
    assert store.locations() == [live().location]


def test_an_index_in_files_goes_on_until_one_is_built_in_the_store(
    store: IndexStore, settings: LazySettings
) -> None:
    address = settings.CONTEXTVISION_VECTOR_BACKEND
    settings.CONTEXTVISION_VECTOR_BACKEND = "faiss"
    red = add_picture("red")
    index_everything()
    assert "0 found" in checked()
    settings.CONTEXTVISION_VECTOR_BACKEND = address
    assert [warning.id for warning in live_index_is_as_set(["default"])] == ["contextvision.W011"]
    assert found("red") == [red]
    run(Job.Kind.INDEX)
    swapped()
    assert get_engine().version.store == "milvus"
    assert found("red") == [red]
    assert live_index_is_as_set(["default"]) == []


def test_an_index_whose_store_is_not_named_any_more_is_refused_in_words(
    store: IndexStore, pictures: dict[str, Image], settings: LazySettings
) -> None:
    address = settings.CONTEXTVISION_VECTOR_BACKEND
    settings.CONTEXTVISION_VECTOR_BACKEND = "faiss"
    assert [warning.id for warning in live_index_is_as_set(["default"])] == ["contextvision.W010"]
    with pytest.raises(VectorStoreError, match="CONTEXTVISION_VECTOR_BACKEND does not say where"):
        found("red")
    run(Job.Kind.INDEX)
    assert found("red") == [pictures["red"]]
    settings.CONTEXTVISION_VECTOR_BACKEND = address


def start_again(server: MilvusServer, store: IndexStore) -> None:
    """Start the server, and wait until this process has found it and it has loaded its vectors."""
    server.start()
    deadline = time.monotonic() + 120
    while True:
        try:
            list(store.records(live()))
        except VectorStoreUnavailableError:
            assert time.monotonic() < deadline, "the server is not found again"
            time.sleep(0.1)
        else:
            return


class TestOutage:
    @pytest.fixture
    def away(
        self, store: IndexStore, pictures: dict[str, Image], server: MilvusServer
    ) -> Iterator[MilvusServer]:
        """A server that was killed after the first search."""
        assert found("red") == [pictures["red"]]
        server.kill()
        yield server
        if not server.processes():
            start_again(server, store)

    def test_a_search_says_so(self, away: MilvusServer, client: Client) -> None:
        page = client.get("/", {"q": "red"})
        assert page.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert "The search cannot be reached just now" in page.content.decode()
        assert "127.0.0.1" not in page.content.decode()
        problem = client.get("/api/v1/search/", {"q": "red"})
        assert problem.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert problem.json()["type"].endswith(":vector-store-unavailable")
        assert "127.0.0.1" not in problem.content.decode()
        ready = client.get("/readyz").json()["checks"]["search"]
        assert ready == {"ok": False, "reason": "The vector store cannot be reached."}
        client.force_login(User.objects.create_superuser("ada"))
        assert "Milvus at 127.0.0.1" in client.get("/", {"q": "red"}).content.decode()

    def test_what_came_and_went_meanwhile_is_caught_up_with(
        self, away: MilvusServer, store: IndexStore, pictures: dict[str, Image]
    ) -> None:
        fresh = add_picture("red", shade=20)
        run(Job.Kind.EMBED)
        images.delete_images([pictures["blue"]])
        with pytest.raises(CommandError, match="does not answer"):
            checked()
        start_again(away, store)
        maintenance.maintain()
        assert set(found("red", limit=2)) == {pictures["red"], fresh}
        assert found("blue") != [pictures["blue"]]
        assert "1 that should not be there" in checked("--repair")
        assert "0 found" in checked()
