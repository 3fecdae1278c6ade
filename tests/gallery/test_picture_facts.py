"""What a picture's file says is kept, shown, and found again by filters."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from gallery.models import Caption, Image
from gallery.services.images import update_image
from gallery.uploads.ingest import ingest
from gallery.uploads.items import Destination, UploadItem
from search.facets import facets
from search.filters import ImageFilter, matching_ids
from tests import pictures

pytestmark = pytest.mark.django_db


def take_in(data: bytes, name: str = "x.jpg", **more: object) -> Image:
    [result] = ingest([UploadItem(name, data, **more)], Destination())  # type: ignore[arg-type]
    assert result.image is not None, result.error
    return result.image


@pytest.fixture
def described() -> Image:
    packet = pictures.xmp(
        title="Rex at sea",
        description="A dog runs.",
        subject=["dog", "sea"],
        creator="Ann",
        rights="© Ann",
        **{
            "photoshop:Credit": "Agency",
            "photoshop:City": "Lisbon",
            "photoshop:DateCreated": "2004-05-06T07:08:09+02:00",
            "tiff:Model": "X100",
        },
    )
    return take_in(pictures.jpeg(xmp=packet), captions=("Typed here",))


def test_all_of_it_is_kept_beside_what_a_person_wrote(described: Image) -> None:
    assert described.sentences == ["Typed here", "A dog runs."]
    assert [caption.source for caption in described.captions.all()] == [
        Caption.Source.IMPORT,
        Caption.Source.METADATA,
    ]
    assert described.title == "Rex at sea"
    assert {tag.name for tag in described.tags.all()} == {"dog", "sea"}
    assert (described.creator, described.credit, described.copyright) == ("Ann", "Agency", "© Ann")
    assert (described.place, described.camera) == ("Lisbon", "X100")
    assert described.taken_at == datetime(2004, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert described.taken_from == "xmp"


def test_a_date_in_the_name_is_the_last_resort_and_told(client: Client) -> None:
    image = take_in(pictures.jpeg(), name="holiday/IMG_20190701_123015.jpg")
    assert image.taken_at == datetime(2019, 7, 1, 12, 30, 15, tzinfo=UTC)
    assert image.taken_from == "name"
    assert "The file&#x27;s name" in client.get(image.get_absolute_url()).content.decode()
    update_image(image, {"taken_at": datetime(2018, 1, 1, tzinfo=UTC)})
    image.refresh_from_db()
    assert image.taken_from == ""
    dated = pictures.described_jpeg(taken_at="2001:02:03 04:05:06")
    assert take_in(dated, name="2019-07-01.jpg").taken_from == "camera"


def test_the_page_and_the_api_show_it(described: Image, client: Client) -> None:
    page = client.get(described.get_absolute_url()).content.decode()
    for shown in ("Agency", "© Ann", "Lisbon", "?creator=Ann", "?camera=X100", "XMP in its file"):
        assert shown in page
    answer = client.get(f"/api/v1/images/{described.pk}/").json()
    assert answer["creator"] == "Ann"
    assert answer["credit"] == "Agency"
    assert answer["copyright"] == "© Ann"
    assert answer["place"] == "Lisbon"
    assert answer["camera"] == "X100"
    assert answer["taken_from"] == "xmp"
    assert answer["notes"] == []


def test_creator_and_camera_are_filters(described: Image) -> None:
    other = take_in(pictures.jpeg(pictures.quadrants((64, 64))), name="other.jpg")
    assert list(matching_ids(ImageFilter(creator="Ann"), None)) == [described.pk]
    assert list(matching_ids(ImageFilter(camera="X100"), None)) == [described.pk]
    assert other.pk in matching_ids(ImageFilter(), None)
    offered = {
        facet.name: [choice.label for choice in facet.choices]
        for facet in facets(None, ImageFilter())
    }
    assert offered["creator"] == ["Ann"]
    assert offered["camera"] == ["X100"]


def test_long_captions_are_kept_whole() -> None:
    long = " ".join(f"word{at}" for at in range(600))
    assert take_in(pictures.jpeg(), captions=(long,)).sentences == [long]
