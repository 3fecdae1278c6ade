"""Tokens: how one gets them, what they are worth, and how they end; and the CSRF of sessions."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from knox.models import AuthToken

from gallery.models import Image
from tests.api.conftest import problem
from tests.pictures_of_colours import add_picture

pytestmark = pytest.mark.django_db
TOKEN = "/api/v1/auth/token/"
LOGOUT = "/api/v1/auth/logout/"
LOGOUT_ALL = "/api/v1/auth/logoutall/"
JOBS = "/api/v1/jobs/"
PASSWORD = "a long password"


def log_in(username: str, password: str = PASSWORD, **options: Any) -> Any:
    credentials = {"username": username, "password": password}
    return Client().post(TOKEN, credentials, content_type="application/json", **options)


def get_token(username: str) -> str:
    response = log_in(username)
    assert response.status_code == 201, response.content
    return str(response.json()["token"])


def with_token(token: str) -> Client:
    return Client(headers={"Authorization": f"Token {token}"})


def test_a_token_stands_for_its_account(staff: User, member: User) -> None:
    assert with_token(get_token("staff")).get(JOBS).status_code == 200
    assert with_token(get_token("member")).get(JOBS).json()["results"] == []
    staff.refresh_from_db()
    assert staff.last_login is not None


def test_a_token_expires(staff: User) -> None:
    body = log_in("staff").json()
    expires_at = parse_datetime(body["expires_at"])
    assert expires_at is not None
    lifetime = expires_at - timezone.now()
    expected = site.REST_KNOX["TOKEN_TTL"]
    assert expected - timedelta(minutes=1) < lifetime <= expected
    client = with_token(body["token"])
    assert client.get(JOBS).status_code == 200
    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    refused = client.get(JOBS)
    problem(refused, 401)
    assert refused["WWW-Authenticate"] == "Token"
    assert not AuthToken.objects.exists()


def test_the_database_holds_no_token(staff: User) -> None:
    token = get_token("staff")
    tables = connection.introspection.table_names()
    assert AuthToken._meta.db_table in tables
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            for row in cursor.fetchall():
                assert token not in str(row), table


def test_giving_back_one_token_or_all(staff: User) -> None:
    first, second, third = (get_token("staff") for _ in range(3))
    assert with_token(first).post(LOGOUT).status_code == 204
    problem(with_token(first).get(JOBS), 401)
    assert with_token(second).get(JOBS).status_code == 200
    assert with_token(second).post(LOGOUT_ALL).status_code == 204
    problem(with_token(third).get(JOBS), 401)
    problem(Client().post(LOGOUT), 401)


def test_a_wrong_password_and_an_unknown_name_read_the_same(staff: User) -> None:
    wrong = log_in("staff", "a wrong password")
    assert problem(wrong, 401) == problem(log_in("nobody", "a wrong password"), 401)
    assert wrong["WWW-Authenticate"] == "Token"


def test_an_account_that_is_closed_gets_none(staff: User) -> None:
    token = get_token("staff")
    User.objects.update(is_active=False)
    problem(log_in("staff"), 401)
    problem(with_token(token).get(JOBS), 401)


def test_the_sixth_wrong_password_is_not_even_looked_at(staff: User, member: User) -> None:
    for _ in range(5):
        log_in("staff", "a wrong password")
    locked = log_in("staff")  # the right one: the name is locked at this address
    body = problem(locked, 429)
    assert "wrong passwords" in body["detail"]
    assert int(locked["Retry-After"]) == 3600
    assert not AuthToken.objects.exists()
    assert log_in("member").status_code == 201
    # A header that anybody can write changes nothing.
    problem(log_in("staff", headers={"X-Forwarded-For": "203.0.113.9"}), 429)


def test_a_right_password_forgives_the_wrong_ones_before(staff: User) -> None:
    for _ in range(2):
        for _ in range(4):
            log_in("staff", "a wrong password")
        get_token("staff")


@pytest.mark.parametrize(
    "header",
    ["Token", "Token a b", "Token \x00", "Token \xff\xfe", "Token " + "a" * 5000, "Bearer x"],
)
def test_a_header_that_is_no_token_is_refused(header: str, db: None) -> None:
    client = Client(HTTP_AUTHORIZATION=header)
    problem(client.get(JOBS), 401)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "staff"},
        {"username": "x" * 151, "password": "y"},
        {"username": "a\x00b", "password": "y"},
        {"username": "\ud800", "password": "y"},
        {"username": ["staff"], "password": {"$ne": ""}},
        [],
        "staff",
    ],
)
def test_what_is_no_login_is_refused(body: Any, db: None) -> None:
    problem(Client().post(TOKEN, body, content_type="application/json"), 400)


class TestCsrf:
    """A session is only believed together with the token that other sites cannot read."""

    def test_a_session_without_it_may_read_but_not_write(self, staff: User) -> None:
        image = add_picture("red")
        client = Client(enforce_csrf_checks=True)
        client.force_login(staff)
        assert client.get(JOBS).status_code == 200
        url = f"/api/v1/images/{image.pk}/"
        for response in (
            client.delete(url),
            client.patch(url, {"title": "x"}, content_type="application/json"),
            client.post(JOBS, {"kind": "embed"}, content_type="application/json"),
            client.post("/api/v1/indexes/rebuild/"),
        ):
            assert "CSRF" in problem(response, 403)["detail"]
        assert Image.objects.get().title == "red-0"

    def test_with_it_a_session_may_write(self, staff: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(staff)
        client.get("/accounts/login/")
        secret = client.cookies["csrftoken"].value
        response = client.post(
            "/api/v1/indexes/rebuild/",
            content_type="application/json",
            headers={"X-CSRFToken": secret},
        )
        assert response.status_code == 202

    def test_a_token_needs_none(self, staff: User) -> None:
        token = get_token("staff")
        client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Token {token}"})
        assert client.post("/api/v1/indexes/rebuild/").status_code == 202
