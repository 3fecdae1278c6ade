"""Query sets: written by hand, or kept from a search."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from gallery.models import Image, SavedQuerySet
from tests.learning import query_set

pytestmark = pytest.mark.django_db

NEW = "/query-sets/new/"
KEEP = "/query-sets/keep-search/"


def form(rows: list[dict[str, Any]], *, initial: int = 0, **details: Any) -> dict[str, Any]:
    """What a browser sends for a set of these queries."""
    data: dict[str, Any] = {
        "name": "Weekly", "description": "", "tolerance": "0.02",
        "queries-TOTAL_FORMS": len(rows), "queries-INITIAL_FORMS": initial, **details,
    }  # fmt: skip
    for number, row in enumerate(rows):
        data |= {f"queries-{number}-{name}": value for name, value in row.items()}
    return data


def relevant(saved: SavedQuerySet) -> dict[str, set[int]]:
    return {
        query.text: set(query.relevant.values_list("pk", flat=True))
        for query in saved.queries.all()
    }


def test_a_set_is_written_by_hand(
    staff_client: Client, staff: User, indexed: dict[str, Image]
) -> None:
    red, blue = indexed["red"].pk, indexed["blue"].pk
    rows = [{"text": "warm", "ids": f"{red}, {blue}"}, {"text": "", "ids": ""}]
    response = staff_client.post(NEW, form(rows, tolerance="0.1"))
    saved = SavedQuerySet.objects.get()
    assert response["Location"] == reverse("gallery:query-set", args=[saved.pk])
    assert relevant(saved) == {"warm": {red, blue}}
    assert saved.tolerance == pytest.approx(0.1)
    assert saved.created_by == staff


def test_pictures_are_added_and_taken_away(staff_client: Client, indexed: dict[str, Image]) -> None:
    red, blue, green = (indexed[colour].pk for colour in ("red", "blue", "green"))
    saved = query_set({"warm": [indexed["red"], indexed["blue"]], "cold": [indexed["blue"]]})
    url = reverse("gallery:query-set", args=[saved.pk])
    html = staff_client.get(url).content.decode()
    assert f'name="queries-0-ticked" value="{red}">' in html
    assert 'name="queries-0-shown" value="' in html
    assert reverse("gallery:thumbnail", args=[red]) in html
    rows: list[dict[str, Any]] = [
        {"text": "warm", "shown": f"{red},{blue}", "ticked": [blue], "ids": str(green)},
        {"text": "cold", "shown": str(blue), "DELETE": "on"},
        {"text": "", "ids": ""},
    ]
    staff_client.post(url, form(rows, initial=2))
    assert relevant(SavedQuerySet.objects.get()) == {"warm": {red, green}}


def test_what_is_wrong_is_said_and_nothing_is_lost(
    staff_client: Client, indexed: dict[str, Image]
) -> None:
    red = indexed["red"].pk
    wrong: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
        ([{"text": "warm", "ids": "987654"}], {}, "pictures that do not exist: 987654"),
        ([{"text": "warm", "ids": "first"}], {}, "“first” is not the id of a picture."),
        ([{"text": "warm", "ids": ""}], {}, "names no picture"),
        ([{"text": "", "ids": str(red)}], {}, "has no words"),
        ([{"text": "", "ids": ""}], {}, "needs at least one query"),
        ([{"text": "warm", "ids": str(red)}], {"tolerance": "2"}, "less than or equal to 1"),
        ([{"text": "warm", "ids": str(red)}], {"name": ""}, "This field is required."),
    ]
    for rows, details, words in wrong:
        response = staff_client.post(NEW, form(rows, **details))
        assert response.status_code == 422, words
        html = response.content.decode()
        assert words in html
        assert f'value="{rows[0]["text"]}"' in html or not rows[0]["text"]
    assert not SavedQuerySet.objects.exists()


def test_a_large_set_is_saved_as_it_is(staff_client: Client, indexed: dict[str, Image]) -> None:
    """The number of fields that a form may send is limited, and pictures do not count."""
    pictures = list(indexed.values())
    saved = query_set({f"query {number}": pictures for number in range(200)})
    url = reverse("gallery:query-set", args=[saved.pk])
    html = staff_client.get(url).content.decode()
    shown = re.findall(r'name="queries-\d+-shown" value="([\d,]+)"', html)
    rows = [{"text": f"query {n}", "ids": "", "shown": ids} for n, ids in enumerate(shown)]
    response = staff_client.post(url, form(rows, initial=len(rows)))
    assert response.status_code == 302
    assert saved.queries.count() == 200
    assert relevant(saved)["query 199"] == {image.pk for image in pictures}


def test_a_name_is_taken_once(staff_client: Client, indexed: dict[str, Image]) -> None:
    query_set({"red": [indexed["red"]]})
    response = staff_client.post(NEW, form([{"text": "x", "ids": str(indexed["red"].pk)}]))
    assert response.status_code == 422
    assert "already" in response.content.decode()


def test_a_search_is_kept_with_the_results_that_are_right(
    staff_client: Client, indexed: dict[str, Image]
) -> None:
    red, orange = indexed["red"].pk, indexed["orange"].pk
    html = staff_client.get("/", {"q": "red"}).content.decode()
    link = html.split("Keep as a test query")[0].rpartition('href="')[2].partition('"')[0]
    assert link.startswith(f"{KEEP}?q=red&amp;image={red}")
    html = staff_client.get(link.replace("&amp;", "&")).content.decode()
    assert 'value="red"' in html
    assert f'name="ticked" value="{red}">' in html  # to be ticked by a person
    shown = f"{red},{orange}"
    sent = {"text": "red", "shown": shown, "ticked": [red], "new_name": "From searches"}
    staff_client.post(KEEP, sent)
    saved = SavedQuerySet.objects.get(name="From searches")
    assert relevant(saved) == {"red": {red}}
    staff_client.post(KEEP, {**sent, "text": "warm", "new_name": "", "query_set": saved.pk})
    assert relevant(SavedQuerySet.objects.get()) == {"red": {red}, "warm": {red}}


def test_keeping_nothing_is_refused(staff_client: Client, indexed: dict[str, Image]) -> None:
    response = staff_client.post(KEEP, {"text": "red", "new_name": "Empty"})
    assert response.status_code == 422
    assert "names no picture" in response.content.decode()


def test_others_are_not_offered_to_keep_a_search(client: Client, indexed: dict[str, Image]) -> None:
    assert "Keep as a test query" not in client.get("/", {"q": "red"}).content.decode()


def test_deleting_asks_first(staff_client: Client, indexed: dict[str, Image]) -> None:
    saved = query_set({"red": [indexed["red"]]})
    url = reverse("gallery:query-set-delete", args=[saved.pk])
    assert "Its 1 query" in staff_client.get(url).content.decode()
    assert SavedQuerySet.objects.exists()
    html = staff_client.post(url, follow=True).content.decode()
    assert "“Weekly” was deleted." in html
    assert "No queries are kept yet." in html
    assert not SavedQuerySet.objects.exists()


def test_the_list_shows_what_there_is(staff_client: Client, indexed: dict[str, Image]) -> None:
    query_set({"red": [indexed["red"]], "blue": [indexed["blue"]]}, description="Ours.")
    html = staff_client.get("/query-sets/").content.decode()
    assert '<td data-label="Queries">2</td>' in html
    assert "Ours." in html
