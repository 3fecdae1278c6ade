"""What results can be narrowed down to, with numbers that hold for whoever asks."""

import time
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from gallery.access import Person
from gallery.models import Collection, Image, Tag
from gallery.selectors import newest_images
from search import facets as facets_module
from search.facets import facets, largest_collections
from search.filters import ImageFilter
from tests.pages.conftest import HTMX
from tests.pictures_of_colours import add_picture

pytestmark = pytest.mark.django_db

EVERYTHING = ImageFilter()


@pytest.fixture(autouse=True)
def _fresh_numbers() -> None:
    for cache in caches.all(initialized_only=True):
        cache.clear()


def offered(user: Person, where: ImageFilter = EVERYTHING) -> dict[str, dict[str, int]]:
    return {
        facet.name: {choice.label: choice.count for choice in facet.choices}
        for facet in facets(user, where)
    }


@pytest.fixture
def pictures(member: User, staff: User) -> dict[str, Image]:
    beach, secret = (Collection.objects.create(name=name) for name in ("Beach", "Secret"))
    calm, hidden = (Tag.objects.create(name=name) for name in ("calm", "hidden"))
    wide = add_picture("red", size=(80, 40))
    tall = add_picture("blue", size=(40, 80))
    square = add_picture("green", size=(50, 49))
    private = add_picture("yellow", size=(40, 40), visibility="private", owner=member)
    Image.objects.filter(pk=wide.pk).update(
        collection=beach, taken_at=datetime(2023, 5, 31, 23, 59, tzinfo=UTC), uploader=staff
    )
    Image.objects.filter(pk=tall.pk).update(
        collection=beach, taken_at=datetime(2023, 6, 1, tzinfo=UTC), uploader=member
    )
    Image.objects.filter(pk=private.pk).update(
        collection=secret, taken_at=datetime(2020, 1, 1, tzinfo=UTC)
    )
    wide.tags.add(calm)
    private.tags.add(hidden, calm)
    return {"wide": wide, "tall": tall, "square": square, "private": private}


def test_counts_are_of_what_a_person_may_see(pictures: dict[str, Image], member: User) -> None:
    public = offered(None)
    assert public["collection"] == {"Beach": 2}
    assert public["tag"] == {"calm": 1}
    assert public["orientation"] == {"Landscape": 1, "Portrait": 1, "Square": 1}
    assert public["since"]["2023"] == 2
    assert "2020" not in public["since"]
    assert "uploader" not in public
    own = offered(member)
    assert own["collection"] == {"Beach": 2, "Secret": 1}
    assert own["tag"] == {"calm": 2, "hidden": 1}
    assert own["orientation"]["Square"] == 2
    assert own["uploader"] == {"member": 1}


def test_a_year_that_is_chosen_shows_its_months(pictures: dict[str, Image], staff: User) -> None:
    months = offered(staff, ImageFilter(since="2023-05", until="2023-05"))["since"]
    assert months["May 2023"] == months["June 2023"] == 1
    assert offered(staff)["uploader"] == {"member": 1, "staff": 1}


def test_numbers_may_be_old_but_names_never_show_what_was_hidden_since(
    pictures: dict[str, Image],
) -> None:
    assert offered(None)["collection"] == {"Beach": 2}
    Image.objects.update(visibility="private")
    assert "collection" not in offered(None)
    assert "tag" not in offered(None)


def test_pictures_of_ones_own_are_counted_beside_the_public_ones_known_already(
    pictures: dict[str, Image], member: User
) -> None:
    """What everybody sees, and what all who are signed in see, is counted once for all of them."""
    offered(None)
    offered(User.objects.create_user("another"))
    with CaptureQueriesContext(connection) as queries:
        own = offered(member)
    counts = [query["sql"] for query in queries if "COUNT" in query["sql"]]
    assert len(counts) == 9
    # And who uploaded what.
    assert sum("IN ('groups', 'private')" in sql for sql in counts) == 8
    assert own["tag"] == {"calm": 2, "hidden": 1}


def test_numbers_are_counted_ahead_for_everybody_and_staff(
    pictures: dict[str, Image],
    staff: User,
    client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    facets_module.count_ahead()
    staff.has_perm("gallery.view_every_image")  # asked once a request
    for user, private in ((None, 0), (staff, 1)):
        with django_assert_num_queries(1):  # whether the names may still be seen
            assert offered(user)["tag"]["calm"] == 1 + private
        with django_assert_num_queries(1):
            [card] = [card for card in largest_collections(user) if card.name == "Beach"]
        assert (card.count, card.cover) == (2, pictures["tall"])


def test_what_is_slow_to_count_is_counted_anew_before_a_page_has_to(
    pictures: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()

    def at(seconds: float, *, slow: float) -> dict[str, int]:
        monkeypatch.setattr(facets_module, "SLOW", slow)
        monkeypatch.setattr(time, "time", lambda: now + seconds)
        facets_module.count_ahead()
        return offered(None)["tag"]

    assert at(0, slow=0.0) == {"calm": 1}
    pictures["tall"].tags.add(Tag.objects.get(name="calm"))
    assert at(29, slow=0.0) == {"calm": 1}  # not half over yet
    assert at(31, slow=99.0) == {"calm": 1}  # a page can do that itself
    assert at(31, slow=0.0) == {"calm": 2}
    pictures["square"].tags.add(Tag.objects.get(name="calm"))
    assert at(90, slow=99.0) == {"calm": 2}
    assert at(92, slow=99.0) == {"calm": 3}  # nobody counted ahead, so the page did


def test_a_collection_stays_when_its_latest_picture_goes(pictures: dict[str, Image]) -> None:
    [card] = largest_collections(None)
    assert card.cover == pictures["tall"]
    pictures["tall"].delete()
    [card] = largest_collections(None)
    assert card.cover == pictures["wide"]
    Image.objects.update(visibility="private")
    assert largest_collections(None) == []


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (ImageFilter(orientation="landscape"), {"wide"}),
        (ImageFilter(orientation="portrait"), {"tall"}),
        (ImageFilter(orientation="square"), {"square"}),
        (ImageFilter(until="2023-05"), {"wide"}),
        (ImageFilter(since="2023-06", until="2023"), {"tall"}),
        (ImageFilter(since="2023-06-02", until="9999-12-31"), {"square"}),
        (ImageFilter(uploader="staff"), set()),
        (ImageFilter(colour="red"), {"wide"}),
    ],
)
def test_filters_let_through_what_they_say(
    pictures: dict[str, Image], where: ImageFilter, found: set[str]
) -> None:
    names = {image.pk: name for name, image in pictures.items()}
    assert {names[image.pk] for image in where.apply(newest_images(None), None)} == found


def test_who_uploaded_what_is_for_staff_and_oneself(
    pictures: dict[str, Image], member: User, staff: User
) -> None:
    for user, uploader, expected in (
        (staff, "member", 1), (member, "member", 1), (member, "staff", 0), (None, "member", 0),
    ):  # fmt: skip
        assert len(ImageFilter(uploader=uploader).apply(newest_images(user), user)) == expected


def test_the_page_offers_them_as_links(client: Client, pictures: dict[str, Image]) -> None:
    html = client.get("/?filters=1&tag=calm", headers=HTMX).content.decode()
    assert 'href="/?collection=Beach&amp;tag=calm&amp;filters=1"' in html
    assert 'href="/?filters=1" aria-current="true"' in html
    assert 'hx-swap-oob="true"' in html
