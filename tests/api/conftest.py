"""What the tests of the API share: clients of each role, and a look at problems."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client

from gallery import throttling
from gallery.caching import SteadyCache


@pytest.fixture(autouse=True)
def _fresh_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test is held back by the requests, or the outages, of another."""
    for name in ("default", "local"):
        caches[name].clear()
    monkeypatch.setattr(throttling.CountingThrottle, "cache", SteadyCache())


@pytest.fixture
def staff_client(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client


@pytest.fixture
def member_client(member: User) -> Client:
    client = Client()
    client.force_login(member)
    return client


def problem(response: Any, status: int) -> dict[str, Any]:
    """Check that an answer is a problem of this status, and return it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"]
    assert body["title"]
    assert body["detail"]
    return body
