"""Searches that people keep: whose they are, what can be kept, and what becomes of them."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from gallery.models import Image, SavedSearch

pytestmark = pytest.mark.django_db

SAVED = "/saved/"


@pytest.fixture
def member_client(client: Client, member: User) -> Client:
    client.force_login(member)
    return client


def test_a_search_is_saved_from_its_page_and_found_again(
    member_client: Client, indexed: dict[str, Image]
) -> None:
    page = member_client.get("/?q=red&without=blue^2&tag=warm&filters=1").content.decode()
    query = re.search(r'name="query" form="save-form" value="([^"]+)"', page)
    assert query is not None
    asked = query[1].replace("&amp;", "&")
    response = member_client.post(SAVED, {"name": "Red things", "query": asked})
    assert response["Location"] == "/?q=red&without=blue%5E2&tag=warm"
    assert "Saved as “Red things”." in member_client.get(response["Location"]).content.decode()
    for url in ("/", SAVED):
        html = member_client.get(url).content.decode()
        assert 'href="/?q=red&amp;without=blue%5E2&amp;tag=warm"' in html
        assert "Red things" in html


def test_visitors_are_not_asked_to_save(client: Client, indexed: dict[str, Image]) -> None:
    html = client.get("/?q=red").content.decode()
    assert "Save this search" not in html
    assert client.post(SAVED, {"name": "x", "query": "q=red"})["Location"].startswith("/accounts/")


def test_renaming_and_deleting(member_client: Client, member: User) -> None:
    search, other = (
        SavedSearch.objects.create(owner=member, name=name, query="q=red") for name in "ab"
    )
    rename = reverse("gallery:saved-search-rename", args=[search.pk])
    response = member_client.post(rename, {"name": "b"}, follow=True)
    assert "You have a saved search of this name" in response.content.decode()
    member_client.post(rename, {"name": "c"})
    search.refresh_from_db()
    assert (search.name, search.query) == ("c", "q=red")
    member_client.post(reverse("gallery:saved-search-delete", args=[other.pk]))
    assert list(SavedSearch.objects.all()) == [search]


def test_they_are_for_nobody_else(member_client: Client, staff: User) -> None:
    theirs = SavedSearch.objects.create(owner=staff, name="Secret", query="q=secret")
    assert "Secret" not in member_client.get(SAVED).content.decode()
    assert "Secret" not in member_client.get("/").content.decode()
    for name in ("rename", "delete"):
        url = reverse(f"gallery:saved-search-{name}", args=[theirs.pk])
        assert member_client.post(url, {"name": "Mine"}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.name == "Secret"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"name": "taken", "query": "q=red"}, "You have a saved search of this name"),
        ({"name": "", "query": "q=red"}, "This field is required"),
        ({"name": "new", "query": "filters=1"}, "there is nothing to save"),
        ({"name": "new", "query": "q=red&like=example.abc"}, "An example picture is not kept"),
        ({"name": "new", "query": "q=" + "x" * 5000}, "too long to be saved"),
    ],
)
def test_what_cannot_be_saved_is_said_in_words(
    member_client: Client, member: User, data: dict[str, str], reason: str
) -> None:
    SavedSearch.objects.create(owner=member, name="taken", query="q=red")
    response = member_client.post(SAVED, data)
    assert response.status_code == 422
    assert reason in response.content.decode()
    assert SavedSearch.objects.count() == 1


def test_a_search_by_an_example_picture_is_not_offered_to_be_saved(
    member_client: Client, indexed: dict[str, Image]
) -> None:
    html = member_client.get("/?q=red&like=example.abc").content.decode()
    assert "Save this search" not in html
