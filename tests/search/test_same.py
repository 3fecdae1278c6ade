"""The picture that an example is comes first, through the whole search."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from PIL import Image as Pillow

from gallery.models import Image
from gallery.storage import StorageUnavailableError
from gallery.uploads.ingest import ingest
from gallery.uploads.items import Destination, UploadItem
from search.query import QueryImage, SearchQuery
from search.services import SearchPage, keep_picture, search_images
from tests import pictures
from tests.encoders import ColourEncoder
from tests.mlcore.test_same import photo
from tests.pictures_of_colours import index_everything

pytestmark = pytest.mark.django_db

CHANGES: dict[str, Callable[[Pillow.Image], Pillow.Image]] = {
    "resized": lambda image: image.resize((120, 90)),
    "mirrored": lambda image: image.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT),
    "turned left": lambda image: image.transpose(Pillow.Transpose.ROTATE_90),
    "turned right": lambda image: image.transpose(Pillow.Transpose.ROTATE_270),
    "upside down": lambda image: image.transpose(Pillow.Transpose.ROTATE_180),
    "half": lambda image: image.crop((0, 0, 400, 150)),
}


@pytest.fixture
def photos(colours: ColourEncoder) -> list[Image]:
    items = [UploadItem(f"{seed}.png", pictures.png(photo(seed))) for seed in range(6)]
    images = [result.image for result in ingest(items, Destination())]
    index_everything()
    return [image for image in images if image is not None]


def ask(image: Pillow.Image, user: User | None = None, **options: Any) -> SearchPage:
    example = QueryImage("example.jpg", pictures.jpeg(image, quality=60))
    return search_images(SearchQuery.of(example, **options), user=user)


def marked(page: SearchPage) -> list[Image]:
    return [hit.image for hit in page.results if hit.evidence and hit.evidence[0].kind == "same"]


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_picture_comes_first_and_is_marked(photos: list[Image], change: str) -> None:
    page = ask(CHANGES[change](photo(2)))
    assert marked(page) == [photos[2]]
    assert page.results[0].image == photos[2]
    assert page.results[0].is_strong


def test_another_picture_is_not_marked(photos: list[Image]) -> None:
    assert marked(ask(photo(50))) == []


def test_it_is_marked_on_the_page_of_an_example_that_is_kept(
    photos: list[Image], client: Client
) -> None:
    example = QueryImage("example.jpg", pictures.jpeg(CHANGES["turned left"](photo(2))))
    kept = keep_picture(example)
    for _ in range(2):  # the second time, vectors are remembered
        page = search_images(SearchQuery.of(kept), user=None)
        assert marked(page) == [photos[2]]
        assert b"the same picture" in client.get(f"/?like=example.{kept.key}").content


def test_who_may_not_see_a_picture_does_not_learn_of_it(photos: list[Image], member: User) -> None:
    Image.objects.filter(pk=photos[2].pk).update(visibility="private", owner=member)
    assert marked(ask(photo(2))) == []
    assert marked(ask(photo(2), user=member)) == [photos[2]]


def test_words_beside_an_example_ask_for_something_else(photos: list[Image]) -> None:
    example = QueryImage("example.jpg", pictures.jpeg(photo(2)))
    assert marked(search_images(SearchQuery.of("red", example), user=None)) == []


def test_a_missing_thumbnail_is_one_picture_less(photos: list[Image]) -> None:
    default_storage.delete(photos[2].thumbnail_name)
    page = ask(photo(2))
    assert marked(page) == []
    assert photos[2] in [hit.image for hit in page.results]


def test_files_out_of_reach_are_told(photos: list[Image], monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_reach(*_: Any) -> BytesIO:
        raise StorageUnavailableError(
            "storage.just_unreachable", "storage.start_server", bucket="pictures"
        )

    monkeypatch.setattr(default_storage, "open", out_of_reach)
    page = ask(photo(2))
    assert [notice.code for notice in page.notices] == ["search.not_compared"]
    assert len(page.results) == len(photos)
