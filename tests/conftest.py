"""Fixtures that every part of the suite shares."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.utils import translation

import mlcore.encoders.cache
import mlcore.encoders.sentences.loading
from gallery.models import Image
from gallery.services.accounts import give_roles
from mlcore.commands.common import LIBRARY_VARIABLE
from tests.encoders import COLOURS, IN_TORCH, ColourEncoder
from tests.gallery.vectors.servers import MilvusServer, server_of
from tests.pictures_of_colours import add_picture, index_everything
from tests.sentences import WordsEncoder
from tests.services import chromium_path, flickr8k_path, redis_url
from tests.snapshots import made_once
from tests.tuning import learnt_model

# For the processes that tests start; those of the tests themselves have it from ``data_dir``.
os.environ.setdefault(LIBRARY_VARIABLE, IN_TORCH.library)


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
    """A folder of its own for each test's pictures and indexes; and models run in torch."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.INDEX_DIR = tmp_path / "indexes"
    settings.MODELS_DIR = tmp_path / "models"
    settings.TRANSFER_DIR = tmp_path / "transfers"
    settings.IMPORT_DIR = tmp_path / "imports"
    settings.CONTEXTVISION_RUNTIME_OPTIONS = IN_TORCH
    return tmp_path


@pytest.fixture(autouse=True)
def _words(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Captions are read by a model that takes no time: of the settings, what else they name."""
    monkeypatch.setattr(
        mlcore.encoders.sentences.loading,
        "load_sentence_encoder",
        lambda reference, **options: WordsEncoder(str(reference)),
    )
    settings.CONTEXTVISION_SENTENCE_MODEL = "words"


_load_sentence_encoder = mlcore.encoders.sentences.loading.load_sentence_encoder


@pytest.fixture
def minilm(settings: LazySettings, monkeypatch: pytest.MonkeyPatch, _words: None) -> None:
    """Captions are read here by the model that a worker with its own settings reads them with."""
    monkeypatch.setattr(
        mlcore.encoders.sentences.loading, "load_sentence_encoder", _load_sentence_encoder
    )
    settings.CONTEXTVISION_SENTENCE_MODEL = "minilm"


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Requests leave the language of who sent them behind in their thread; here, that of tests."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _fresh_engine() -> Iterator[None]:
    """No test searches with the index of another, nor sees what another has counted."""
    from django.core.cache import caches

    from search.engine import engine_holder

    yield
    for cache in caches.all(initialized_only=True):
        cache.clear()
    engine_holder.reset()
    mlcore.encoders.cache.forget_encoders()
    mlcore.encoders.sentences.forget_sentence_encoders()


@pytest.fixture
def colours(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> ColourEncoder:
    """The model of the settings is one that knows colours and nothing else."""
    encoder = ColourEncoder()
    monkeypatch.setattr(mlcore.encoders.cache, "load_encoder", lambda reference, **options: encoder)
    mlcore.encoders.cache.forget_encoders()
    settings.CONTEXTVISION_MODEL = "colours"
    return encoder


@pytest.fixture
def indexed(colours: ColourEncoder, db: None) -> dict[str, Image]:
    """A gallery with one picture of each colour, embedded, indexed and live; by colour."""

    def make() -> None:
        for colour in COLOURS:
            add_picture(colour, captions=(f"all {colour}",))
        index_everything()

    made_once("indexed", make)
    return dict(zip(COLOURS, Image.objects.order_by("pk"), strict=True))


@pytest.fixture(scope="session")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP that has learnt the names of colours."""
    return learnt_model(tmp_path_factory.mktemp("learnt"))


@pytest.fixture
def staff(db: None) -> User:
    """Somebody who edits, trains and operates, as staff did before there were roles."""
    user = User.objects.create_user("staff", password="a long password", is_staff=True)
    give_roles(user, ("editor", "trainer", "operator"))
    return user


@pytest.fixture
def member(db: None) -> User:
    return User.objects.create_user("member", password="a long password")


def pytest_unconfigure() -> None:
    """Remove this process's folder."""
    from contextvision_site.settings.test import FOLDERS_PREFIX, TEST_DATA_DIR

    if TEST_DATA_DIR.name.startswith(FOLDERS_PREFIX):
        shutil.rmtree(TEST_DATA_DIR, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what need not run here: docs/developing/testing.md says what runs where.

    Skipped is what this machine has no service for, and what takes minutes and was not asked for;
    on PostgreSQL, what has nothing to do with the database is not even listed.
    """
    from django.conf import settings

    asked = os.environ.get("CONTEXTVISION_SLOW_TESTS") == "1" or "slow" in config.option.markexpr
    on_postgres = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
    missing = {
        "requires_postgres": "" if on_postgres else "needs DATABASE_URL to name a PostgreSQL",
        "requires_redis": "" if redis_url() else "needs a Redis server at CONTEXTVISION_TEST_REDIS",
        "browser": "" if chromium_path() else "needs Chromium (Debian package: chromium)",
        "slow": "" if asked else "slow: set CONTEXTVISION_SLOW_TESTS=1 or give -m slow",
    }
    if on_postgres:
        again = [item for item in items if item.get_closest_marker("one_database")]
        again = [item for item in again if not item.get_closest_marker("also_on_postgres")]
        config.hook.pytest_deselected(items=again)
        items[:] = [item for item in items if item not in again]
    in_ci = os.environ.get("CI") == "true"
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                if in_ci and marker not in {"requires_postgres", "slow"}:
                    raise pytest.UsageError(f"CI must have it: {reason}")
                item.add_marker(pytest.mark.skip(reason=reason))
