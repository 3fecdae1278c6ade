"""What stands between every request and the views."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext

from gallery.storage import StorageUnavailableError

logger = logging.getLogger(__name__)

RETRY_AFTER = "5"
"""Seconds; a restarted database is usually back by then."""


class OutageMiddleware:
    """Answers 503 with words, not a stack trace, while database or pictures are out of reach."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OperationalError | InterfaceError):
            logger.error("The database cannot be used: %s", error)
            return outage_response(
                request, gettext("The database cannot be reached at the moment.")
            )
        if isinstance(error, StorageUnavailableError):
            logger.error("Pictures cannot be read or written: %s", error)
            return outage_response(
                request, gettext("The pictures cannot be reached at the moment.")
            )
        return None


def outage_response(request: HttpRequest, what: str) -> HttpResponse:
    detail = f"{what} {gettext('Please try again in a few seconds.')}"
    response: HttpResponse
    if request.path.startswith("/api/"):
        problem = {"type": "about:blank", "title": gettext("Service unavailable"), "status": 503}
        response = JsonResponse(
            {**problem, "detail": detail}, status=503, content_type="application/problem+json"
        )
    else:
        response = render(request, "outage.html", {"detail": detail}, status=503)
    response["Retry-After"] = RETRY_AFTER
    return response
