"""A further filter is one entry: page, API, command, chips and address have it then."""

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from gallery.access import Person
from gallery.api import strict
from gallery.models import Image
from gallery.models.image import ImageQuerySet
from search.filters import FILTERS, Filter, ImageFilter
from search.forms import SearchForm
from search.query import SearchQuery
from search.views.panel import OPEN

SHAPES = {"wide": "Twice as wide as high", "other": "Of another shape"}


def _of_shape(images: ImageQuerySet, value: str, user: Person) -> ImageQuerySet:
    wide = images.filter(width__gte=96)
    return wide if value == "wide" else images.exclude(pk__in=wide)


SHAPE = Filter(
    "shape",
    "Only pictures of this shape.",
    _of_shape,
    chip=lambda value: SHAPES[value],
    choices=list(SHAPES.items()),
)


@pytest.fixture
def wide(indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch) -> Iterator[Image]:
    """The one picture that the further filter lets through."""
    monkeypatch.setitem(FILTERS, SHAPE.name, SHAPE)
    Image.objects.filter(pk=indexed["blue"].pk).update(width=96)
    strict.names_of.cache_clear()
    yield indexed["blue"]
    strict.names_of.cache_clear()


def test_the_page_and_its_address_have_it(wide: Image, client: Client) -> None:
    address = SearchQuery.of("red", where=ImageFilter(shape="wide")).build_url()
    assert address == "/?q=red&shape=wide"
    response = client.get(address)
    html = response.content.decode()
    assert [tile.image for tile in response.context["answer"].tiles] == [wide]
    assert 'dir="auto">Twice as wide as high</span>' in html
    assert 'href="/?q=red" aria-label="Search without: Twice as wide as high"' in html
    assert "round is not one of the available choices" in (
        client.get("/?q=red&shape=round").content.decode()
    )


def test_the_api_and_its_schema_have_it(wide: Image, client: Client) -> None:
    found = client.get("/api/v1/search/", {"q": "red", "shape": "wide"}).json()["results"]
    assert [result["image"]["id"] for result in found] == [wide.pk]
    sent = client.post("/api/v1/search/", {"q": "red", "shape": "wide"}, "application/json")
    assert [result["image"]["id"] for result in sent.json()["results"]] == [wide.pk]
    assert client.get("/api/v1/search/", {"q": "red", "shape": "round"}).status_code == 400
    out = StringIO()
    call_command("spectacular", "--format", "openapi-json", stdout=out)
    schema = json.loads(out.getvalue())
    [parameter] = [
        each
        for each in schema["paths"]["/api/v1/search/"]["get"]["parameters"]
        if each["name"] == "shape"
    ]
    assert parameter["schema"]["enum"] == ["wide", "other"]
    assert parameter["description"].startswith("Only pictures of this shape.")


def test_the_command_has_it(wide: Image) -> None:
    out = StringIO()
    call_command("search", "red", "--shape", "wide", "--json", stdout=out)
    assert [result["id"] for result in json.loads(out.getvalue())["results"]] == [wide.pk]


def test_names_of_filters_are_free() -> None:
    """A field of the form would be replaced; by ``format`` the API's framework picks a renderer,
    and answers 404 where it has none of that name."""
    assert FILTERS.keys() & {*SearchForm.base_fields, OPEN, "format"} == set()


def test_what_is_not_a_filter_is_refused() -> None:
    with pytest.raises(TypeError, match="no filter mood"):
        ImageFilter(mood="calm")


def test_filters_are_equal_by_what_they_say() -> None:
    assert ImageFilter(tag="a", collection="b") == ImageFilter(collection="b", tag="a", split="")
    assert hash(ImageFilter(tag="a")) == hash(ImageFilter(tag="a"))
    assert ImageFilter(tag="a") != ImageFilter(tag="b")
    assert not ImageFilter()
    assert ImageFilter(tag="a").changed(tag="", colour="red") == ImageFilter(colour="red")
