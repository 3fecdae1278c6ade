"""The rows of pictures that are new."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from gallery.models import Caption, Image
from gallery.models.choices import Visibility
from gallery.uploads.descriptions import first_captions
from gallery.uploads.items import Destination, UploadItem
from mlcore.errors import ImageRejectedError
from mlcore.i18n import Message
from mlcore.metadata.dates import moment_in_name
from mlcore.metadata.photo import PhotoMetadata
from mlcore.metadata.sanitize import clean_line

if TYPE_CHECKING:
    from mlcore.imaging.renditions import Placeholder
    from mlcore.imaging.sandbox_answers import PreparedPicture

SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "AVIF": ".avif",
    "HEIF": ".heic",
    "TIFF": ".tif",
}
"""File name endings by decoded format; what the sender called the file is not believed."""


def create_images(
    fresh: Mapping[str, UploadItem],
    prepared: "Mapping[str, PreparedPicture | ImageRejectedError]",
    known: dict[str, Image],
    destination: Destination,
) -> dict[str, int]:
    """Write the rows of pictures that are new, together, and note them among those that are known.

    Returns how many captions each of them has, by the digest of its file.
    """
    pictures = {
        digest: picture
        for digest, picture in prepared.items()
        if digest in fresh and not isinstance(picture, ImageRejectedError)
    }
    images = {
        digest: _image(fresh[digest], digest, picture, destination)
        for digest, picture in pictures.items()
    }
    while images:
        try:
            with transaction.atomic():
                Image.objects.bulk_create(images.values())
            break
        except IntegrityError:  # somebody else brought one of them meanwhile
            there = {image.sha256: image for image in Image.objects.filter(sha256__in=images)}
            if not there:
                raise
            known |= there
            images = {digest: each for digest, each in images.items() if digest not in there}
    known |= images
    captions = {
        digest: first_captions(
            image,
            (fresh[digest].captions, fresh[digest].caption_source),
            ([pictures[digest].metadata.description], Caption.Source.METADATA),
        )
        for digest, image in images.items()
    }
    Caption.objects.bulk_create(caption for each in captions.values() for caption in each)
    if destination.visibility == Visibility.GROUPS:
        for image in images.values():
            image.groups.set(destination.groups)
    return {digest: len(each) for digest, each in captions.items()}


def original_name(digest: str, picture_format: str) -> str:
    """Name the file of a picture as it came."""
    return f"originals/{digest[:2]}/{digest}{SUFFIXES[picture_format]}"


def _image(
    item: UploadItem, digest: str, picture: "PreparedPicture", destination: Destination
) -> Image:
    said = item.said.or_else(picture.metadata).or_else(_named(item.name))
    return Image(
        sha256=digest,
        file=original_name(digest, picture.format),
        width=picture.width,
        height=picture.height,
        format=picture.format,
        bytes=len(item.data),
        **placeholder_fields(picture.placeholder),
        title=said.title or clean_line(PurePosixPath(item.name).stem, 200),
        source=clean_line(item.source, 300),
        split=item.split,
        taken_at=_aware(said.taken_at),
        taken_from=said.taken_from,
        creator=said.creator,
        credit=said.credit,
        copyright=said.copyright,
        place=said.place,
        camera=said.camera,
        notes=[Message(code).as_json() for code in picture.notes],
        owner=destination.owner,
        uploader=destination.uploader,
        visibility=destination.visibility,
        collection=destination.collection,
        job=destination.job,
    )


def _named(name: str) -> PhotoMetadata:
    """What a file's name says of its picture, where nothing else does."""
    moment = moment_in_name(PurePosixPath(name).name)
    return PhotoMetadata(taken_at=moment, taken_from="name" if moment else "")


def _aware(moment: datetime | None) -> datetime | None:
    """Cameras seldom say where they are; their clock counts as UTC then."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def placeholder_fields(placeholder: "Placeholder") -> dict[str, str]:
    """Return what a picture's row keeps to be shown until it is loaded."""
    return {
        "dominant_colour": placeholder.dominant_colour,
        "placeholder": base64.b64encode(placeholder.webp).decode("ascii"),
    }
