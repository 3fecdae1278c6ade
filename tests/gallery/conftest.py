"""A gallery whose live model has learnt the names of colours."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from gallery.models import Image, ModelVersion
from tests.pictures_of_colours import index_everything
from tests.snapshots import made_once
from tests.tuning import captioned_gallery


@pytest.fixture
def live(learnt: Path, settings: LazySettings, db: None) -> ModelVersion:
    """The live model; the gallery is embedded and indexed with it."""
    settings.CONTEXTVISION_MODEL = str(learnt)

    def make() -> None:
        captioned_gallery()
        index_everything()

    made_once("live", make)
    return ModelVersion.objects.get()


@pytest.fixture
def pictures(live: ModelVersion) -> dict[str, Image]:
    """The pictures of the gallery, by name."""
    return {image.title: image for image in Image.objects.all()}
