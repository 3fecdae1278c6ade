"""Answers where no view was reached or a view broke: problems for programs, pages for people."""

import sys
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views import defaults

from contextvision_site.middleware import answer_outage
from gallery.api.problems import is_for_api, problem_response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_api(request):
        return problem_response(400, gettext("The request cannot be read."))
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_api(request):
        refused = str(exception) or gettext("This account may not do this.")
        return problem_response(403, refused)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_api(request):
        return problem_response(404, gettext("There is nothing at this address."))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    # What middleware meets, such as a body that cannot be put aside, comes here alone.
    if answer := answer_outage(request, sys.exception()):
        return answer
    if is_for_api(request):
        return problem_response(
            500, gettext("Something went wrong here. It is in the log; trying again may not help.")
        )
    return defaults.server_error(request)


def locked_out(
    request: HttpRequest, response: Any = None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """Answer a login after too many wrong passwords."""
    seconds = str(settings.AXES_COOLOFF_TIME * 3600)
    if is_for_api(request):
        return problem_response(
            429,
            gettext(
                "Too many wrong passwords for this name from this address. Try again in an hour."
            ),
            headers={"Retry-After": seconds},
        )
    page = render(request, "registration/lockout.html", status=429)
    page["Retry-After"] = seconds
    return page
