"""How bytes become a picture of the gallery: limits, decoding, duplicates, files, one row.

Web upload, API, admin and importers all come through :func:`admit`.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from gallery.models import Caption, Collection, Image, Job, Tag
from gallery.models.image import Split, Visibility
from mlcore.config import ImageLimits
from mlcore.decoding import get_decoder
from mlcore.errors import ImageRejectedError
from mlcore.text import clean_line

if TYPE_CHECKING:
    from mlcore.decoding import PreparedPicture
    from mlcore.images import Look

SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "AVIF": ".avif",
    "HEIF": ".heic",
}
"""File name endings by decoded format; what the sender called the file is not believed."""

WRITERS = 8
"""Files written at a time: in a bucket each costs a wait of some milliseconds."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One file on its way in, with what is known about it."""

    name: str
    data: bytes
    captions: tuple[str, ...] = ()
    caption_source: Caption.Source = Caption.Source.IMPORT
    split: str = Split.NONE
    source: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where incoming pictures go and to whom they belong."""

    uploader: User | None = None
    owner: User | None = None
    visibility: str = Visibility.PUBLIC
    collection: Collection | None = None
    tags: tuple[Tag, ...] = ()
    job: Job | None = None
    """The import that brings them."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of one file: a picture, new or known before, or the reason why not."""

    name: str
    image: Image | None
    created: bool = False
    error: str = ""


def upload_limits() -> ImageLimits:
    """Limits for pictures that are kept."""
    return ImageLimits(
        max_bytes=settings.CONTEXTVISION_UPLOAD_MAX_BYTES,
        max_pixels=settings.CONTEXTVISION_UPLOAD_MAX_PIXELS,
    )


def query_limits() -> ImageLimits:
    """Tighter limits for pictures that anybody may search with."""
    return ImageLimits(
        max_bytes=settings.CONTEXTVISION_QUERY_MAX_BYTES,
        max_pixels=settings.CONTEXTVISION_QUERY_MAX_PIXELS,
    )


def admit(incoming: Iterable[Incoming], destination: Destination) -> list[Admission]:
    """Take in a batch of files and tell what became of each, in the order given.

    Files are written before the rows that name them, and all rows of a batch are committed
    together: a crash leaves files that nothing names, never a row without its file. A file whose
    content is known already adds only the captions and the split that were missing.
    """
    batch = list(incoming)
    digests = [hashlib.sha256(item.data).hexdigest() for item in batch]
    known = {image.sha256: image for image in Image.objects.filter(sha256__in=digests)}
    unknown = {
        digest: item for digest, item in zip(digests, batch, strict=True) if digest not in known
    }
    prepared = dict(zip(unknown, _prepare(unknown.values()), strict=True))
    with ThreadPoolExecutor(WRITERS) as writers:
        written = [
            writers.submit(default_storage.save, name, ContentFile(data))
            for digest, picture in prepared.items()
            if not isinstance(picture, ImageRejectedError)
            for name, data in _files(digest, unknown[digest], picture)
        ]
    for file in written:
        file.result()  # raises what kept it from being written
    with transaction.atomic():
        return [
            _settle(item, digest, known, prepared.get(digest), destination)
            for digest, item in zip(digests, batch, strict=True)
        ]


def _prepare(items: Iterable[Incoming]) -> "Iterator[PreparedPicture | ImageRejectedError]":
    return get_decoder().prepare_all(
        ((item.name, item.data) for item in items), limits=upload_limits()
    )


def _files(digest: str, item: Incoming, picture: "PreparedPicture") -> Iterator[tuple[str, bytes]]:
    """Name the files of a new picture, with what they hold."""
    image = Image(sha256=digest)
    yield _original_name(digest, picture.format), item.data
    yield image.display_name, picture.display
    yield image.thumbnail_name, picture.thumbnail


def _original_name(digest: str, picture_format: str) -> str:
    return f"originals/{digest[:2]}/{digest}{SUFFIXES[picture_format]}"


def _settle(
    item: Incoming,
    digest: str,
    known: dict[str, Image],
    picture: "PreparedPicture | ImageRejectedError | None",
    destination: Destination,
) -> Admission:
    if isinstance(picture, ImageRejectedError):
        return Admission(item.name, None, error=str(picture))
    image = known.get(digest)
    created = False
    if image is None:
        assert picture is not None  # noqa: S101  (what is not known was prepared)
        image, created = _get_or_create(item, digest, picture, destination)
        known[digest] = image
    captions, source = item.captions, item.caption_source
    if not captions and created and picture is not None and picture.description:
        captions, source = (picture.description,), Caption.Source.METADATA
    add_words(image, captions, source, destination.tags)
    if item.split and not image.split:
        image.split = item.split
        image.save(update_fields=["split"])
    return Admission(item.name, image, created=created)


def _get_or_create(
    item: Incoming, digest: str, picture: "PreparedPicture", destination: Destination
) -> tuple[Image, bool]:
    taken_at: datetime | None = picture.taken_at
    if taken_at is not None and taken_at.tzinfo is None:
        taken_at = taken_at.replace(tzinfo=UTC)  # cameras seldom say where they are
    return Image.objects.get_or_create(
        sha256=digest,
        defaults={
            "file": _original_name(digest, picture.format),
            "width": picture.width,
            "height": picture.height,
            "format": picture.format,
            "bytes": len(item.data),
            **look_fields(picture.look),
            "title": clean_line(PurePosixPath(item.name).stem, 200),
            "source": clean_line(item.source, 300),
            "split": item.split,
            "taken_at": taken_at,
            "owner": destination.owner,
            "uploader": destination.uploader,
            "visibility": destination.visibility,
            "collection": destination.collection,
            "job": destination.job,
        },
    )


def collection_named(name: str) -> Collection | None:
    """Return the collection of this name, made where it is new; none for no name."""
    return Collection.objects.get_or_create(name=name)[0] if name else None


def tags_named(names: Iterable[str]) -> list[Tag]:
    """Return the tags of these names, made where they are new."""
    return [Tag.objects.get_or_create(name=name)[0] for name in names]


def look_fields(look: "Look") -> dict[str, str]:
    """Return what a picture's row keeps of its look."""
    return {
        "dominant_colour": look.colour,
        "placeholder": base64.b64encode(look.placeholder).decode("ascii"),
    }


def add_words(
    image: Image, captions: Iterable[str], source: Caption.Source, tags: Sequence[Tag] = ()
) -> None:
    """Add the captions and tags that a picture does not have yet."""
    if tags:
        image.tags.add(*tags)
    wanted = list(dict.fromkeys(clean(captions)))
    if not wanted:
        return
    present = list(image.captions.values_list("text", "order"))
    texts = {text for text, _ in present}
    following = 1 + max((order for _, order in present), default=-1)
    fresh = [text for text in wanted if text not in texts]
    Caption.objects.bulk_create(
        Caption(image=image, text=text, order=following + offset, source=source)
        for offset, text in enumerate(fresh)
    )


def clean(captions: Iterable[str]) -> list[str]:
    """Make each caption one printable line, and drop what is empty then."""
    limit = Caption._meta.get_field("text").max_length or 0
    lines = (clean_line(text, limit) for text in captions)
    return [line for line in lines if line]
