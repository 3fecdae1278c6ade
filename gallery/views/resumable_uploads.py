"""Files sent in parts, by the tus protocol 1.0.0 (https://tus.io): any of its clients can be used.

Of its extensions, ``creation`` and ``termination`` are there.
"""

import base64
import binascii
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase, UnreadablePostError
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from gallery.disk import DiskFullError
from gallery.models import ResumableUpload
from gallery.uploads import resumable
from gallery.views.access import PersonRequest, permission_required

VERSION = "1.0.0"
PART_TYPE = "application/offset+octet-stream"

P = ParamSpec("P")


def speaks_tus(
    view: Callable[Concatenate[PersonRequest, P], HttpResponse],
) -> Callable[Concatenate[PersonRequest, P], HttpResponseBase]:
    """Refuse another version of the protocol, and name ours in every answer."""

    @wraps(view)
    def guarded(request: PersonRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
            response = _say(
                HTTPStatus.PRECONDITION_FAILED,
                _("Send the header Tus-Resumable: %(version)s.") % {"version": VERSION},
            )
            response["Tus-Version"] = VERSION
        else:
            response = view(request, *args, **kwargs)
        response["Tus-Resumable"] = VERSION
        response["Cache-Control"] = "no-store"
        return response

    return guarded


@require_http_methods(["OPTIONS", "POST"])
@permission_required("gallery.add_image")
@speaks_tus
def begin(request: PersonRequest) -> HttpResponse:
    """Make an upload whose bytes follow, and say where they are sent."""
    if request.method == "OPTIONS":
        response = HttpResponse(status=HTTPStatus.NO_CONTENT)
        response["Tus-Version"] = VERSION
        response["Tus-Extension"] = "creation,termination"
        response["Tus-Max-Size"] = str(settings.CONTEXTVISION_UPLOAD_MAX_ARCHIVE_BYTES)
        return response
    size = _number(request.headers.get("Upload-Length", ""))
    name = _metadata(request.headers.get("Upload-Metadata", "")).get("filename", "")
    if size is None or not name:
        return _say(
            HTTPStatus.BAD_REQUEST,
            _("Upload-Length has to be the size in bytes, and Upload-Metadata hold the filename."),
        )
    try:
        upload = resumable.begin(request.user, name, size)
    except resumable.UploadRefusedError as error:
        return _say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
    except DiskFullError as error:
        return _say(HTTPStatus.INSUFFICIENT_STORAGE, str(error))
    response = HttpResponse(status=HTTPStatus.CREATED)
    response["Location"] = reverse("gallery:resumable-upload", args=[upload.pk])
    return response


@require_http_methods(["HEAD", "PATCH", "DELETE"])
@permission_required("gallery.add_image")
@speaks_tus
def part(request: PersonRequest, pk: UUID) -> HttpResponse:
    """Say how far a file has come, take the next part, or remove it."""
    upload = get_object_or_404(ResumableUpload, pk=pk, owner=request.user)
    if not upload.path.is_file():  # it was removed for its age this moment
        return _say(HTTPStatus.GONE, _("This upload was given up; begin again."))
    if request.method == "DELETE":
        resumable.discard(upload)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    if request.method == "PATCH":
        return _append(request, upload)
    response = HttpResponse()
    response["Upload-Offset"] = str(upload.offset)
    response["Upload-Length"] = str(upload.size)
    return response


def _append(request: PersonRequest, upload: ResumableUpload) -> HttpResponse:
    if request.content_type != PART_TYPE:
        return _say(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            _("Parts are sent as %(type)s.") % {"type": PART_TYPE},
        )
    offset = _number(request.headers.get("Upload-Offset", ""))
    if offset is None:
        return _say(HTTPStatus.BAD_REQUEST, _("Upload-Offset has to say where the part begins."))
    try:
        arrived = resumable.append(upload, offset, request)
    except resumable.UploadConflictError as error:
        return _say(HTTPStatus.CONFLICT, str(error))
    except resumable.UploadRefusedError as error:
        return _say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
    except DiskFullError as error:
        return _say(HTTPStatus.INSUFFICIENT_STORAGE, str(error))
    except UnreadablePostError:
        return _say(HTTPStatus.BAD_REQUEST, _("The connection broke; go on from where it stopped."))
    response = HttpResponse(status=HTTPStatus.NO_CONTENT)
    response["Upload-Offset"] = str(arrived)
    return response


def _say(status: HTTPStatus, sentence: str) -> HttpResponse:
    return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def _metadata(header: str) -> dict[str, str]:
    """Read pairs of a key and a value in base64; what cannot be read is left out."""
    found = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found
