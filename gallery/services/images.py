"""Adding, changing and removing pictures."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Max

from gallery import audit, fulltext
from gallery.disk import require_room_for_pictures
from gallery.models import Caption, Image, Job
from gallery.models.choices import TakenFrom
from gallery.services import jobs
from gallery.storage import StorageUnavailableError
from gallery.uploads.descriptions import clean, collection_named, tags_named
from gallery.uploads.ingest import in_batches, ingest, upload_limits
from gallery.uploads.items import Destination, IngestResult, UploadItem
from gallery.vectors import updates

logger = logging.getLogger(__name__)


def add_uploads(
    files: Iterable["UploadedFile[bytes]"],
    destination: Destination,
    *,
    captions: Sequence[str] = (),
    captions_by_name: Mapping[str, Sequence[str]] | None = None,
) -> tuple[list[IngestResult], Job | None]:
    """Take in uploaded files, and queue the embedding of those that are new.

    ``captions`` belong to every file, ``captions_by_name`` to the files of those names. Returns
    what became of each file, and the job that embeds the new ones, if there are any.
    """
    results = ingest_files(files, destination, captions=captions, captions_by_name=captions_by_name)
    created = [result.image.pk for result in results if result.image and result.created]
    if not created:
        return results, None
    return results, embed_images(created, user=destination.uploader)


def ingest_files(
    files: Iterable["UploadedFile[bytes]"],
    destination: Destination,
    *,
    captions: Sequence[str] = (),
    captions_by_name: Mapping[str, Sequence[str]] | None = None,
) -> list[IngestResult]:
    """Take in uploaded files; their embedding is left to the caller, or to maintenance.

    Raises:
        DiskFullError: there is no room for all of them; then none is kept, unless the disk filled
            up meanwhile.
    """
    files = list(files)
    require_room_for_pictures(sum(file.size or 0 for file in files))
    by_name = captions_by_name or {}
    items = (_item(file, [*by_name.get(file.name or "", ()), *captions]) for file in files)
    return [result for batch in in_batches(items) for result in ingest(batch, destination)]


def embed_images(ids: Sequence[int], *, user: User | None) -> Job:
    """Queue the embedding of these pictures."""
    return jobs.start(Job.Kind.EMBED, {"images": list(ids)}, user=user)


def _item(file: "UploadedFile[bytes]", captions: Sequence[str]) -> UploadItem:
    # One byte more than is allowed is enough to be refused for size.
    data = file.read(upload_limits().max_bytes + 1)
    return UploadItem(
        name=file.name or "upload",
        data=data,
        captions=tuple(captions),
        caption_source=Caption.Source.PERSON,
        source=file.name or "",
    )


def set_captions(image: Image, captions: Sequence[str]) -> None:
    """Replace a picture's captions by these, in this order."""
    with transaction.atomic():
        sources = dict(image.captions.values_list("text", "source"))
        image.captions.all().delete()
        Caption.objects.bulk_create(
            Caption(
                image=image,
                text=text,
                order=order,
                source=sources.get(text, Caption.Source.PERSON),
            )
            for order, text in enumerate(dict.fromkeys(clean(captions)))
        )
        fulltext.refresh([image.pk])


def update_image(image: Image, changes: Mapping[str, Any]) -> None:
    """Change a picture's record, all of it or nothing; what is not named stays as it is.

    ``title`` and ``taken_at`` are values, and so is ``visibility``, with ``groups`` beside it where
    those are to see it; ``collection`` (empty for none) and ``tags`` are names, made where they are
    new; ``captions`` are sentences.
    """
    values = {name: changes[name] for name in _PLAIN_FIELDS if name in changes}
    if "taken_at" in changes:
        values["taken_from"] = TakenFrom.NOBODY
    with transaction.atomic():
        if "collection" in changes:
            values["collection"] = collection_named(changes["collection"])
        Image.objects.filter(pk=image.pk).update(**values)
        if "visibility" in changes:
            show_images([image.pk], changes["visibility"], changes.get("groups", ()))
        if "tags" in changes:
            image.tags.set(tags_named(changes["tags"]))
        if "captions" in changes:
            set_captions(image, changes["captions"])
        fulltext.refresh([image.pk])


_PLAIN_FIELDS = ("title", "taken_at")


def show_images(ids: Sequence[int], visibility: str, groups: Iterable[Group] = ()) -> int:
    """Let others see these pictures from now on; return of how many that is a change."""
    with transaction.atomic():
        changed = Image.objects.filter(pk__in=ids).show_to(visibility, groups)
        audit.record_shown(changed, visibility, groups)
    return len(changed)


def add_caption(image: Image, text: str) -> Caption:
    """Put a caption after those that a picture has."""
    with transaction.atomic():
        # Two callers at once would otherwise choose the same place.
        Image.objects.select_for_update().get(pk=image.pk)
        last = image.captions.aggregate(last=Max("order"))["last"]
        order = 0 if last is None else last + 1
        caption = Caption.objects.create(image=image, text=text, order=order)
        fulltext.refresh([image.pk])
        return caption


def change_caption(caption: Caption, text: str) -> None:
    """Write another sentence in the place of one; it is a person's from now on."""
    with transaction.atomic():
        caption.text, caption.source = text, Caption.Source.PERSON
        caption.save(update_fields=["text", "source"])
        fulltext.refresh([caption.image_id])


def delete_caption(caption: Caption) -> None:
    """Take one sentence away."""
    with transaction.atomic():
        caption.delete()
        fulltext.refresh([caption.image_id])


def delete_images(images: Iterable[Image]) -> int:
    """Remove pictures with their captions, vectors and files; return how many.

    Searches stop showing them at once: results are looked up in the database last.
    """
    doomed = list(images)
    ids = [image.pk for image in doomed]
    with transaction.atomic():
        Image.objects.filter(pk__in=ids).delete()
        audit.record_images("images_deleted", ids)
        fulltext.refresh(ids)
        transaction.on_commit(partial(updates.delete, ids))
        for image in doomed:
            transaction.on_commit(partial(_delete_files, image))
    return len(doomed)


def _delete_files(image: Image) -> None:
    if Image.objects.filter(sha256=image.sha256).exists():
        return  # the same bytes were uploaded again in the meantime
    for name in (str(image.file), *image.rendition_names):
        try:
            default_storage.delete(name)
        except StorageUnavailableError as error:
            # The record is gone, so nobody can see the file; the doctor finds it.
            logger.error("The file %s of a deleted picture is left behind: %s", name, error)
