"""The sizes and formats that pictures are served in, each made when it is first asked for."""

import logging

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from gallery.models import Image
from gallery.storage import StorageUnavailableError
from gallery.uploads import upload_limits
from mlcore.decoding import get_decoder
from mlcore.images import RenditionFormat

logger = logging.getLogger(__name__)


def open_rendition(image: Image, side: int, kind: RenditionFormat) -> "File[bytes]":
    """Open a picture at one of the sides of ``Image.RENDITION_SIDES``; its file is kept.

    It is made from the display picture: that one is small, upright, and made by this program.

    Raises:
        FileNotFoundError: the display picture is missing.
        ImageRejectedError: it is damaged.
        StorageUnavailableError: the pictures are out of reach.
    """
    name = image.rendition_name(side, kind)
    try:
        return default_storage.open(name)
    except FileNotFoundError:
        if name in image.admitted_names:
            raise
    with default_storage.open(image.display_name) as source:
        data = source.read()
    made = get_decoder().rendition(
        data, name=image.display_name, side=side, kind=kind, limits=upload_limits()
    )
    try:
        default_storage.save(name, ContentFile(made))
    except (OSError, StorageUnavailableError) as error:
        logger.error("The file %s is made anew each time, for it cannot be kept: %s", name, error)
    return ContentFile(made)
