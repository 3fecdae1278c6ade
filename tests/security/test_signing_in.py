"""Passwords cannot be tried without end, whatever names they are tried for."""

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db
DOORS = ("/accounts/login/", "/admin/login/", "/api/v1/auth/token/")


def allow(settings: LazySettings, **rates: str) -> None:
    known = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {**known, **rates},
    }


def attempt(door: str, name: str, address: str) -> int:
    sent = {"username": name, "password": "a guess"}
    client = Client(REMOTE_ADDR=address)
    if door.startswith("/api/"):
        answer = client.post(door, sent, content_type="application/json")
    else:
        answer = client.post(door, sent)
    if answer.status_code == 429:
        assert 0 < int(answer["Retry-After"]) <= 60
    return answer.status_code


@pytest.mark.parametrize("door", DOORS)
def test_one_address_has_so_many_attempts(door: str, settings: LazySettings) -> None:
    allow(settings, login="2/minute")
    refused = 401 if door.startswith("/api/") else 200
    tried = [attempt(door, f"name {number}", "203.0.113.1") for number in range(4)]
    assert tried == [refused, refused, 429, 429]
    assert attempt(door, "another", "203.0.113.2") == refused


def test_all_doors_draw_on_one_allowance(settings: LazySettings) -> None:
    allow(settings, login="3/minute")
    assert [attempt(door, "ann", "203.0.113.1") for door in DOORS] == [200, 200, 401]
    assert [attempt(door, "bob", "203.0.113.1") for door in DOORS] == [429] * 3


def test_all_addresses_together_have_a_limit_too(settings: LazySettings) -> None:
    allow(settings, login="2/minute", logins="5/minute")
    flood = [attempt(DOORS[0], f"name {number}", "203.0.113.1") for number in range(50)]
    assert flood == [200] * 2 + [429] * 48
    # The flood of one address left three for others.
    others = [attempt(DOORS[0], "name", f"203.0.113.{number}") for number in range(2, 7)]
    assert others == [200] * 3 + [429] * 2


def test_who_has_the_right_password_gets_in_and_the_page_costs_nothing(
    settings: LazySettings, staff: User
) -> None:
    allow(settings, login="1/minute")
    client = Client()
    for door in DOORS[:2]:
        assert [client.get(door).status_code for _ in range(3)] == [200] * 3
    sent = {"username": staff.username, "password": "wrong"}
    assert client.post(DOORS[1], sent).status_code == 200
    page = client.post(DOORS[1], sent)
    assert page.status_code == 429
    assert "Wait" in page.content.decode()
