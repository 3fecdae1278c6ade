"""How often somebody may ask, for the API and for the pages that cost as much as it does.

The limits come from settings. They keep one careless program from crowding everybody else out;
they are no defence against an attack (counting is not atomic, and a cache without a server counts
in each process for itself).
"""

import math
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from gallery.caching import SteadyCache


class CountingThrottle(SimpleRateThrottle):
    """Counts in the shared cache where there is one, and refuses beyond a rate of the settings."""

    cache = SteadyCache()  # type: ignore[assignment]  # the two methods that are called

    def get_rate(self) -> Any:
        # Read at each use, so that a changed setting needs no new class.
        rates: Any = api_settings.DEFAULT_THROTTLE_RATES
        return rates[str(self.scope)]

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


class LoginThrottle(CountingThrottle):
    """Counts attempts to get a token, by address."""

    scope = "login"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


def seconds_to_wait(request: HttpRequest) -> int | None:
    """Count a page's request; return nothing if it may be answered, else the seconds to wait.

    Pages and API share one allowance. To be answered with status 429 and ``Retry-After``.
    """
    throttle = PersonThrottle()
    # DRF asks the request for its user, headers and META, which Django's own has too.
    if throttle.allow_request(request, None):
        return None
    return int(throttle.wait() or 1)
