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
from django.views.decorators.http import require_http_methods

from gallery.models import IncomingFile
from gallery.services import incoming as service
from gallery.views.access import StaffRequest, staff_required

VERSION = "1.0.0"
PART_TYPE = "application/offset+octet-stream"

P = ParamSpec("P")


def speaks_tus(
    view: Callable[Concatenate[StaffRequest, P], HttpResponse],
) -> Callable[Concatenate[StaffRequest, P], HttpResponseBase]:
    """Refuse another version of the protocol, and name ours in every answer."""

    @wraps(view)
    def guarded(request: StaffRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
            response = _say(
                HTTPStatus.PRECONDITION_FAILED, f"Send the header Tus-Resumable: {VERSION}."
            )
            response["Tus-Version"] = VERSION
        else:
            response = view(request, *args, **kwargs)
        response["Tus-Resumable"] = VERSION
        response["Cache-Control"] = "no-store"
        return response

    return guarded


@require_http_methods(["OPTIONS", "POST"])
@staff_required
@speaks_tus
def begin(request: StaffRequest) -> HttpResponse:
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
            "Upload-Length has to be the size in bytes, and Upload-Metadata to hold the filename.",
        )
    try:
        incoming = service.begin(request.user, name, size)
    except service.IncomingRefusedError as error:
        return _say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
    response = HttpResponse(status=HTTPStatus.CREATED)
    response["Location"] = reverse("gallery:incoming-part", args=[incoming.pk])
    return response


@require_http_methods(["HEAD", "PATCH", "DELETE"])
@staff_required
@speaks_tus
def part(request: StaffRequest, pk: UUID) -> HttpResponse:
    """Say how far a file has come, take the next part, or remove it."""
    incoming = get_object_or_404(IncomingFile, pk=pk, owner=request.user)
    if not incoming.path.is_file():  # it was removed for its age this moment
        return _say(HTTPStatus.GONE, "This upload was given up; begin again.")
    if request.method == "DELETE":
        service.discard(incoming)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    if request.method == "PATCH":
        return _append(request, incoming)
    response = HttpResponse()
    response["Upload-Offset"] = str(incoming.offset)
    response["Upload-Length"] = str(incoming.size)
    return response


def _append(request: StaffRequest, incoming: IncomingFile) -> HttpResponse:
    if request.content_type != PART_TYPE:
        return _say(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Parts are sent as {PART_TYPE}.")
    offset = _number(request.headers.get("Upload-Offset", ""))
    if offset is None:
        return _say(HTTPStatus.BAD_REQUEST, "Upload-Offset has to say where the part begins.")
    try:
        arrived = service.append(incoming, offset, request)
    except service.IncomingConflictError as error:
        return _say(HTTPStatus.CONFLICT, str(error))
    except service.IncomingRefusedError as error:
        return _say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
    except UnreadablePostError:
        return _say(HTTPStatus.BAD_REQUEST, "The connection broke; go on from where it stopped.")
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
