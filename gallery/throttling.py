"""How often somebody may ask, for the API and for the pages that cost as much as it does.

The limits come from settings. They keep one careless program from crowding everybody else out;
they are no defence against an attack (counting is not atomic, and a cache without a server counts
in each process for itself).
"""

import math
from collections.abc import Callable, Collection
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, cast

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from gallery.caching import SteadyCache

if TYPE_CHECKING:
    from rest_framework.views import APIView

P = ParamSpec("P")
View: TypeAlias = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class CountingThrottle(SimpleRateThrottle):
    """Counts in the shared cache where there is one, and refuses beyond a rate of the settings."""

    cache = SteadyCache()  # type: ignore[assignment]  # the two methods that are called

    def get_rate(self) -> Any:
        # Read at each use, so that a changed setting needs no new class.
        rates: Any = api_settings.DEFAULT_THROTTLE_RATES
        return rates.get(str(self.scope))

    def wait(self) -> float | None:
        """Whole seconds, at least one: a client that waits them is let in."""
        seconds = super().wait()
        return None if seconds is None else max(1, math.ceil(seconds))


class PersonThrottle(CountingThrottle):
    """Counts by account, or by address where nobody is logged in."""

    scope = "anonymous"

    def allow_request(self, request: Any, view: Any) -> bool:
        self.scope = "user" if request.user.is_authenticated else "anonymous"
        self.rate = self.get_rate()
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return super().allow_request(request, view)

    def get_cache_key(self, request: Request, view: Any) -> str:
        user = request.user
        ident = user.pk if user.is_authenticated else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}


class ExampleThrottle(PersonThrottle):
    """Counts example pictures that are kept: nobody is to push out those of all others."""

    scope = "examples"

    def allow_request(self, request: Any, view: Any) -> bool:
        return CountingThrottle.allow_request(self, request, view)


class LoginThrottle(CountingThrottle):
    """Counts attempts to sign in or to get a token: by address, and those let through in all.

    Checking a password takes a quarter of a second of a processor, on purpose. Those who are
    refused by their address do not count in all, so one address cannot shut out the others.
    """

    scope = "login"

    def __init__(self) -> None:
        super().__init__()
        self._refusing: CountingThrottle | None = None

    def allow_request(self, request: Any, view: Any) -> bool:
        in_all = LoginsThrottle()
        if not super().allow_request(request, view):
            self._refusing = None
        elif not in_all.allow_request(request, view):
            self._refusing = in_all
        else:
            return True
        return False

    def wait(self) -> float | None:
        return self._refusing.wait() if self._refusing else super().wait()

    def get_cache_key(self, request: Request, view: Any) -> str:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


class LoginsThrottle(CountingThrottle):
    """Counts attempts to sign in from anywhere."""

    scope = "logins"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return self.cache_format % {"scope": self.scope, "ident": "all"}


def throttled(
    template: str,
    by: type[CountingThrottle] = PersonThrottle,
    methods: Collection[str] | None = None,
) -> Callable[[View[P]], View[P]]:
    """Make a decorator that answers requests of a page with 429 once there are too many.

    Pages and API share one allowance.

    Args:
        template: what is said then; it is given ``retry_after``, the seconds to wait.
        by: what is counted.
        methods: of the requests that count; all where None.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def limited(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            counts = methods is None or request.method in methods
            seconds = seconds_to_wait(request, by()) if counts else None
            if seconds is None:
                return view(request, *args, **kwargs)
            response = render(request, template, {"retry_after": seconds}, status=429)
            response["Retry-After"] = str(seconds)
            return response

        return limited

    return decorate


def seconds_to_wait(request: HttpRequest, throttle: CountingThrottle | None = None) -> int | None:
    """Count a page's request; return nothing if it may be answered, else the seconds to wait."""
    throttle = throttle or PersonThrottle()
    # DRF asks the request for its user, headers and META, which Django's own has too.
    if throttle.allow_request(cast(Request, request), cast("APIView", None)):
        return None
    return int(throttle.wait() or 1)
