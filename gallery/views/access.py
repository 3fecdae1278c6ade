"""Who may see a page."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from gallery.access import require

P = ParamSpec("P")


class PageRequest(HttpRequest):
    """A request as the middleware leaves it; for type checkers."""

    htmx: HtmxDetails


class PersonRequest(PageRequest):
    """A request of somebody who is signed in; for type checkers."""

    user: User


def person_required(
    view: Callable[Concatenate[PersonRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Let people pass who are signed in, and send others to the login page."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(cast(PersonRequest, request), *args, **kwargs)
        return to_login(request)

    return guarded


def permission_required(
    *permissions: str,
) -> Callable[
    [Callable[Concatenate[PersonRequest, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, P], HttpResponseBase],
]:
    """Let those pass who have all of these rights, send visitors to the login page, and tell others
    which role they lack.

    Decided before anything is looked up, so the answer tells nothing about what exists.
    """

    def guard(
        view: Callable[Concatenate[PersonRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def permitted(
            request: PersonRequest, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            require(request.user, *permissions)
            return view(request, *args, **kwargs)

        return person_required(permitted)

    return guard


def to_login(request: HttpRequest) -> HttpResponseBase:
    """Lead to the page to sign in, and from there back."""
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


def sent_with_files(request: HttpRequest) -> tuple[QueryDict | None, Any]:
    """What a form with files was sent with; nothing where it is only to be shown."""
    return (request.POST, request.FILES) if request.method == "POST" else (None, None)
