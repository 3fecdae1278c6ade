"""What is typed becomes filters, in the page, the API and the command alike."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.http import QueryDict
from django.test import Client

from gallery.fulltext import catch_up
from gallery.models import Image, Tag
from search.api.serializers import SearchParametersSerializer
from search.filters import FILTERS, ImageFilter, matching_ids
from search.forms import SearchForm
from search.parameters import PARAMETERS
from search.query import Part, SearchQuery, Words
from tests.gallery.fulltext.rows import add_record

pytestmark = pytest.mark.django_db


def typed(address: str) -> SearchQuery:
    form = SearchForm(QueryDict(address))
    assert form.is_valid(), form.errors
    return form.query()


def test_what_is_typed_becomes_parts_and_filters() -> None:
    query = typed('q=dogs "red car" -cat tag:sea tag:sun in:"my trip" title:Rex file:IMG_20')
    assert query.parts == (Part(Words("dogs")),)
    assert query.where == ImageFilter(
        phrase="red car",
        exclude="cat",
        tag=["sea", "sun"],
        collection="my trip",
        title="Rex",
        file="IMG_20",
    )
    assert query.phrases == ("red car",)


def test_an_address_holds_all_of_it() -> None:
    query = typed('q=dogs "red car" "blue sky" -cat -dog&without=snow&phrase=a b&tag=sea')
    again = typed(query.build_url().partition("?")[2])
    assert again == query
    assert again.where.values("phrase") == ("a b", "red car", "blue sky")


def test_addresses_of_before_mean_what_they_meant() -> None:
    query = typed("q=two dogs^2&without=snow&tag=sea&collection=trip&since=2024")
    assert query.parts == (Part(Words("two dogs"), 2.0), Part(Words("snow"), wanted=False))
    assert query.where == ImageFilter(tag="sea", collection="trip", since="2024")


def test_full_width_letters_are_letters() -> None:
    assert typed("q=ｄｏｇｓ －cat").words == ["dogs"]


@pytest.mark.parametrize("text", ['"red car"', "tag:sea", "title:rex", "file:img"])
def test_words_in_one_place_are_a_query_of_their_own(text: str) -> None:
    assert typed(f"q={text}")
    assert not typed("q=-cat")
    assert not typed("q=in:trip")


def test_a_value_that_is_too_long_is_an_error_of_what_was_typed() -> None:
    form = SearchForm(QueryDict(f"q=tag:{'x' * 150}"))
    assert not form.is_valid()
    assert set(form.errors) == {"q"}


@pytest.fixture
def gallery(db: None) -> list[int]:
    images = [
        add_record("A red car.", title="Rex", tags=("Sea", "Sun"), source="IMG_2034.jpg"),
        add_record("A car, red.", tags=("Sea",), collection="Côte d’Azur"),
        add_record("A cat."),
    ]
    catch_up()
    return [image.pk for image in images]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('"red car"', [0]),
        ("-cat", [0, 1]),
        ("-cars", [2]),
        ("-cat -red", []),
        ("tag:sea", [0, 1]),
        ("tag:sea tag:SUN", [0]),
        ('in:"cote d’azur"', [1]),
        ("title:rex", [0]),
        ("file:IMG_20", [0]),
        ('"red car" -rex', []),
        ("tag:unknown", []),
    ],
)
def test_what_is_typed_narrows_down(gallery: list[int], text: str, kept: list[int]) -> None:
    found = matching_ids(typed(f"q={text}").where, None).tolist()
    assert found == [gallery[number] for number in kept]


def test_the_page_shows_and_undoes_every_condition(client: Client, gallery: list[int]) -> None:
    page = client.get("/", {"q": '"red car" -cat tag:sea tag:sun title:rex file:IMG_20'})
    panel = page.context["panel"]
    assert [chip.label for chip in panel.filters] == [
        "with the words “red car”",
        "no “cat” written",
        "title: rex",
        "file: IMG_20",
        "tagged sea",
        "tagged sun",
    ]
    assert panel.filters[4].remove_url == (
        "/?phrase=red+car&exclude=cat&title=rex&file=IMG_20&tag=sun"
    )
    assert panel.text == ""


def test_the_api_takes_them_as_parameters(client: Client, indexed: dict[str, Image]) -> None:
    catch_up()
    asked = [{"q": 'red "all red"'}, {"q": "red", "phrase": "all red"}]
    for each in asked:
        answer = client.get("/api/v1/search/", each).json()
        assert [hit["image"]["id"] for hit in answer["results"]] == [indexed["red"].pk]
    body = {"q": "red", "exclude": ["green", "blue"]}
    answer = client.post("/api/v1/search/", body, content_type="application/json").json()
    found = {hit["image"]["id"] for hit in answer["results"]}
    assert indexed["red"].pk in found
    assert not found & {indexed["green"].pk, indexed["blue"].pk}


def test_the_command_takes_them_too(indexed: dict[str, Image]) -> None:
    shown = StringIO()
    call_command(
        "search", "red", "--json", "--exclude", "green", "--phrase", "all red", stdout=shown
    )
    assert [hit["id"] for hit in json.loads(shown.getvalue())["results"]] == [indexed["red"].pk]


def test_form_and_api_know_the_same_parameters() -> None:
    declared = {*PARAMETERS, *FILTERS}
    assert set(SearchForm().fields) - {"image"} == declared
    assert set(SearchParametersSerializer().fields) == declared


@pytest.mark.parametrize("text", ['"all red"', "title:red", "file:red"])
def test_what_is_written_is_searched_for_without_other_words(
    client: Client, indexed: dict[str, Image], text: str
) -> None:
    catch_up()
    page = client.get("/", {"q": text})
    assert [tile.image for tile in page.context["answer"].tiles] == [indexed["red"]]
    assert "<mark>" in page.content.decode() or not text.startswith('"')
    answer = client.get("/api/v1/search/", {"q": text}).json()
    assert [hit["image"]["id"] for hit in answer["results"]] == [indexed["red"].pk]


def test_a_tag_alone_shows_the_newest_of_it(client: Client, indexed: dict[str, Image]) -> None:
    for colour in ("red", "green"):
        indexed[colour].tags.add(Tag.objects.get_or_create(name="Sea")[0])
    page = client.get("/", {"q": "tag:sea"})
    shown = [tile.image.pk for tile in page.context["answer"].tiles]
    assert shown == sorted((indexed[colour].pk for colour in ("red", "green")), reverse=True)
    answer = client.get("/api/v1/search/", {"q": "tag:sea"}).json()
    assert {hit["image"]["id"] for hit in answer["results"]} == set(shown)
