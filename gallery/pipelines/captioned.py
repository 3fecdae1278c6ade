"""The captioned pictures of the gallery, in partitions: train, validation and test."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial

from django.core.files.storage import default_storage
from django.db.models import QuerySet

from gallery.models import Image
from gallery.models.choices import Split
from gallery.models.image import GIVE_UP_AFTER
from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.errors import DatasetError, ImageRejectedError
from mlcore.i18n import Message

TEST_SHARE = 0.1
VALIDATION_SHARE = 0.1
"""Shares of the pictures whose data set does not say what they are for."""
TEST_SHARE_OF_VALIDATION = 0.5
"""Share of the validation pictures that a data set without test pictures gives up as such."""


class Partition(StrEnum):
    """What a captioned picture is used for. The names are those of ``Split``."""

    TRAIN = "train"
    """To learn from."""
    VALIDATION = "validation"
    """To choose the best epoch of a training by."""
    TEST = "test"
    """To judge models by. These are others than for validation: a model that was chosen by the
    pictures it is judged by would look too good."""


_JUDGING = frozenset({Split.VALIDATION, Split.TEST})


@dataclass(frozen=True, slots=True)
class Captioned:
    """Captioned pictures, and a digest that is the same where pictures and captions are."""

    data: CaptionDataset
    """Pictures of the gallery are named by their ids."""
    sha256: str
    name: Message


@dataclass(frozen=True, slots=True)
class PartitionSizes:
    """How many captioned pictures are in each partition."""

    train: int
    validation: int
    test: int


def partition_of(split: str, sha256: str, splits: Set[str]) -> Partition:
    """Say which partition a picture is in; it never changes while the splits of the data stay.

    A picture's own split decides, and a hash of its bytes where it has none. What a data set lacks
    is taken from what it has: test pictures from those for validation, so that nothing moves that
    others may have trained on; and only where it has neither, from its pictures to train on.

    Args:
        split: the picture's own.
        sha256: of its file.
        splits: that the pictures of its collection have.
    """
    place = int(sha256[:8], 16) / 16**8
    if split == Split.TEST:
        return Partition.TEST
    if split == Split.VALIDATION:
        given_up = Split.TEST not in splits and place < TEST_SHARE_OF_VALIDATION
        return Partition.TEST if given_up else Partition.VALIDATION
    judged_by_others = split == Split.TRAIN and not splits.isdisjoint(_JUDGING)
    if place < TEST_SHARE:
        return Partition.TRAIN if judged_by_others else Partition.TEST
    if place < TEST_SHARE + VALIDATION_SHARE:
        chosen_by_others = split == Split.TRAIN and Split.VALIDATION in splits
        return Partition.TRAIN if chosen_by_others else Partition.VALIDATION
    return Partition.TRAIN


def partition_sizes(collection: str = "") -> PartitionSizes:
    """Count the captioned pictures of a collection, or of the whole gallery."""
    rows = _captioned(collection)
    partition = _partitions(rows)
    counts = Counter(
        partition(*values) for values in rows.values_list("split", "sha256", "collection")
    )
    return PartitionSizes(*(counts[each] for each in Partition))


def in_partition(
    wanted: Partition, collection: str = "", *, until: datetime | None = None
) -> Captioned:
    """Take the captioned pictures of one partition, of one collection or of the whole gallery.

    A picture is in the same partition whichever of the two is asked for.

    With ``until``, pictures that were added later are left out, so that a training that goes on
    after an interruption finds what it began with.

    Raises:
        DatasetError: there are none.
    """
    rows = _captioned(collection)
    if until is not None:
        rows = rows.filter(created_at__lte=until)
    partition = _partitions(rows)
    chosen = [
        image
        for image in rows
        if partition(image.split, image.sha256, image.collection_id) == wanted
    ]
    return _dataset(chosen, name_of(wanted, collection))


def not_learnt_from() -> set[int]:
    """Return the ids of the captioned pictures that no training here learns from."""
    rows = _captioned("")
    partition = _partitions(rows)
    values = rows.values_list("pk", "split", "sha256", "collection")
    return {
        pk
        for pk, split, sha256, collection in values
        if partition(split, sha256, collection) != Partition.TRAIN
    }


def all_captioned(collection: str = "") -> Captioned:
    """Take every captioned picture.

    Raises:
        DatasetError: there are none.
    """
    return _dataset(list(_captioned(collection)), name_of(None, collection))


def name_of(partition: Partition | None, collection: str = "") -> Message:
    """Name the captioned pictures of a partition, or all of them where None."""
    place = _place(collection)
    return Message.of(f"data.{partition}", place=place) if partition else place


def _partitions(rows: "QuerySet[Image]") -> Callable[[str, str, int | None], Partition]:
    """Return what tells the partition from a picture's split, sha256 and collection.

    The pictures of a collection, and those in none, are each taken as one data set.
    """
    splits: defaultdict[int | None, set[str]] = defaultdict(set)
    for collection, split in rows.order_by().values_list("collection", "split"):
        splits[collection].add(split)
    return lambda split, sha256, collection: partition_of(split, sha256, splits[collection])


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


def _dataset(images: list[Image], name: Message) -> Captioned:
    if not images:
        raise DatasetError("data.none", data=name)
    captions = [tuple(caption.text for caption in image.captions.all()) for image in images]
    data = CaptionDataset(
        (
            CaptionedImage(str(image.pk), texts, partial(_read, image))
            for image, texts in zip(images, captions, strict=True)
        ),
        source=name,
    )
    sums = (image.sha256 for image in images)
    return Captioned(data, _digest(zip(sums, captions, strict=True)), name)


def _read(image: Image) -> bytes:
    try:
        with default_storage.open(str(image.file), "rb") as handle:
            return bytes(handle.read())
    except OSError as error:
        why = error.strerror or str(error)
        raise ImageRejectedError(str(image), "picture.unreadable", why=why) from error


def _place(collection: str) -> Message:
    if not collection:
        return Message("data.gallery")
    return Message.of("data.collection", name=repr(collection))
