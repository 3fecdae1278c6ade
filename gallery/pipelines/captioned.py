"""The captioned pictures of the gallery, parted into those to learn from and those to judge by."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial

from django.core.files.storage import default_storage
from django.db.models import QuerySet

from gallery.models import Image
from gallery.models.image import GIVE_UP_AFTER, Split
from gallery.selectors import picture_name
from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.errors import DatasetError, ImageRejectedError

HELD_OUT_SHARE = 0.1
"""Share of the pictures that are kept from training to judge models by."""
VALIDATION_SHARE = 0.1
"""Share of the pictures by which a training run chooses its best epoch. They are others than
those held out: a model that was chosen by the pictures it is judged by would look too good."""


class Side(StrEnum):
    TRAINING = "training"
    VALIDATION = "validation"
    HELD_OUT = "held-out"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Captioned:
    """Captioned pictures, and a digest that is the same where pictures and captions are."""

    data: CaptionDataset
    sha256: str


@dataclass(frozen=True, slots=True)
class Sides:
    """How many captioned pictures are on which side."""

    training: int
    validation: int
    held_out: int


def side_of(split: str, sha256: str, *, own_held_out: bool) -> Side:
    """Say which side a picture is on; it never changes while the splits of the data stay.

    What a data set calls validation is held out, and what it calls test is never used here. Where
    a picture has no split, or none of the data set was held out, a hash of its bytes decides.
    """
    if split == Split.TEST:
        return Side.UNUSED
    if split == Split.VALIDATION:
        return Side.HELD_OUT
    place = int(sha256[:8], 16) / 16**8
    if place < HELD_OUT_SHARE:
        return Side.TRAINING if split and own_held_out else Side.HELD_OUT
    return Side.VALIDATION if place < HELD_OUT_SHARE + VALIDATION_SHARE else Side.TRAINING


def count_sides(collection: str = "") -> Sides:
    rows = _captioned(collection)
    own = rows.filter(split=Split.VALIDATION).exists()
    sides = [
        side_of(split, sha256, own_held_out=own)
        for split, sha256 in rows.values_list("split", "sha256")
    ]
    return Sides(
        sides.count(Side.TRAINING), sides.count(Side.VALIDATION), sides.count(Side.HELD_OUT)
    )


def on_side(side: Side, collection: str = "", *, until: datetime | None = None) -> Captioned:
    """Take the captioned pictures of one side, of one collection or of the whole gallery.

    With ``until``, pictures that were added later are left out, so that a training that goes on
    after an interruption finds what it began with.

    Raises:
        DatasetError: there are none.
    """
    rows = _captioned(collection)
    if until is not None:
        rows = rows.filter(created_at__lte=until)
    own = rows.filter(split=Split.VALIDATION).exists()
    chosen = [
        image for image in rows if side_of(image.split, image.sha256, own_held_out=own) == side
    ]
    if not chosen:
        raise DatasetError(
            f"There are no captioned pictures on the {side} side of {_words(collection)}. Add "
            "captions to more pictures, or import a data set with captions."
        )
    return _dataset(chosen, f"the {side} pictures of {_words(collection)}")


def of_split(split: str, collection: str = "") -> Captioned:
    """Take the captioned pictures of one split, or of all where it is empty.

    Raises:
        DatasetError: there are none.
    """
    rows = _captioned(collection)
    chosen = list(rows.filter(split=split) if split else rows)
    words = f"the split {split!r} of {_words(collection)}" if split else _words(collection)
    if not chosen:
        raise DatasetError(f"There are no captioned pictures in {words}.")
    return _dataset(chosen, words)


def _digest(pictures: Iterable[tuple[str, Iterable[str]]]) -> str:
    """Return the sha256 over the pictures' own sha256 sums and their captions, in this order."""
    digest = hashlib.sha256()
    for sha256, captions in pictures:
        digest.update("\n".join([sha256, *captions, ""]).encode())
    return digest.hexdigest()


def _captioned(collection: str) -> "QuerySet[Image]":
    rows = Image.objects.filter(captions__isnull=False).distinct()
    # What cannot be embedded cannot be trained on either.
    rows = rows.exclude(failures__attempts__gte=GIVE_UP_AFTER)
    if collection:
        rows = rows.filter(collection__name=collection)
    return rows.prefetch_related("captions").order_by("pk")


def _dataset(images: list[Image], source: str) -> Captioned:
    captions = [tuple(caption.text for caption in image.captions.all()) for image in images]
    data = CaptionDataset(
        (
            CaptionedImage(picture_name(image.pk), texts, _reader(image))
            for image, texts in zip(images, captions, strict=True)
        ),
        source=source,
    )
    sums = (image.sha256 for image in images)
    return Captioned(data, _digest(zip(sums, captions, strict=True)))


def _reader(image: Image) -> Callable[[], bytes]:
    return partial(_read, picture_name(image.pk), str(image.file))


def _read(name: str, file: str) -> bytes:
    try:
        with default_storage.open(file, "rb") as handle:
            return bytes(handle.read())
    except OSError as error:
        raise ImageRejectedError(name, f"cannot be read ({error.strerror}).") from error


def _words(collection: str) -> str:
    return f"the collection {collection!r}" if collection else "the gallery"
