"""Looking after many pictures: per person, all or nothing, and an account of what was done."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery.models import Collection, Image, Job, Tag
from gallery.models.choices import Visibility
from tests.pages.conftest import HTMX
from tests.pictures_of_colours import add_picture

pytestmark = pytest.mark.django_db

MANAGE = "/manage/"


@pytest.fixture
def mine(member: User) -> Image:
    return add_picture("green", captions=("Grass",), owner=member, visibility=Visibility.PRIVATE)


@pytest.fixture
def member_client(client: Client, member: User) -> Client:
    client.force_login(member)
    return client


def change(client: Client, *images: Image, query: str = "", **fields: Any) -> str:
    data = {"image": [image.pk for image in images], "do": "change", **fields}
    return client.post(MANAGE + query, data, follow=True).content.decode()


def tags_of(image: Image) -> list[str]:
    return [tag.name for tag in image.tags.all()]


def test_everybody_manages_his_own(member_client: Client, mine: Image, picture: Image) -> None:
    html = member_client.get(MANAGE).content.decode()
    assert f'value="{mine.pk}"' in html
    assert "Grass" in html
    assert f'value="{picture.pk}" form="bulk"' not in html


def test_a_change_says_what_it_did(staff_client: Client, picture: Image, mine: Image) -> None:
    picture.tags.add(Tag.objects.create(name="warm"))
    fields = {
        "add_tags": "Warm up, warm",
        "remove_tags": "cold",
        "collection": "Colours",
        "visibility": "private",
    }
    html = change(staff_client, picture, mine, **fields)
    assert (
        "Of 2 pictures: tag “Warm up” added to 2, tag “warm” added to 1, tag “cold” removed from "
        "0, collection changed for 2, who can see them changed for 1." in html
    )
    for image in Image.objects.all():
        assert tags_of(image) == ["Warm up", "warm"]
        assert image.collection == Collection.objects.get(name="Colours")
        assert image.visibility == "private"
    html = change(staff_client, picture, mine, remove_tags="warm", no_collection="on")
    assert "tag “warm” removed from 2, collection changed for 2." in html
    assert not Image.objects.exclude(collection=None).exists()
    assert "all were so already." in change(staff_client, picture, visibility="private")


def test_one_picture_of_somebody_else_and_nothing_changes(
    member_client: Client, mine: Image, picture: Image
) -> None:
    html = change(member_client, mine, picture, add_tags="stolen")
    assert "Nothing was changed. Some of the chosen pictures are gone, or are not yours" in html
    assert not Tag.objects.filter(name="stolen").exists()
    member_client.post(MANAGE, {"image": [mine.pk, picture.pk], "do": "delete", "confirmed": "2"})
    assert Image.objects.count() == 2


def test_all_of_a_filter_is_all_that_this_person_may_change(
    member_client: Client, mine: Image, picture: Image
) -> None:
    html = change(member_client, everything="on", add_tags="own")
    assert "Of 1 picture: tag “own” added to 1." in html
    assert (tags_of(mine), tags_of(picture)) == (["own"], [])


def test_filters(staff_client: Client, picture: Image, mine: Image) -> None:
    job = Job.objects.create(kind=Job.Kind.EMBED, params={"images": [mine.pk]})
    bare = add_picture("blue")
    mine.tags.add(Tag.objects.create(name="grass"))

    def shown(query: str) -> set[int]:
        page = staff_client.get(f"{MANAGE}?{query}").context["page"]
        return {image.pk for image in page}

    assert shown("words=square") == {picture.pk}
    assert shown("words=blue") == {bare.pk}
    assert shown("tag=grass") == {mine.pk}
    assert shown("visibility=private") == {mine.pk}
    assert shown("captions=without") == {bare.pk}
    assert shown(f"job={job.pk}") == {mine.pk}
    for unreadable in ("collection=Nowhere&visibility=x", "collection=%00", "job=%00&tag=%00"):
        assert shown(unreadable) == {picture.pk, mine.pk, bare.pk}
    html = change(staff_client, query="?tag=grass", everything="on", add_tags="green")
    assert "Of 1 picture" in html


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Say what to change: every field is empty."),
        ({"add_tags": "t" * 101}, "is too long: 100 characters at most"),
        ({"add_tags": "a", "remove_tags": "a"}, "cannot be added and removed at once"),
        ({"collection": "A", "no_collection": "on"}, "Either a collection, or none."),
    ],
)
def test_what_cannot_be_done_is_told(
    staff_client: Client, picture: Image, fields: dict[str, str], words: str
) -> None:
    html = change(staff_client, picture, **fields)
    assert words in html
    assert f'value="{picture.pk}" form="bulk" aria-label="Choose red-0" checked' in html
    assert not Tag.objects.exists()
    assert not Collection.objects.exists()


def test_nothing_chosen(staff_client: Client, picture: Image) -> None:
    assert "Choose at least one picture." in change(staff_client, add_tags="a")


def test_deletion_is_asked_first(staff_client: Client, picture: Image, mine: Image) -> None:
    data = {"image": [picture.pk], "do": "delete"}
    html = staff_client.post(MANAGE, data).content.decode()
    assert "Delete 1 picture?" in html
    assert Image.objects.count() == 2
    html = staff_client.post(MANAGE, {**data, "confirmed": "1"}, follow=True).content.decode()
    assert "1 picture was deleted." in html
    assert list(Image.objects.all()) == [mine]


def test_deletion_is_asked_again_where_there_are_more_by_then(
    staff_client: Client, picture: Image, mine: Image
) -> None:
    data = {"everything": "on", "do": "delete", "confirmed": "2"}
    add_picture("blue")
    html = staff_client.post(MANAGE, data).content.decode()
    assert "Delete 3 pictures?" in html
    assert Image.objects.count() == 3


def test_captions_in_place(member_client: Client, mine: Image, picture: Image) -> None:
    url = f"/images/{mine.pk}/captions/"
    sent = {"caption": ["Grass", " A  meadow ", ""]}
    response = member_client.post(url, sent, headers=HTMX)
    assert "Saved" in response.content.decode()
    assert "<html" not in response.content.decode()
    assert [caption.text for caption in mine.captions.all()] == ["Grass", "A meadow"]
    response = member_client.post(url, {"caption": ["x" * 5001]}, headers=HTMX)
    assert response.status_code == 422
    assert "is too long: 5000 characters at most" in response.content.decode()
    assert mine.captions.count() == 2
    back = {"caption": "Lawn", "next": "/manage/?tag=x"}
    assert member_client.post(url, back)["Location"] == "/manage/?tag=x"
    elsewhere = {"caption": "Lawn", "next": "https://example.org/"}
    assert member_client.post(url, elsewhere)["Location"] == MANAGE
    assert member_client.post(f"/images/{picture.pk}/captions/", back).status_code == 403


def test_the_queries_do_not_grow_with_the_pictures(staff_client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            staff_client.get(MANAGE)
        return len(counted)

    for shade in range(2):
        add_picture("red", shade=shade, captions=("Red",))
    few = queries()
    for shade in range(2, 8):
        add_picture("red", shade=shade, captions=("Red",))
    assert queries() == few
