"""Who may see a page."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

P = ParamSpec("P")


class PageRequest(HttpRequest):
    """A request as the middleware leaves it; for type checkers."""

    htmx: HtmxDetails


class PersonRequest(PageRequest):
    """A request of somebody who is signed in; for type checkers."""

    user: User


class StaffRequest(PersonRequest):
    """A request of a signed-in member of staff; for type checkers."""


def person_required(
    view: Callable[Concatenate[PersonRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Let people pass who are signed in, and send others to the login page."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(cast(PersonRequest, request), *args, **kwargs)
        return _to_login(request)

    return guarded


def staff_required(
    view: Callable[Concatenate[StaffRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Let staff pass, send visitors to the login page, and tell other people 403 in words.

    Decided before anything is looked up, so the answer tells nothing about what exists.
    """

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_staff:
            return view(cast(StaffRequest, request), *args, **kwargs)
        if request.user.is_authenticated:
            raise PermissionDenied
        return _to_login(request)

    return guarded


def _to_login(request: HttpRequest) -> HttpResponseBase:
    if cast(PageRequest, request).htmx:
        # A fragment cannot hold a login page: the whole page goes there.
        return HttpResponseClientRedirect(resolve_url(settings.LOGIN_URL))
    return redirect_to_login(request.get_full_path())


def wants_fragment(request: HttpRequest) -> bool:
    """Tell whether htmx asks for a part of the page, rather than a browser for all of it."""
    htmx = cast(PageRequest, request).htmx
    return bool(htmx) and not htmx.history_restore_request


def sent(request: HttpRequest) -> QueryDict | None:
    """What a form was sent with; nothing where it is only to be shown."""
    return request.POST if request.method == "POST" else None
