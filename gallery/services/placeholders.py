"""The main colour and the placeholder of pictures that came before these were kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from django.core.files.storage import default_storage

from gallery.models import Image
from gallery.storage import READERS
from gallery.uploads.rows import placeholder_fields
from mlcore.errors import ImageRejectedError
from mlcore.i18n import Message
from mlcore.imaging.sandbox import get_decoder
from mlcore.progress import Progress

STAGE = Message("stage.placeholders")
BATCH = 64
"""Pictures written at a time, and the most that is lost when it is interrupted."""


def backfill_placeholders(progress: Progress) -> tuple[int, list[str]]:
    """Work out what is missing, from the thumbnails; it may be interrupted at any time.

    Returns how many were filled, and a sentence about each picture for which that could not be.

    Raises:
        StorageUnavailableError: the pictures are out of reach.
    """
    missing = Image.objects.filter(dominant_colour="").order_by("pk")
    total = missing.count()
    filled, failed, last = 0, list[str](), 0
    progress.report(0, total, STAGE)
    while batch := list(missing.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        done, undone = _fill(batch)
        Image.objects.bulk_update(done, ["dominant_colour", "placeholder"])
        filled += len(done)
        failed += undone
        progress.report(filled + len(failed), total, STAGE)
    return filled, failed


def _fill(images: list[Image]) -> tuple[list[Image], list[str]]:
    """Set the placeholders of these pictures; return who has one now, and why others do not."""
    with ThreadPoolExecutor(READERS) as readers:
        thumbnails = list(readers.map(_thumbnail, images))
    readable = [(image, data) for image, data in zip(images, thumbnails, strict=True) if data]
    failed = [
        f"Picture {image.pk}: its thumbnail is missing."
        for image, data in zip(images, thumbnails, strict=True)
        if not data
    ]
    placeholders = get_decoder().placeholders(_named(readable))
    done = []
    for (image, _), placeholder in zip(readable, placeholders, strict=True):
        if isinstance(placeholder, ImageRejectedError):
            failed.append(str(placeholder))
            continue
        for name, value in placeholder_fields(placeholder).items():
            setattr(image, name, value)
        done.append(image)
    return done, failed


def _named(readable: list[tuple[Image, bytes]]) -> Iterator[tuple[str, bytes]]:
    return ((f"Picture {image.pk}", data) for image, data in readable)


def _thumbnail(image: Image) -> bytes:
    try:
        with default_storage.open(image.thumbnail_name) as handle:
            data: bytes = handle.read()
            return data
    except FileNotFoundError:
        return b""
