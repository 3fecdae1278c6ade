"""Adding, changing and removing pictures."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Max

from gallery.models import Caption, Image, Job
from gallery.services import jobs
from gallery.storage import StorageUnavailableError
from gallery.stores import pass_on_deleted
from gallery.uploads import (
    Admission,
    Destination,
    Incoming,
    admit,
    clean,
    collection_named,
    tags_named,
    upload_limits,
)

logger = logging.getLogger(__name__)


def add_uploads(
    files: Iterable["UploadedFile[bytes]"],
    destination: Destination,
    *,
    captions: Sequence[str] = (),
    captions_by_name: Mapping[str, Sequence[str]] | None = None,
) -> tuple[list[Admission], Job | None]:
    """Take in uploaded files, and queue the embedding of those that are new.

    ``captions`` belong to every file, ``captions_by_name`` to the files of those names. Returns
    what became of each file, and the job that embeds the new ones, if there are any.
    """
    admissions: list[Admission] = []
    for file in files:
        own = (captions_by_name or {}).get(file.name or "", ())
        admissions.append(add_file(file, destination, captions=[*own, *captions]))
    created = [item.image.pk for item in admissions if item.image and item.created]
    if not created:
        return admissions, None
    return admissions, embed_images(created, user=destination.uploader)


def add_file(
    file: "UploadedFile[bytes]", destination: Destination, *, captions: Sequence[str] = ()
) -> Admission:
    """Take in one uploaded file; its embedding is left to the caller, or to maintenance."""
    [admission] = admit([_incoming(file, captions)], destination)
    return admission


def embed_images(ids: Sequence[int], *, user: User | None) -> Job:
    """Queue the embedding of these pictures."""
    return jobs.start(Job.Kind.EMBED, {"images": list(ids)}, user=user)


def _incoming(file: "UploadedFile[bytes]", captions: Sequence[str]) -> Incoming:
    # One byte more than is allowed is enough to be refused for size.
    data = file.read(upload_limits().max_bytes + 1)
    return Incoming(
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


def update_image(image: Image, changes: Mapping[str, Any]) -> None:
    """Change a picture's record, all of it or nothing; what is not named stays as it is.

    ``title``, ``visibility`` and ``taken_at`` are values; ``collection`` (empty for none) and
    ``tags`` are names, made where they are new; ``captions`` are sentences.
    """
    values = {name: changes[name] for name in _PLAIN_FIELDS if name in changes}
    with transaction.atomic():
        if "collection" in changes:
            values["collection"] = collection_named(changes["collection"])
        Image.objects.filter(pk=image.pk).update(**values)
        if "tags" in changes:
            image.tags.set(tags_named(changes["tags"]))
        if "captions" in changes:
            set_captions(image, changes["captions"])


_PLAIN_FIELDS = ("title", "visibility", "taken_at")


def add_caption(image: Image, text: str) -> Caption:
    """Put a caption after those that a picture has."""
    with transaction.atomic():
        # Two callers at once would otherwise choose the same place.
        Image.objects.select_for_update().get(pk=image.pk)
        last = image.captions.aggregate(last=Max("order"))["last"]
        return Caption.objects.create(image=image, text=text, order=0 if last is None else last + 1)


def delete_images(images: Iterable[Image]) -> int:
    """Remove pictures with their captions, vectors and files; return how many.

    Searches stop showing them at once: results are looked up in the database last.
    """
    doomed = list(images)
    ids = [image.pk for image in doomed]
    with transaction.atomic():
        Image.objects.filter(pk__in=ids).delete()
        transaction.on_commit(partial(pass_on_deleted, ids))
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
            # The record is gone, so nobody can see the file; leftovers.py finds it later.
            logger.error("The file %s of a deleted picture is left behind: %s", name, error)
