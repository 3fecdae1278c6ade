"""The files of pictures, by id and only to those who may see them.

Paths are made from the content hash in the row, never from anything a visitor sends.
"""

import logging

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from gallery.models import Image
from gallery.models.image import Visibility
from gallery.uploads import SUFFIXES
from gallery.views.access import StaffRequest, staff_required

logger = logging.getLogger(__name__)

CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
"""By decoded format; what the sender said about the file is not believed."""

KEEP_PUBLIC = "private, max-age=604800, immutable"
"""A rendition never changes, so a browser need not ask again for a week. No shared cache keeps
one, because a picture may be made private at any time."""
ASK_ALWAYS = "private, no-cache"
"""What not everybody may see is asked for each time; unchanged, it costs an empty answer."""


@require_safe
def thumbnail(request: HttpRequest, pk: int) -> HttpResponseBase:
    image = get_object_or_404(Image.objects.visible_to(request.user), pk=pk)
    return _rendition(request, image, image.thumbnail_name, "thumbnail")


@require_safe
def display(request: HttpRequest, pk: int) -> HttpResponseBase:
    image = get_object_or_404(Image.objects.visible_to(request.user), pk=pk)
    return _rendition(request, image, image.display_name, "display")


@require_safe
@staff_required
def original(request: StaffRequest, pk: int) -> HttpResponseBase:
    """Send the file as it was uploaded, metadata and all; as a download, never to be shown."""
    image = get_object_or_404(Image.objects.visible_to(request.user), pk=pk)
    response = _file(
        request,
        str(image.file.name),
        etag=f'"{image.sha256}-original"',
        content_type=CONTENT_TYPES.get(image.format, "application/octet-stream"),
        filename=f"picture-{image.pk}{SUFFIXES.get(image.format, '')}",
        as_attachment=True,
    )
    response["Cache-Control"] = ASK_ALWAYS
    return response


def _rendition(request: HttpRequest, image: Image, name: str, kind: str) -> HttpResponseBase:
    response = _file(
        request,
        name,
        etag=f'"{image.sha256}-{kind}"',
        content_type="image/webp",
        filename=f"picture-{image.pk}-{kind}.webp",
        as_attachment=False,
    )
    is_public = image.visibility == Visibility.PUBLIC
    response["Cache-Control"] = KEEP_PUBLIC if is_public else ASK_ALWAYS
    return response


def _file(
    request: HttpRequest,
    name: str,
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
        handle = default_storage.open(name)
    except FileNotFoundError as error:
        logger.error("The file %s is missing though its picture has a row.", name)
        raise Http404("The file is missing.") from error
    response = FileResponse(
        handle, as_attachment=as_attachment, filename=filename, content_type=content_type
    )
    return _guarded(response, etag)


def _guarded(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    response["ETag"] = etag
    response["X-Content-Type-Options"] = "nosniff"
    # Opened on its own, the file can neither run nor load anything.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
