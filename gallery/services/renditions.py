"""The sizes and formats that pictures are served in, each made when it is first asked for."""

import logging

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from gallery.disk import DiskFullError
from gallery.models import Image
from gallery.storage import StorageUnavailableError
from gallery.uploads.ingest import upload_limits
from mlcore.imaging.renditions import Credit, RenditionFormat
from mlcore.imaging.sandbox import get_decoder

logger = logging.getLogger(__name__)


def credit_of(image: Image) -> Credit:
    """Return what a served file of a picture says beside its pixels: nothing, unless asked for."""
    return image.credit_line if settings.CONTEXTVISION_SERVE_CREDIT else Credit()


def open_rendition(image: Image, side: int, kind: RenditionFormat) -> "File[bytes]":
    """Open a picture at one of the sides of ``Image.RENDITION_SIDES``; its file is kept.

    It is made from the display picture: that one is small, upright, and made by this program.

    Raises:
        FileNotFoundError: the display picture is missing.
        ImageRejectedError: it is damaged.
        StorageUnavailableError: the pictures are out of reach.
    """
    credit = credit_of(image)
    name = image.rendition_name(side, kind, credit)
    try:
        return default_storage.open(name)
    except FileNotFoundError:
        if name in image.ingested_names:
            raise
    with default_storage.open(image.display_name) as source:
        data = source.read()
    made = get_decoder().rendition(
        data, name=image.display_name, side=side, kind=kind, credit=credit, limits=upload_limits()
    )
    try:
        default_storage.save(name, ContentFile(made))
    except (OSError, StorageUnavailableError, DiskFullError) as error:
        logger.error("The file %s is made anew each time, for it cannot be kept: %s", name, error)
    return ContentFile(made)
