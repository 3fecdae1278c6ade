"""How addresses spell queries: what is written is what is read."""

from typing import Any

import pytest
from django.http import QueryDict

from mlcore.errors import InvalidQueryError
from search.filters import ImageFilter
from search.forms import SearchForm
from search.periods import days_of
from search.query import GalleryPicture, KeptExample, Part, SearchQuery, Words


def read(address: str) -> SearchQuery:
    form = SearchForm(QueryDict(address.partition("?")[2]))
    assert form.is_valid(), form.errors
    return form.query()


EVERYTHING = SearchQuery(
    parts=(
        Part(Words("two dogs")),
        Part(Words("snow & ice"), 2),
        Part(Words("people"), 0.5, wanted=False),
        Part(GalleryPicture(17)),
        Part(KeptExample("0" * 30), 1.25),
        Part(GalleryPicture(18), wanted=False),
    ),
    where=ImageFilter(
        collection="Beach", tag="a^2", split="train", orientation="square", colour="red",
        since="2024-05", until="2025", uploader="ann",
    ),
    limit=10,
    offset=20,
)  # fmt: skip


@pytest.mark.parametrize("query", [SearchQuery(), SearchQuery.of("red", limit=3), EVERYTHING])
def test_a_query_is_read_from_its_own_address(query: SearchQuery) -> None:
    assert read(query.build_url()) == query


def test_an_address_is_short() -> None:
    parts = (Part(Words("dogs")), Part(Words("snow"), 2), Part(GalleryPicture(17), 0.5, False))
    assert SearchQuery(parts).build_url() == "/?q=dogs&q=snow%5E2&unlike=17%5E0.5"
    assert SearchQuery().build_url() == "/"


@pytest.mark.parametrize(
    ("text", "words", "weight"),
    [
        ("snow^2", "snow", 2),
        ("snow ^ 2", "snow ^ 2", 1),
        ("snow^0.25 ", "snow", 0.25),
        ("x^y", "x^y", 1),
        ("^_^", "^_^", 1),
    ],
)
def test_a_weight_stands_behind_a_caret(text: str, words: str, weight: float) -> None:
    form = SearchForm({"q": text})
    assert form.is_valid()
    assert form.query().parts == (Part(Words(words), weight),)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"q": "snow^11"}, "The weight 11 is not between 0.01 and 10"),
        ({"q": "snow^0"}, "The weight 0 is not between"),
        ({"like": "17^100"}, "The weight 100 is not between"),
        ({"like": "seventeen"}, "“seventeen” is not the id of a picture"),
        ({"q": ["x"] * 13}, "at most 12 parts"),
        ({"since": "2024-13"}, "not a year, a month or a day"),
        ({"until": "yesterday"}, "not a year, a month or a day"),
        ({"since": "2025", "until": "2024-12"}, "The first day is later than the last"),
        ({"colour": "mauve"}, "not one of the available choices"),
    ],
)
def test_what_makes_no_sense_is_said_in_words(data: dict[str, Any], reason: str) -> None:
    form = SearchForm(data)
    assert not form.is_valid()
    assert reason in str(form.errors)


def test_a_share_of_the_words_becomes_weights() -> None:
    form = SearchForm({"q": "red", "like": "17", "weight": "0.75"})
    assert form.is_valid()
    assert [part.weight for part in form.query().parts] == [1.5, 0.5]
    form = SearchForm({"q": "red", "like": "17", "weight": "1"})
    assert form.is_valid()
    assert form.query().parts == (Part(Words("red"), 2),)


def test_whole_months_and_years_are_spelled_as_such() -> None:
    for days, whole in (
        (("2024-02-01", "2024-02-29"), "2024-02"),
        (("2024-01-01", "2024-12"), "2024"),
    ):
        query = read(f"/?since={days[0]}&until={days[1]}")
        assert (query.where["since"], query.where["until"]) == (whole, whole)


@pytest.mark.parametrize("text", ["0000", "2024-00", "2024-02-30", "24", "2024-5", "2024-05-01x"])
def test_days_that_there_are_not(text: str) -> None:
    with pytest.raises(InvalidQueryError, match="not a year, a month or a day"):
        days_of(text)
