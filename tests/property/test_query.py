"""Whatever is typed into the search, there is an answer or a sentence: no 5xx, no markup."""

import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gallery.models import Image
from tests.services import effort

pytestmark = pytest.mark.django_db

CASES = 60 * effort()
"""Strings for each test; there are three of them."""

HOSTILE = [
    "\x00",
    "red\x00blue",
    "\ud800",
    "\udfff red",
    "\u202ered\u202c",
    "\u2066\u2069",
    "\ufeff",
    "\ufffe",
    "e\u0301" * 200,
    "🏳️‍🌈👨‍👩‍👧",
    "'; DROP TABLE gallery_image; --",
    "%' OR 1=1 --",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% debug %}",
    "javascript:alert(1)",
    "../../etc/passwd",
    "%00%ff%fe",
    "\r\nSet-Cookie: a=b",
    "-",
    "-red",
    "red -red",
    "\t\n\v\f \u00a0\u2003",
    "z\u0335" * 3000,
    "red " * 25_000,
    "𝔯𝔢𝔡",
    "()\\*?[a-z]+^$",
]

SNIPPETS = st.sampled_from(HOSTILE)
ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=400)
QUERIES = st.one_of(ANY_TEXT, SNIPPETS, st.tuples(ANY_TEXT, SNIPPETS, ANY_TEXT).map("".join))
EVERY_TEST = settings(
    max_examples=CASES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def with_hostile_examples(test: Any) -> Any:
    for text in HOSTILE:
        test = example(text=text)(test)
    return test


def encoded(**parameters: str) -> str:
    """Encode as no browser would: half a surrogate pair becomes bytes that are no UTF-8."""
    return urlencode({k: v.encode("utf-8", "surrogatepass") for k, v in parameters.items()})


ADDRESSES = {"href", "src", "action", "formaction"}


class Tags(HTMLParser):
    """Counts the tags that a query could have smuggled in."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag == "script" and "src" not in names:
            self.found.append("script")
        if any(name.startswith("on") for name in names):
            self.found.append(f"{tag} with a handler")
        addresses = [value or "" for name, value in attrs if name in ADDRESSES]
        if any(address.strip().lower().startswith("javascript:") for address in addresses):
            self.found.append(f"{tag} with a script for an address")


@pytest.fixture
def gallery(indexed: dict[str, Image]) -> None:
    """Eight pictures to search in."""


@with_hostile_examples
@EVERY_TEST
@given(text=QUERIES)
def test_the_page_answers_whatever_is_asked(client: Client, gallery: None, text: str) -> None:
    response = client.get(f"/?{encoded(q=text)}")
    assert response.status_code < 500, response.content[:500]
    tags = Tags()
    tags.feed(response.content.decode())
    assert tags.found == []


@with_hostile_examples
@EVERY_TEST
@given(text=QUERIES)
def test_the_api_answers_whatever_is_asked(client: Client, gallery: None, text: str) -> None:
    for response in (
        client.get(f"/api/v1/search/?{encoded(q=text)}"),
        client.get(f"/api/v1/search/?{encoded(q='red', tag=text, collection=text, without=text)}"),
        client.get(f"/api/v1/images/?{encoded(title=text, tag=text)}"),
    ):
        assert response.status_code in {200, 400}, response.content
        json.loads(response.content)


@with_hostile_examples
@EVERY_TEST
@given(text=QUERIES)
def test_json_may_hold_what_an_address_cannot(client: Client, gallery: None, text: str) -> None:
    for body in ({"q": text}, {"q": "red", "without": text, "tag": text, "collection": text}):
        response = client.post("/api/v1/search/", json.dumps(body), content_type="application/json")
        assert response.status_code in {200, 400}, response.content
        json.loads(response.content)


def test_a_very_long_text_is_refused_in_no_time(client: Client, gallery: None) -> None:
    long = "word " * 20_000
    response = client.get(f"/api/v1/search/?q={quote(long)}")
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["q"]
    assert client.get(f"/?q={quote(long)}").status_code == 422
