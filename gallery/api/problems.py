"""Every error of the API in one shape: problem details (RFC 9457).

``type`` is ``about:blank`` where the HTTP status says it all, else a name that a program can tell
apart; docs/api.md lists them. ``detail`` is a sentence for people. ``errors`` names the fields.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from django.utils.translation import gettext, gettext_lazy, gettext_noop
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from gallery.api.places import without_paths
from gallery.disk import DiskFullError, disk_full
from gallery.vectors.errors import VectorStoreError, VectorStoreUnavailableError
from mlcore.errors import (
    ContextVisionError,
    ImageRejectedError,
    IndexFileError,
    IndexMismatchError,
    InvalidQueryError,
    ModelUnavailableError,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 5
"""Seconds after which what is short for the moment is worth another try."""


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of problem: the status it is answered with and the name it goes by."""

    status: int
    name: str
    title: str

    @property
    def uri(self) -> str:
        return f"urn:contextvision:problem:{self.name}"


INVALID_INPUT = ProblemKind(400, "invalid-input", gettext_noop("Invalid input"))
INVALID_QUERY = ProblemKind(400, "invalid-query", gettext_noop("Nothing to search by"))
PICTURE_TOO_LARGE = ProblemKind(413, "too-large", gettext_noop("Too large"))
PICTURE_REJECTED = ProblemKind(422, "picture-rejected", gettext_noop("Picture not accepted"))
MODEL_UNAVAILABLE = ProblemKind(503, "model-unavailable", gettext_noop("Model unavailable"))
DISK_FULL = ProblemKind(507, "disk-full", gettext_noop("No room left"))
INDEX_UNUSABLE = ProblemKind(503, "index-unusable", gettext_noop("Index unusable"))
VECTOR_STORE_AWAY = ProblemKind(
    503, "vector-store-unavailable", gettext_noop("Vector store unavailable")
)

PROBLEM_KINDS: Mapping[type[ContextVisionError], ProblemKind] = {
    DiskFullError: DISK_FULL,
    InvalidQueryError: INVALID_QUERY,
    ImageRejectedError: PICTURE_REJECTED,
    ModelUnavailableError: MODEL_UNAVAILABLE,
    IndexFileError: INDEX_UNUSABLE,
    IndexMismatchError: INDEX_UNUSABLE,
    VectorStoreUnavailableError: VECTOR_STORE_AWAY,
    VectorStoreError: INDEX_UNUSABLE,
}
"""Expected failures of core and gallery. A view that meets others, or means something else
by one of these, names them in an attribute ``problem_kinds`` of its own."""


FOR_OPERATORS = {MODEL_UNAVAILABLE, INDEX_UNUSABLE, VECTOR_STORE_AWAY}
"""Kinds whose sentence is for whoever runs the site: it may name folders of the machine."""


class TooLargeError(exceptions.APIException):
    status_code = 413
    default_detail = gettext_lazy("What was sent is larger than is accepted here.")


class ProblemError(exceptions.APIException):
    """A problem of a named kind that a view found itself."""

    def __init__(
        self, kind: ProblemKind, detail: str, errors: Mapping[str, list[str]] | None = None
    ) -> None:
        super().__init__(detail)
        self.status_code = kind.status
        self.kind = kind
        self.errors = dict(errors or {})


class ProblemRenderer(JSONRenderer):
    media_type = MEDIA_TYPE


def problem_document(
    status: int,
    detail: str,
    *,
    kind: ProblemKind | None = None,
    errors: Mapping[str, list[str]] | None = None,
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": kind.uri if kind else "about:blank",
        "title": gettext(kind.title) if kind else HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        document["errors"] = dict(errors)
    return document


def problem_response(
    status: int,
    detail: str,
    *,
    kind: ProblemKind | None = None,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """Answer with a problem where no view of the API was reached."""
    return JsonResponse(
        problem_document(status, detail, kind=kind),
        status=status,
        content_type=MEDIA_TYPE,
        headers=headers,
    )


def is_for_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into a problem; nothing for what is a defect of the program."""
    response = _respond(error, context)
    if response is not None:
        # Whatever the client hoped to get, a problem is written as one.
        context["request"].accepted_renderer = ProblemRenderer()
        context["request"].accepted_media_type = MEDIA_TYPE
    return response


def _respond(error: Exception, context: dict[str, Any]) -> Response | None:
    error = disk_full(error) or error
    if isinstance(error, ContextVisionError):
        kind = _kind_of(error, context)
        if kind is None:
            return None
        return _response(kind.status, _words(error, kind, context["request"]), kind=kind)
    error = _as_api_exception(error)
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    wait = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(int(wait))
    if isinstance(error, exceptions.ValidationError):
        errors = _by_field(error.detail)
        return _response(400, _summary(errors), kind=INVALID_INPUT, errors=errors)
    kind = getattr(error, "kind", None)
    errors = getattr(error, "errors", {})
    return _response(
        error.status_code, str(error.detail), kind=kind, errors=errors, headers=headers
    )


def _response(
    status: int,
    detail: str,
    *,
    kind: ProblemKind | None = None,
    errors: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    sent = dict(headers or {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        sent["Retry-After"] = str(RETRY_AFTER)
    document = problem_document(status, detail, kind=kind, errors=errors)
    return Response(document, status=status, headers=sent)


def _kind_of(error: ContextVisionError, context: dict[str, Any]) -> ProblemKind | None:
    known = {**PROBLEM_KINDS, **getattr(context["view"], "problem_kinds", {})}
    return next((known[cls] for cls in type(error).__mro__ if cls in known), None)


def _words(error: ContextVisionError, kind: ProblemKind, request: Request) -> str:
    if kind not in FOR_OPERATORS or request.user.has_perm("gallery.view_indexversion"):
        return str(without_paths(error.message))
    logger.error("Told as %s: %s", kind.name, error)
    return gettext(
        "The search is out of order. Those who run this site find the reason in its log."
    )


def _as_api_exception(error: Exception) -> Exception:
    if isinstance(error, Http404):
        return exceptions.NotFound(gettext("There is nothing at this address."))
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(str(error) or None)
    if isinstance(error, RequestDataTooBig | TooManyFieldsSent | TooManyFilesSent):
        return TooLargeError()
    if isinstance(error, SuspiciousOperation | UnreadablePostError):
        return exceptions.ParseError(gettext("The request cannot be read."))
    return error


def _by_field(detail: Any) -> dict[str, list[str]]:
    """Flatten what DRF nests: lists of messages by the path of the field, ``captions.0``."""
    found: dict[str, list[str]] = {}
    for path, message in _messages(detail, ()):
        found.setdefault(path, []).append(message)
    return found


def _messages(detail: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _messages(inner, (*path, str(name)))
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            is_message = not isinstance(inner, Mapping | list)
            yield from _messages(inner, path if is_message else (*path, str(position)))
    else:
        yield ".".join(path) or "non_field_errors", str(detail)


def _summary(errors: Mapping[str, list[str]]) -> str:
    return " ".join(
        message if name == "non_field_errors" else f"{name}: {message}"
        for name, messages in errors.items()
        for message in messages
    )
