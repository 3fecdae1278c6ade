"""Errors are pages too: each in words, with the next step, and without leaning on what failed."""

import re
from pathlib import Path
from unittest.mock import patch

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.defaults import server_error

from gallery.models import Image
from tests.pages.conftest import HTMX

pytestmark = pytest.mark.django_db

TEMPLATES = Path(settings.BASE_DIR) / "templates"


def test_an_unknown_address(client: Client) -> None:
    response = client.get("/no/such/page")
    assert response.status_code == 404
    html = response.content.decode()
    assert "There is nothing here" in html
    assert "Go to the search" in html
    part = client.get("/no/such/page", headers=HTMX)
    assert "<html" not in part.content.decode()
    assert "There is nothing here" in part.content.decode()


def test_a_defect_shows_a_page_that_needs_nothing(picture: Image) -> None:
    careless = Client(raise_request_exception=False)
    with patch("gallery.views.pictures.render", side_effect=ZeroDivisionError):
        response = careless.get(picture.get_absolute_url())
    assert response.status_code == 500
    assert "Something went wrong" in response.content.decode()
    assert "ZeroDivisionError" not in response.content.decode()
    assert b"Something went wrong" in server_error(RequestFactory().get("/")).content


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_outage_of_the_database_is_told_without_the_database(
    client: Client, staff: User, picture: Image, headers: dict[str, str]
) -> None:
    client.force_login(staff)
    with patch("gallery.models.Image.objects.visible_to", side_effect=OperationalError("gone")):
        response = client.get(picture.get_absolute_url(), headers=headers)
    assert response.status_code == 503
    assert response["Retry-After"]
    html = response.content.decode()
    assert "The database cannot be reached" in html
    assert "Sign out" not in html
    assert ("<html" in html) == (not headers)


def test_signing_in_and_out(client: Client, member: User) -> None:
    login = reverse("login")
    html = client.get(login, {"next": "/jobs/"}).content.decode()
    assert '<label for="id_username">Username</label>' in html
    assert 'name="next" value="/jobs/"' in html
    wrong = client.post(login, {"username": "member", "password": "wrong"})
    assert "Please enter a correct username and password" in wrong.content.decode()
    right = {"username": "member", "password": "a long password"}
    assert client.post(login, right)["Location"] == "/"
    html = client.get("/").content.decode()
    assert "Sign out" in html
    assert "Upload" not in html
    assert client.get(reverse("logout")).status_code == 405
    assert client.post(reverse("logout"))["Location"] == "/"
    assert "Sign in" in client.get("/").content.decode()


def test_signing_in_leads_to_no_other_site(client: Client, member: User) -> None:
    data = {"username": "member", "password": "a long password", "next": "https://evil.example/"}
    assert client.post(reverse("login"), data)["Location"] == "/"


def test_too_many_attempts_are_told_in_words(client: Client, member: User) -> None:
    data = {"username": "member", "password": "wrong"}
    answers = [client.post(reverse("login"), data) for _ in range(6)]
    assert answers[-1].status_code == 429
    assert "Too many attempts to sign in" in answers[-1].content.decode()
    right = client.post(reverse("login"), {**data, "password": "a long password"})
    assert right.status_code == 429


def test_changing_the_password(client: Client, member: User) -> None:
    client.force_login(member)
    url = reverse("password_change")
    data = {"old_password": "a long password", "new_password1": "x", "new_password2": "x"}
    assert "too short" in client.post(url, data).content.decode()
    new = "an even longer password"
    data |= {"new_password1": new, "new_password2": new}
    html = client.post(url, data, follow=True).content.decode()
    assert "Your password is changed" in html
    member.refresh_from_db()
    assert member.check_password(new)


def test_no_page_holds_a_script_or_a_style_of_its_own() -> None:
    """What the Content-Security-Policy forbids; the browser tests see to the rest."""
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert "<style" not in text, path
        assert not re.search(r"\sstyle=", text), path
        assert not re.search(r"\son[a-z]+=", text), path
        assert "hx-on" not in text, path
        assert not re.search(r"\|\s*safe\b|\{%\s*autoescape off", text), path
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text), path


def test_every_error_has_a_page() -> None:
    for name in ("400", "403", "403_csrf", "404", "429", "500", "outage"):
        html = render_to_string(f"{name}.html", {"detail": "It is out of order."})
        assert "<h1>" in html
        assert 'href="/"' in html
