"""Searches on the pages are limited as those of the API are: they cost the same."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from gallery.api.throttling import seconds_to_wait

P = ParamSpec("P")


def throttled(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Answer 429 with the seconds to wait once somebody asks too often."""

    @wraps(view)
    def limited(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        seconds = seconds_to_wait(request)
        if seconds is None:
            return view(request, *args, **kwargs)
        response = render(request, "429.html", {"retry_after": seconds}, status=429)
        response["Retry-After"] = str(seconds)
        return response

    return limited
