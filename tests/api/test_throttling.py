"""Limits on how often one may ask, and what holds them up when their cache is gone."""

import time
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client, RequestFactory

from gallery.throttling import seconds_to_wait
from tests.api.conftest import problem

pytestmark = pytest.mark.django_db
URL = "/api/v1/images/"


@pytest.fixture(autouse=True)
def _few(settings: LazySettings) -> None:
    rates = {"anonymous": "3/minute", "user": "5/minute", "login": "2/minute"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}


def answered(client: Client, times: int, **options: Any) -> list[int]:
    return [client.get(URL, **options).status_code for _ in range(times)]


def test_a_visitor_is_asked_to_wait(client: Client) -> None:
    assert answered(client, 3) == [200] * 3
    response = client.get(URL)
    problem(response, 429)
    assert 0 < int(response["Retry-After"]) <= 60
    assert answered(client, 1, REMOTE_ADDR="203.0.113.1") == [200]


def test_people_have_an_allowance_of_their_own(
    client: Client, member_client: Client, staff_client: Client
) -> None:
    assert answered(client, 4) == [200, 200, 200, 429]
    assert answered(member_client, 6) == [200] * 5 + [429]
    assert answered(staff_client, 1) == [200]


def test_a_header_that_anybody_can_write_makes_nobody_new(client: Client) -> None:
    statuses = [
        client.get(URL, headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(8)
    ]
    assert statuses == [200] * 3 + [429] * 5


def test_behind_a_proxy_that_is_trusted_visitors_are_told_apart(
    client: Client, settings: LazySettings
) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    spoofed = {"X-Forwarded-For": "198.51.100.7, 203.0.113.1"}
    assert answered(client, 4, headers=spoofed) == [200, 200, 200, 429]
    assert answered(client, 1, headers={"X-Forwarded-For": "203.0.113.2"}) == [200]
    again = {"X-Forwarded-For": "198.51.100.8, 203.0.113.1"}
    assert answered(client, 1, headers=again) == [429]


def test_attempts_to_log_in_have_a_limit_of_their_own(client: Client) -> None:
    def attempt(name: str) -> int:
        body = {"username": name, "password": "guess"}
        return client.post("/api/v1/auth/token/", body, content_type="application/json").status_code

    assert [attempt(name) for name in ("a", "b", "c")] == [401, 401, 429]
    assert answered(client, 1) == [200]


def test_pages_share_the_allowance(member: User) -> None:
    from django.contrib.auth.models import AnonymousUser

    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert [seconds_to_wait(request) for _ in range(3)] == [None] * 3
    seconds = seconds_to_wait(request)
    assert seconds is not None
    assert 0 < seconds <= 60
    assert answered(Client(), 1) == [429]
    request.user = member
    assert seconds_to_wait(request) is None


def test_a_cache_that_is_down_neither_breaks_nor_opens_the_door(
    client: Client, settings: LazySettings
) -> None:
    settings.CACHES = {
        **settings.CACHES,
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",  # nothing listens there
            "OPTIONS": {"socket_connect_timeout": 1},
        },
    }
    started = time.monotonic()
    assert answered(client, 5) == [200, 200, 200, 429, 429]
    assert time.monotonic() - started < 3


def test_a_cache_that_hangs_costs_its_timeout_once(client: Client, settings: LazySettings) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.CACHES = {
            **settings.CACHES,
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": f"redis://127.0.0.1:{silent.getsockname()[1]}/0",
                "OPTIONS": {"socket_connect_timeout": 0.3, "socket_timeout": 0.3},
            },
        }
        client.get(URL)
        started = time.monotonic()
        assert answered(client, 4) == [200, 200, 429, 429]
        assert time.monotonic() - started < 1


class ReadOnlyCache(LocMemCache):
    """What a Redis is that has run out of memory."""

    def set(self, *arguments: Any, **options: Any) -> None:
        raise ConnectionError("OOM command not allowed")


def test_a_cache_that_takes_nothing_more(client: Client, settings: LazySettings) -> None:
    backend = f"{ReadOnlyCache.__module__}.{ReadOnlyCache.__name__}"
    settings.CACHES = {**settings.CACHES, "default": {"BACKEND": backend}}
    assert answered(client, 4) == [200, 200, 200, 429]
