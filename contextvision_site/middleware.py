"""What stands between every request and the views."""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext

from gallery import audit
from gallery.access import is_closed
from gallery.api.problems import DISK_FULL, is_for_api, problem_response
from gallery.disk import DiskFullError, disk_full
from gallery.storage import StorageUnavailableError
from gallery.views.access import to_login

logger = logging.getLogger(__name__)

RETRY_AFTER = "5"
"""Seconds; a restarted database is usually back by then."""


PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
)
"""What browsers offer to pages, and none of ours asks for."""


class PrivacyMiddleware:
    """Keeps what one person may see out of every cache, and denies pages what they do not use.

    A view that says itself how long its answer may be kept is believed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        is_known = settings.SESSION_COOKIE_NAME in request.COOKIES
        if is_known or "Authorization" in request.headers:
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class OutageMiddleware:
    """Answers with words, not a stack trace, while database or pictures are out of reach (503), or
    the disk is full (507)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return answer_outage(request, error)


def answer_outage(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """Say in words what an error tells of an outage; nothing where it is about something else."""
    if full := disk_full(error):
        logger.error("The disk is full: %s", error)
        return _full_disk_response(request, full)
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("The database cannot be used: %s", error)
        return outage_response(request, gettext("The database cannot be reached at the moment."))
    if isinstance(error, StorageUnavailableError):
        logger.error("Pictures cannot be read or written: %s", error)
        return outage_response(request, gettext("The pictures cannot be reached at the moment."))
    return None


def _full_disk_response(request: HttpRequest, full: DiskFullError) -> HttpResponse:
    if is_for_api(request):
        return problem_response(507, str(full), kind=DISK_FULL)
    return render(request, "outage.html", {"detail": str(full)}, status=507)


class AuditMiddleware:
    """Lets the audit trail know who asks, and from where."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with audit.answering(request):
            return self.get_response(request)


class SignInMiddleware(LoginRequiredMiddleware):
    """Shows a site that is closed to strangers to nobody who is not signed in.

    What is open all the same says so with ``login_not_required``. Views of the API know of tokens,
    so they ask by themselves (``gallery.api.permissions.Open``).
    """

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        if not is_closed():
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(  # type: ignore[override]  # it need not be a redirect
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponseBase:
        if is_for_api(request):
            return problem_response(401, gettext("This site is for those who are signed in."))
        return to_login(request)


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
