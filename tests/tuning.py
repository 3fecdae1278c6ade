"""A gallery that can be learnt from, a tiny CLIP that has learnt it, and recipes that take a
second: one that is sane and one that wrecks a model."""

from functools import partial
from pathlib import Path
from typing import Any

from gallery.models import Image, Job, ModelVersion
from gallery.models.choices import Split
from gallery.uploads.ingest import ingest
from gallery.uploads.items import Destination, UploadItem
from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.training import TrainConfig, fine_tune
from tests.encoders import COLOURS
from tests.mlcore.clip_factory import make_clip
from tests.pictures_of_colours import colour_jpeg, run
from tests.snapshots import made_once

TRAINED_SHADES = range(0, 80, 8)
TEST_SHADES = (20, 44)

SANE = {"epochs": 2, "batch_size": 32, "learning_rate": 1e-4, "augment": "none"}
WRECKING = {"epochs": 2, "batch_size": 32, "learning_rate": 0.1, "augment": "none"}


def fresh_model(folder: Path) -> Path:
    """Save a tiny CLIP that knows nothing."""
    return make_clip(folder / "fresh", spread=False)


def learnt_model(folder: Path) -> Path:
    """Save a tiny CLIP that has learnt the names of colours; takes some two seconds."""
    data = CaptionDataset(
        CaptionedImage(f"{colour} {shade}", (colour,), partial(colour_jpeg, colour, shade=shade))
        for colour in COLOURS
        for shade in TRAINED_SHADES
    )
    config = TrainConfig(
        tune="all", epochs=8, batch_size=40, learning_rate=3e-3, augment="none", warm_up=0.2
    )
    return fine_tune(fresh_model(folder), data, config, out_dir=folder / "learnt").directory


def captioned_gallery() -> list[Image]:
    """Fill the gallery with shades of colours, captioned with the names of the colours.

    There are 80 to learn from and 16 to judge by.
    """
    items = [
        UploadItem(
            f"{colour}-{shade}.jpg",
            colour_jpeg(colour, shade=shade),
            captions=(colour,),
            split=split,
            source=f"{colour}-{shade}.jpg",
        )
        for shades, split in ((TRAINED_SHADES, Split.TRAIN), (TEST_SHADES, Split.TEST))
        for shade in shades
        for colour in COLOURS
    ]
    images = [result.image for result in ingest(items, Destination())]
    return [image for image in images if image is not None]


def trained(recipe: dict[str, Any] = SANE, *, tune: str = "all", **params: Any) -> ModelVersion:
    """Train a candidate from the live model here, and return it."""

    def make() -> None:
        run(Job.Kind.TRAIN, tune=tune, recipe=recipe, **params)

    what = ("trained", sorted(recipe.items()), tune, sorted(params.items()))
    made_once(what, make)
    return ModelVersion.objects.latest("pk")
