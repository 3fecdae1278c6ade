"""Words that were asked for are marked, and another way to ask is offered."""

import re

import pytest
from django.test import Client
from django.utils.html import escape

from gallery.fulltext import catch_up
from gallery.models import Caption, Image
from gallery.rendering.marking import with_marks
from mlcore.words import Language, WordQuery
from search.offers import offers
from search.query import Part, SearchQuery, Words

pytestmark = pytest.mark.django_db


def asked(text: str, *phrases: str) -> WordQuery:
    return WordQuery.of(text, Language("english"), phrases=phrases)


def test_what_people_wrote_stays_text() -> None:
    shown = with_marks("<script>dogs</script> & “dog”", asked("dog script"))
    assert shown == (
        "&lt;<mark>script</mark>&gt;<mark>dogs</mark>&lt;/<mark>script</mark>&gt; &amp; "
        "“<mark>dog</mark>”"
    )
    assert with_marks("<b>", None) == "<b>"  # escaped by the template


def test_tiles_mark_the_words(client: Client, indexed: dict[str, Image]) -> None:
    Caption.objects.filter(image=indexed["red"]).update(text="All <i>Reds</i> of it")
    catch_up()
    page = client.get("/", {"q": "red"}).content.decode()
    assert "All &lt;i&gt;<mark>Reds</mark>&lt;/i&gt; of it" in page
    assert "all green" in page
    assert "<mark>all" not in page


def test_a_phrase_alone_and_a_misspelled_word_are_marked_too(
    client: Client, indexed: dict[str, Image]
) -> None:
    catch_up()
    page = client.get("/", {"q": 'green "all red"'}).content.decode()
    assert "<mark>all</mark> <mark>red</mark>" in page
    assert "<mark>green</mark>" in client.get("/", {"q": "greeen"}).content.decode()


def test_the_large_view_marks_what_the_page_asks_it_to(
    client: Client, indexed: dict[str, Image]
) -> None:
    catch_up()
    page = client.get("/", {"q": "red"}).content.decode()
    [query] = re.findall(r'data-marked="([^"]*)"', page)
    address = f"{indexed['red'].get_absolute_url()}?{query}"
    part = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert 'id="lightbox-heading" dir="auto">all <mark>red</mark></h2>' in part
    assert "<mark>" not in client.get(address).content.decode()


def test_the_newest_pictures_have_no_marks(client: Client, indexed: dict[str, Image]) -> None:
    page = client.get("/").content.decode()
    assert "<mark>" not in page
    assert 'data-marked=""' in page


def test_a_sentence_is_offered_in_two_parts() -> None:
    [offer] = offers(SearchQuery.of("a beach without people"))
    assert offer.query.parts == (Part(Words("a beach")), Part(Words("people"), wanted=False))
    assert offer.message.code == "search.offer_without"
    assert not list(offers(offer.query))
    known = (*SearchQuery.of("a beach without people").parts, offer.query.parts[1])
    assert not list(offers(SearchQuery(known)))


def test_a_word_that_must_not_be_written_is_offered_as_a_look() -> None:
    query = SearchQuery.of("beach")
    query = SearchQuery(query.parts, query.where.changed(exclude="people"))
    [offer] = offers(query)
    assert offer.query.parts[1:] == (Part(Words("people"), wanted=False),)
    assert offer.query.where == query.where
    assert not list(offers(offer.query))


def test_the_page_offers_it_as_a_link(client: Client, indexed: dict[str, Image]) -> None:
    page = client.get("/", {"q": "all colours without red"}).content.decode()
    assert escape("/?q=all+colours&without=red") in page
    assert "Leave out what looks like “red”" in page
