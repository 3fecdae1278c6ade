"""Fixtures that every part of the suite shares."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User

import mlcore.runtime
import mlcore.shared
from gallery.models import Image
from tests.encoders import COLOURS, ColourEncoder
from tests.mlcore.vectorstore.servers import MilvusServer, server_of
from tests.pictures_of_colours import add_picture, index_everything
from tests.services import chromium_path, flickr8k_path, redis_url

# Compiling each of the many tiny models of the tests would take longer than running them.
os.environ.setdefault(mlcore.runtime.LIBRARY_VARIABLE, "torch")


@pytest.fixture(scope="session")
def server_for(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], MilvusServer]]:
    """One running server for each engine, shared by the tests."""
    running: dict[str, MilvusServer] = {}

    def get(engine: str) -> MilvusServer:
        if engine not in running:
            server = server_of(engine, tmp_path_factory.mktemp(engine) / "data")
            server.start()
            running[engine] = server
        return running[engine]

    yield get
    for server in running.values():
        server.kill()


@pytest.fixture(scope="session")
def flickr8k_dir() -> Path:
    """The Flickr8k photographs, in the original layout; never copied into the project."""
    path = flickr8k_path()
    if not path.is_dir():
        pytest.skip(f"Flickr8k is not at {path}; set CONTEXTVISION_FLICKR8K to its folder.")
    return path


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: LazySettings) -> Path:
    """A folder of its own for each test's pictures and indexes."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.INDEX_DIR = tmp_path / "indexes"
    settings.MODELS_DIR = tmp_path / "models"
    settings.TRANSFER_DIR = tmp_path / "transfers"
    return tmp_path


@pytest.fixture(autouse=True)
def _fresh_engine() -> Iterator[None]:
    """No test searches with the index of another, nor sees what another has counted."""
    from django.core.cache import caches

    from search.engine import engine_room

    yield
    for cache in caches.all(initialized_only=True):
        cache.clear()
    engine_room.reset()
    mlcore.shared.forget_encoders()


@pytest.fixture
def colours(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> ColourEncoder:
    """The model of the settings is one that knows colours and nothing else."""
    encoder = ColourEncoder()
    monkeypatch.setattr(mlcore.shared, "load_encoder", lambda reference, **options: encoder)
    mlcore.shared.forget_encoders()
    settings.CONTEXTVISION_MODEL = "colours"
    return encoder


@pytest.fixture
def indexed(colours: ColourEncoder, db: None) -> dict[str, Image]:
    """A gallery with one picture of each colour, embedded, indexed and live; by colour."""
    pictures = {colour: add_picture(colour, captions=(f"all {colour}",)) for colour in COLOURS}
    index_everything()
    return pictures


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_user("staff", password="a long password", is_staff=True)


@pytest.fixture
def member(db: None) -> User:
    return User.objects.create_user("member", password="a long password")


@pytest.fixture(scope="session", autouse=True)
def _clean_up_data() -> Iterator[None]:
    yield
    from contextvision_site.settings.test import TEST_DATA_DIR

    if "contextvision-test-" in TEST_DATA_DIR.name:
        shutil.rmtree(TEST_DATA_DIR, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what this machine has no service for, and what takes minutes and was not asked for."""
    from django.conf import settings

    asked = os.environ.get("CONTEXTVISION_SLOW_TESTS") == "1" or "slow" in config.option.markexpr
    on_postgres = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
    missing = {
        "requires_postgres": "" if on_postgres else "needs DATABASE_URL to name a PostgreSQL",
        "requires_redis": "" if redis_url() else "needs a Redis server at CONTEXTVISION_TEST_REDIS",
        "browser": "" if chromium_path() else "needs Chromium (Debian package: chromium)",
        "slow": "" if asked else "slow: set CONTEXTVISION_SLOW_TESTS=1 or give -m slow",
    }
    in_ci = os.environ.get("CI") == "true"
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                if in_ci and marker not in {"requires_postgres", "slow"}:
                    raise pytest.UsageError(f"CI must have it: {reason}")
                item.add_marker(pytest.mark.skip(reason=reason))
