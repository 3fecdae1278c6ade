"""How pictures are looked at belongs to the version of the model, so vectors never mix."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from gallery.checks import live_index_is_as_set
from gallery.management.models import model_named
from gallery.models import Image, ImageEmbedding, IndexVersion, ModelVersion
from mlcore.config import Views
from mlcore.encoders import find_model, model_fingerprint
from mlcore.encoders.views import with_views
from mlcore.relevance import shipped_model
from tests.pictures_of_colours import add_picture, index_everything

MIRROR: Views = ("centre", "mirror")

pytestmark = [pytest.mark.django_db, pytest.mark.also_on_postgres]


def live() -> ModelVersion:
    return IndexVersion.objects.get(is_active=True).model_version


def test_the_live_model_keeps_its_views_until_another_is_promoted(
    indexed: dict[str, Image], settings: LazySettings
) -> None:
    before = live()
    assert (before.views, before.is_as_set) == ("centre", True)

    settings.CONTEXTVISION_VIEWS = MIRROR
    [warning] = live_index_is_as_set(["default"])
    assert warning.id == "contextvision.W015"
    assert "promote colours" in str(warning.hint)
    add_picture("red", shade=3)
    index_everything()
    assert live() == before, "new pictures are looked at as the others"
    assert live().load_encoder().fingerprint == before.fingerprint

    other = model_named("colours")
    assert other != before
    assert (other.views, other.reference) == ("centre,mirror", "colours")
    assert other.name == "colours (centre,mirror)"
    assert model_named("colours") == other, "it is known now"
    assert other.load_encoder().fingerprint == with_views(before.fingerprint, MIRROR)
    assert not ImageEmbedding.objects.of_model(other).exists()

    settings.CONTEXTVISION_VIEWS = ("centre",)
    assert model_named("colours") == before


def test_a_new_gallery_is_looked_at_as_is_set(colours: object, settings: LazySettings) -> None:
    settings.CONTEXTVISION_VIEWS = MIRROR
    add_picture("red")
    index_everything()
    assert live().views == "centre,mirror"
    assert live_index_is_as_set(["default"]) == []


def test_the_starter_keeps_its_weights_of_the_evidence(settings: LazySettings) -> None:
    fingerprint = model_fingerprint(find_model("starter"))
    seen = ModelVersion(
        name="starter", reference="starter", fingerprint=with_views(fingerprint, MIRROR),
        views="centre,mirror",
    )  # fmt: skip
    known, shipped = seen.stock_relevance_model(), shipped_model(fingerprint)
    assert shipped is not None
    assert known.patterns == shipped.patterns
    assert known.encoders["picture"] == seen.fingerprint


def test_weights_that_another_version_uses_stay(
    settings: LazySettings, colours: object, tmp_path: Path
) -> None:
    from gallery.services.versions import delete_model

    settings.MODELS_DIR = tmp_path
    folder = tmp_path / "mine"
    folder.mkdir()
    origin = ModelVersion.Origin.TRAINED
    rows = [
        ModelVersion.objects.create(
            name=views, reference=str(folder), fingerprint=views[-1] * 64, dim=16, image_size=32,
            views=views, origin=origin,
        )
        for views in ("centre", "centre,mirror")
    ]  # fmt: skip
    delete_model(rows[0])
    assert folder.is_dir()
    delete_model(rows[1])
    assert not folder.exists()
