"""The main colour and the placeholder of pictures that came before these were kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from django.core.files.storage import default_storage

from gallery.models import Image
from gallery.storage import READERS
from gallery.uploads import look_fields
from mlcore.decoding import get_decoder
from mlcore.errors import ImageRejectedError
from mlcore.progress import Progress

BATCH = 64
"""Pictures written at a time, and the most that is lost when it is interrupted."""


def fill_looks(progress: Progress) -> tuple[int, list[str]]:
    """Work out the looks that are missing, from the thumbnails; it may be interrupted at any time.

    Returns how many were filled, and a sentence about each picture for which that could not be.

    Raises:
        StorageUnavailableError: the pictures are out of reach.
    """
    missing = Image.objects.filter(dominant_colour="").order_by("pk")
    total = missing.count()
    filled, troubles, last = 0, list[str](), 0
    progress.report(0, total, "Looking")
    while batch := list(missing.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        seen, unseen = _look_at(batch)
        Image.objects.bulk_update(seen, ["dominant_colour", "placeholder"])
        filled += len(seen)
        troubles += unseen
        progress.report(filled + len(troubles), total, "Looking")
    return filled, troubles


def _look_at(images: list[Image]) -> tuple[list[Image], list[str]]:
    """Set the looks of these pictures; return those that have one now, and what is wrong else."""
    with ThreadPoolExecutor(READERS) as readers:
        thumbnails = list(readers.map(_thumbnail, images))
    readable = [(image, data) for image, data in zip(images, thumbnails, strict=True) if data]
    troubles = [
        f"Picture {image.pk}: its thumbnail is missing."
        for image, data in zip(images, thumbnails, strict=True)
        if not data
    ]
    looks = get_decoder().looks(_named(readable))
    seen = []
    for (image, _), look in zip(readable, looks, strict=True):
        if isinstance(look, ImageRejectedError):
            troubles.append(str(look))
            continue
        for name, value in look_fields(look).items():
            setattr(image, name, value)
        seen.append(image)
    return seen, troubles


def _named(readable: list[tuple[Image, bytes]]) -> Iterator[tuple[str, bytes]]:
    return ((f"Picture {image.pk}", data) for image, data in readable)


def _thumbnail(image: Image) -> bytes:
    try:
        with default_storage.open(image.thumbnail_name) as handle:
            data: bytes = handle.read()
            return data
    except FileNotFoundError:
        return b""
