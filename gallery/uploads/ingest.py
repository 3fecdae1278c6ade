"""How bytes become a picture of the gallery: limits, decoding, duplicates, files, one row.

Web upload, API, admin and importers all come through :func:`ingest`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from gallery import audit, fulltext
from gallery.disk import disk_full, require_room_for_pictures
from gallery.models import Image, Tag
from gallery.models.choices import Visibility
from gallery.storage import READERS
from gallery.uploads.descriptions import add_captions, tags_named
from gallery.uploads.items import Destination, IngestResult, UploadItem
from gallery.uploads.rows import create_images, original_name
from mlcore.config import ImageLimits
from mlcore.errors import ImageRejectedError
from mlcore.imaging.sandbox import get_decoder

if TYPE_CHECKING:
    from mlcore.imaging.sandbox_answers import PreparedPicture

BATCH_FILES = 64
"""Files taken in together, in one transaction."""
BATCH_BYTES = 64 * 1024 * 1024
"""A batch ends early at so many bytes, so that memory is bounded whatever the pictures weigh."""
WRITERS = 8
"""Files written at a time: in a bucket each costs a wait of some milliseconds."""


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
        accepts_tiff=False,
    )


def in_batches(items: Iterable[UploadItem]) -> Iterator[list[UploadItem]]:
    """Part files into batches for :func:`ingest`; no more is read ahead than one batch holds."""
    batch: list[UploadItem] = []
    weight = 0
    for item in items:
        batch.append(item)
        weight += len(item.data)
        if len(batch) >= BATCH_FILES or weight >= BATCH_BYTES:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def ingest(batch: Sequence[UploadItem], destination: Destination) -> list[IngestResult]:
    """Take in a batch of files and tell what became of each, in the order given.

    Files are written before the rows that name them, and all rows of a batch are committed
    together: a crash leaves files that nothing names, never a row without its file. A file whose
    content is known already adds only the captions and the split that were missing, where the
    sender may describe that picture, and its files where they are gone.

    Raises:
        DiskFullError: there is no room for the batch; nothing of it is kept.
        StorageUnavailableError: the pictures are out of reach.
    """
    digests = [hashlib.sha256(item.data).hexdigest() for item in batch]
    there = Image.objects.filter(sha256__in=digests)
    known = {image.sha256: image for image in there}
    if destination.sender is not None:
        there = there.editable_by(destination.sender)
    describable = set(there.values_list("sha256", flat=True)) if known else set()
    lost = _without_files(known.values())
    unknown = {
        digest: item
        for digest, item in zip(digests, batch, strict=True)
        if digest not in known or digest in lost
    }
    require_room_for_pictures(sum(len(item.data) for item in unknown.values()))
    prepared = dict(zip(unknown, _prepare(unknown.values()), strict=True))
    files = [
        (name, data)
        for digest, picture in prepared.items()
        if not isinstance(picture, ImageRejectedError)
        for name, data in _files(known.get(digest), digest, unknown[digest], picture)
    ]
    fresh = {digest: item for digest, item in unknown.items() if digest not in known}
    try:
        _write(files)
        with transaction.atomic():
            created = create_images(fresh, prepared, known, destination)
            describable |= created.keys()
            results = [
                _settle(
                    item,
                    digest,
                    known.get(digest),
                    prepared.get(digest),
                    destination,
                    added=created.pop(digest, None),  # the same file may come twice
                    may_describe=digest in describable,
                    restored=digest in lost,
                )
                for digest, item in zip(digests, batch, strict=True)
            ]
            fulltext.refresh([result.image.pk for result in results if result.image])
    except Exception as error:
        if disk_full(error):
            _take_back(unknown, [name for name, _ in files])
        raise
    return results


def _write(files: Iterable[tuple[str, bytes]]) -> None:
    with ThreadPoolExecutor(WRITERS) as writers:
        written = [
            writers.submit(default_storage.save, name, ContentFile(data)) for name, data in files
        ]
    for file in written:
        file.result()  # raises what kept it from being written


def _take_back(digests: Iterable[str], names: Iterable[str]) -> None:
    """Remove the files of pictures that were not taken in; somebody else may have, meanwhile."""
    kept = set(Image.objects.filter(sha256__in=digests).values_list("sha256", flat=True))
    for name in names:
        if not any(digest in name for digest in kept):
            default_storage.delete(name)


def _prepare(items: Iterable[UploadItem]) -> "Iterator[PreparedPicture | ImageRejectedError]":
    return get_decoder().prepare_all(
        ((item.name, item.data) for item in items), limits=upload_limits()
    )


def _without_files(images: Iterable[Image]) -> set[str]:
    """Return the digests of pictures of which a file is missing, or the original is cut short."""
    with ThreadPoolExecutor(READERS) as readers:
        return {digest for digest in readers.map(_digest_if_lost, images) if digest}


def _digest_if_lost(image: Image) -> str:
    try:
        if default_storage.size(str(image.file)) == image.bytes and all(
            default_storage.size(name) for name in image.ingested_names
        ):
            return ""
    except FileNotFoundError:
        pass
    return image.sha256


def _files(
    known: Image | None, digest: str, item: UploadItem, picture: "PreparedPicture"
) -> Iterator[tuple[str, bytes]]:
    """Name the files of a picture, with what they hold."""
    image = known or Image(sha256=digest, file=original_name(digest, picture.format))
    yield str(image.file), item.data
    yield image.display_name, picture.display
    yield image.thumbnail_name, picture.thumbnail


def _settle(
    item: UploadItem,
    digest: str,
    image: Image | None,
    picture: "PreparedPicture | ImageRejectedError | None",
    destination: Destination,
    *,
    added: int | None,
    may_describe: bool,
    restored: bool,
) -> IngestResult:
    """Tell what became of a file, and add what is said of a picture that was there.

    Args:
        added: how many captions came with it, where it is new.
    """
    if isinstance(picture, ImageRejectedError):
        return IngestResult(item.name, None, error=picture.message, sha256=digest)
    assert image is not None  # noqa: S101  (whatever was not refused is known by now)
    if not may_describe:
        return IngestResult(item.name, image, restored=restored, sha256=digest)
    created = added is not None
    captions = add_captions(image, item.captions, item.caption_source) if added is None else added
    keywords = item.said.keywords
    if created and picture is not None:
        keywords = (*keywords, *picture.metadata.keywords)
    tags = _add_tags(image, tags_named(dict.fromkeys(keywords)), destination, is_new=created)
    wanted = {} if created else _differing(image, item, destination)
    changes = {name: value for name, value in wanted.items() if name in destination.updates}
    if item.split and not image.split:
        changes["split"] = item.split
    if changes:
        fields = {name: value for name, value in changes.items() if name != "visibility"}
        for name, value in fields.items():
            setattr(image, name, value)
        image.save(update_fields=list(fields))
        if "visibility" in changes:
            _show(image, destination)
    return IngestResult(
        item.name,
        image,
        created=created,
        differs=tuple(wanted),
        updated=bool(changes),
        captions=captions,
        tags=tags,
        restored=restored,
        sha256=digest,
    )


def _add_tags(image: Image, tags: Sequence[Tag], destination: Destination, *, is_new: bool) -> int:
    """Add tags that are said of a picture, and those of the destination; count the former."""
    if not tags and not destination.tags:
        return 0
    before = set() if is_new or not tags else set(image.tags.values_list("pk", flat=True))
    image.tags.add(*tags, *destination.tags)
    return len({tag.pk for tag in tags} - before)


def _show(image: Image, destination: Destination) -> None:
    changed = Image.objects.filter(pk=image.pk).show_to(destination.visibility, destination.groups)
    audit.record_shown(changed, destination.visibility, destination.groups, user=destination.sender)
    image.visibility = destination.visibility


def _differing(image: Image, item: UploadItem, destination: Destination) -> dict[str, Any]:
    """Return what is asked for a picture that is there already, and is otherwise of it."""
    wanted: dict[str, Any] = {}
    is_seen_by_others = destination.visibility != image.visibility or (
        image.visibility == Visibility.GROUPS and set(image.groups.all()) != set(destination.groups)
    )
    if destination.visibility_is_asked and is_seen_by_others:
        wanted["visibility"] = destination.visibility
    owner = destination.owner if destination.owner_is_asked else None
    if owner is not None and owner.pk != image.owner_id:
        wanted["owner"] = owner
    collection = destination.collection
    if collection is not None and collection.pk != image.collection_id:
        wanted["collection"] = collection
    if item.split and image.split and item.split != image.split:
        wanted["split"] = item.split
    if item.said.title and item.said.title != image.title:
        wanted["title"] = item.said.title
    return wanted
