"""The files of pictures, by id and only to those who may see them.

Paths are made from the content hash in the row, never from anything a visitor sends.
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import cast

from django.core.files import File
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from gallery.access import ORIGIN, is_closed
from gallery.models import Image
from gallery.models.choices import Visibility
from gallery.services.renditions import credit_of, open_rendition
from gallery.uploads.rows import SUFFIXES
from gallery.views.access import PersonRequest, permission_required
from mlcore.errors import ImageRejectedError
from mlcore.imaging.renditions import RenditionFormat

logger = logging.getLogger(__name__)

CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
    "TIFF": "image/tiff",
}
"""By decoded format; what the sender said about the file is not believed."""

KEEP_PUBLIC = "private, max-age=2592000, immutable"
"""A rendition never changes, so a browser need not ask again for a month. No shared cache keeps
one, because a picture may be made private at any time."""
ASK_ALWAYS = "private, no-cache"
"""What not everybody may see is asked for each time; unchanged, it costs an empty answer."""


@require_safe
def thumbnail(request: HttpRequest, pk: int) -> HttpResponseBase:
    image = get_object_or_404(Image.objects.visible_to(request.user), pk=pk)
    return _rendition(request, image, Image.RENDITION_SIDES[1], "webp")


@require_safe
def display(request: HttpRequest, pk: int) -> HttpResponseBase:
    image = get_object_or_404(Image.objects.visible_to(request.user), pk=pk)
    return _rendition(request, image, Image.RENDITION_SIDES[-1], "webp")


@require_safe
def rendition(request: HttpRequest, pk: int, side: int, kind: str) -> HttpResponseBase:
    """Send the picture at one of a few sizes, in one of a few formats."""
    if side not in Image.RENDITION_SIDES or kind not in Image.RENDITION_FORMATS:
        raise Http404("Pictures are not served at this size or in this format.")
    image = get_object_or_404(Image.objects.visible_to(request.user), pk=pk)
    return _rendition(request, image, side, cast(RenditionFormat, kind))


@require_safe
@permission_required(ORIGIN)
def original(request: PersonRequest, pk: int) -> HttpResponseBase:
    """Send the file as it was uploaded, metadata and all; as a download, never to be shown."""
    image = get_object_or_404(Image.objects.visible_to(request.user), pk=pk)
    response = _file(
        request,
        partial(default_storage.open, str(image.file)),
        etag=f'"{image.sha256}-original"',
        content_type=CONTENT_TYPES.get(image.format, "application/octet-stream"),
        filename=f"picture-{image.pk}{SUFFIXES.get(image.format, '')}",
        as_attachment=True,
    )
    response["Cache-Control"] = ASK_ALWAYS
    return response


def _rendition(
    request: HttpRequest, image: Image, side: int, kind: RenditionFormat
) -> HttpResponseBase:
    name = image.rendition_name(side, kind, credit_of(image))
    response = _file(
        request,
        partial(open_rendition, image, side, kind),
        etag=f'"{PurePosixPath(name).name}"',
        content_type=f"image/{kind}",
        filename=f"picture-{image.pk}-{side}.{kind}",
        as_attachment=False,
    )
    is_public = image.visibility == Visibility.PUBLIC and not is_closed()
    response["Cache-Control"] = KEEP_PUBLIC if is_public else ASK_ALWAYS
    return response


def _file(
    request: HttpRequest,
    open_file: "Callable[[], File[bytes]]",
    *,
    etag: str,
    content_type: str,
    filename: str,
    as_attachment: bool,
) -> HttpResponseBase:
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        return _guarded(unchanged, etag)
    try:
        handle = open_file()
    except FileNotFoundError as error:
        logger.error("A file is missing though its picture has a row: %s", error)
        raise Http404("The file is missing.") from error
    except ImageRejectedError as error:
        logger.error("A file that was made of a picture is damaged: %s", error)
        raise Http404("The file is damaged.") from error
    response = FileResponse(
        handle, as_attachment=as_attachment, filename=filename, content_type=content_type
    )
    response["Content-Length"] = str(handle.size)  # Django asks only what it can seek in
    return _guarded(response, etag)


def _guarded(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    response["ETag"] = etag
    response["X-Content-Type-Options"] = "nosniff"
    # Opened on its own, the file can neither run nor load anything.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
