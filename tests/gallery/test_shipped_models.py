"""A release that ships another starter leaves sites the one that they search with."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings

import mlcore.encoders.cache
from gallery.management.models import model_named
from gallery.models import IndexVersion, ModelVersion
from gallery.services import shipped_models
from gallery.services.shipped_models import keep_shipped_models
from mlcore.encoders.checkpoints import save_checkpoint, verify_checkpoint
from mlcore.encoders.starter.encoder import STARTER, STARTER_FAMILY
from mlcore.encoders.starter.towers import HEADS
from mlcore.errors import ContextVisionError

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


@pytest.fixture
def live(settings: LazySettings) -> ModelVersion:
    """The starter, as the row of a live index names it."""
    settings.CONTEXTVISION_MODEL = STARTER
    version = model_named(STARTER)
    index = {"store": "faiss", "location": "somewhere", "count": 1, "watermark": 1}
    IndexVersion.objects.create(model_version=version, is_active=True, **index)
    return version


@pytest.fixture
def upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Install a release that ships other heads."""

    def install() -> None:
        tensors = verify_checkpoint(HEADS).tensors()
        tensors["text.direct.bias"] = tensors["text.direct.bias"] + 1
        folder = tmp_path / "heads of tomorrow"
        save_checkpoint(folder, kind=STARTER, tensors=tensors, config={})
        monkeypatch.setitem(STARTER_FAMILY.shipped, STARTER, folder)
        new_process()

    return install


def new_process() -> None:
    shipped_models._fingerprint.cache_clear()
    mlcore.encoders.cache.forget_encoders()


def test_the_former_starter_goes_on_and_the_new_one_can_be_promoted(
    live: ModelVersion, upgrade: Callable[[], None], settings: LazySettings
) -> None:
    before = live.load_encoder().encode_texts(["a dog"])
    keep_shipped_models()
    live.refresh_from_db()
    assert live.reference == STARTER, "nothing changes while it is the one that is shipped"
    upgrade()
    with pytest.raises(ContextVisionError, match="changed"):
        live.load_encoder()
    keep_shipped_models()
    live.refresh_from_db()
    assert Path(live.reference).parent == Path(settings.MODELS_DIR)
    assert (live.load_encoder().encode_texts(["a dog"]) == before).all()
    assert live.state == "live"
    new = model_named(STARTER)
    assert (new.fingerprint != live.fingerprint, new.name) == (True, STARTER)
    assert not live.is_as_set, "so checks tell that another one can be promoted"


def test_a_release_that_changes_it_ships_the_former_one(
    live: ModelVersion, upgrade: Callable[[], None], tmp_path: Path
) -> None:
    """A site that was never asked to keep it comes from a release that did not do so yet."""
    former = tmp_path / "former"
    shutil.copytree(HEADS, former)
    upgrade()
    keep_shipped_models()
    live.refresh_from_db()
    assert live.reference == STARTER, "it is nowhere"
    object.__setattr__(STARTER_FAMILY, "former", [former])
    try:
        keep_shipped_models()
    finally:
        object.__setattr__(STARTER_FAMILY, "former", [])
    live.refresh_from_db()
    assert live.load_encoder().fingerprint == live.fingerprint


def test_a_disk_without_room_changes_nothing(
    live: ModelVersion, settings: LazySettings, tmp_path: Path
) -> None:
    settings.MODELS_DIR = tmp_path / "a file"
    settings.MODELS_DIR.write_text("")
    keep_shipped_models()
    live.refresh_from_db()
    assert live.reference == STARTER
