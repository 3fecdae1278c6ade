"""The files of pictures: to whom, as what, and how often."""

import io
from pathlib import Path, PurePosixPath

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import ExifTags
from PIL import Image as PillowImage
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from gallery.models import Image
from gallery.views.sources import sources
from tests.pictures_of_colours import add_many, colour_jpeg

RENDITIONS = ("gallery:thumbnail", "gallery:display")


def content(response: object) -> bytes:
    return b"".join(response.streaming_content)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", RENDITIONS)
def test_a_rendition_is_webp_whatever_was_sent(client: Client, picture: Image, name: str) -> None:
    response = client.get(reverse(name, args=[picture.pk]))
    assert response["Content-Type"] == "image/webp"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Content-Disposition"].startswith("inline")
    with PillowImage.open(io.BytesIO(content(response))) as image:  # noqa: TID251 - looking only
        assert image.format == "WEBP"
        assert image.size == (48, 40)
        assert not image.getexif()


@pytest.mark.parametrize("name", RENDITIONS)
def test_a_rendition_that_is_known_is_not_sent_again(
    client: Client, picture: Image, name: str
) -> None:
    url = reverse(name, args=[picture.pk])
    first = client.get(url)
    assert "private" in first["Cache-Control"]
    assert "immutable" in first["Cache-Control"]
    again = client.get(url, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again["ETag"] == first["ETag"]
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_renditions_have_tags_of_their_own(client: Client, picture: Image) -> None:
    tags = {client.get(reverse(name, args=[picture.pk]))["ETag"] for name in RENDITIONS}
    assert len(tags) == 2


def test_the_head_of_a_rendition(client: Client, picture: Image) -> None:
    response = client.head(reverse("gallery:thumbnail", args=[picture.pk]))
    assert response.status_code == 200
    assert int(response["Content-Length"]) > 0


@pytest.mark.parametrize("name", ["gallery:image", *RENDITIONS])
def test_a_hidden_picture_is_not_there_for_others(
    client: Client, hidden: Image, member: User, staff: User, name: str
) -> None:
    url = reverse(name, args=[hidden.pk])
    kind = name.partition(":")[2]
    side = {"thumbnail": "480-webp", "display": "1600-webp"}.get(kind, "")
    known = {"If-None-Match": f'"{hidden.sha256}-{side}"'}
    assert client.get(url, headers=known).status_code == 404
    client.force_login(member)
    assert client.get(url, headers=known).status_code == 404
    client.force_login(staff)
    assert client.get(url).status_code == 200
    Image.objects.filter(pk=hidden.pk).update(owner=member)
    client.force_login(member)
    assert client.get(url).status_code == 200


def test_a_hidden_picture_is_asked_for_each_time(
    client: Client, hidden: Image, staff: User, member: User
) -> None:
    """What a browser keeps of it is of no use to who signs in there next."""
    client.force_login(staff)
    url = reverse("gallery:display", args=[hidden.pk])
    response = client.get(url)
    assert response["Cache-Control"] == "private, no-cache"
    client.force_login(member)
    assert client.get(url, headers={"If-None-Match": response["ETag"]}).status_code == 404


def test_the_original_is_the_file_that_was_sent_and_always_a_download(
    client: Client, picture: Image, staff: User, member: User
) -> None:
    url = reverse("gallery:original", args=[picture.pk])
    assert client.get(url).status_code == 302
    client.force_login(member)
    assert client.get(url).status_code == 403
    client.force_login(staff)
    response = client.get(url)
    assert content(response) == colour_jpeg("red")
    assert response["Content-Type"] == "image/jpeg"
    assert response["Content-Disposition"] == f'attachment; filename="picture-{picture.pk}.jpg"'
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_missing_file_is_said_and_logged(
    client: Client, picture: Image, caplog: pytest.LogCaptureFixture
) -> None:
    default_storage.delete(picture.thumbnail_name)
    assert client.get(reverse("gallery:thumbnail", args=[picture.pk])).status_code == 404
    assert picture.thumbnail_name in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        "/images/..%2f..%2fdb.sqlite3/thumbnail.webp",
        "/images/1%00/thumbnail.webp",
        "/images/-1/thumbnail.webp",
        "/images/99999999999999999999999999/thumbnail.webp",
        "/images/99999999999999999999999999/",
        "/media/originals/",
        "/originals/",
    ],
)
def test_other_paths_lead_nowhere(client: Client, picture: Image, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_thumbnail_costs_one_query(
    client: Client, picture: Image, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        client.get(reverse("gallery:thumbnail", args=[picture.pk]))


@pytest.fixture
def large(db: None) -> Image:
    [image] = add_many(1, size=(1000, 500))
    return image


SIZES = [(240, (240, 120)), (480, (480, 240)), (960, (960, 480)), (1600, (1000, 500))]


@pytest.mark.parametrize("kind", Image.RENDITION_FORMATS)
@pytest.mark.parametrize(("side", "size"), SIZES)
def test_every_size_and_format_is_made_once(
    client: Client, large: Image, side: int, size: tuple[int, int], kind: str
) -> None:
    url = reverse("gallery:rendition", args=[large.pk, side, kind])
    first = client.get(url)
    data = content(first)
    assert first["Content-Type"] == f"image/{kind}"
    assert int(first["Content-Length"]) == len(data)
    with PillowImage.open(io.BytesIO(data)) as image:  # noqa: TID251 - looking only
        assert (image.format, image.size) == (kind.upper(), size)
    name = large.rendition_name(side, kind)
    with default_storage.open(name) as kept:
        assert kept.read() == data
    if name not in large.ingested_names:
        default_storage.delete(large.display_name)  # what it would be made of
    assert content(client.get(url)) == data


@pytest.mark.parametrize("kind", Image.RENDITION_FORMATS)
@pytest.mark.parametrize("side", Image.RENDITION_SIDES)
def test_a_setting_lets_files_carry_creator_and_copyright(
    client: Client, large: Image, settings: LazySettings, side: int, kind: str
) -> None:
    Image.objects.filter(pk=large.pk).update(creator="Zoë", copyright="© 2026 Zoë", place="Here")
    url = reverse("gallery:rendition", args=[large.pk, side, kind])
    plain = client.get(url)
    settings.CONTEXTVISION_SERVE_CREDIT = True
    credited = client.get(url)
    assert plain["ETag"] != credited["ETag"]
    with PillowImage.open(io.BytesIO(content(plain))) as image:  # noqa: TID251 - looking only
        assert dict(image.getexif()) == {}
    with PillowImage.open(io.BytesIO(content(credited))) as image:  # noqa: TID251 - looking only
        said = {tag: str(text).encode("latin-1").decode() for tag, text in image.getexif().items()}
    assert said == {ExifTags.Base.Artist: "Zoë", ExifTags.Base.Copyright: "© 2026 Zoë"}
    large.refresh_from_db()
    kept = set(default_storage.listdir(f"renditions/{large.sha256[:2]}")[1])
    assert kept <= {PurePosixPath(name).name for name in large.rendition_names}, "all are deleted"


@pytest.mark.parametrize("path", ["241.webp", "480.gif", "480.jpg", "99999999999999999999.webp"])
def test_other_sizes_and_formats_are_not_served(client: Client, large: Image, path: str) -> None:
    assert client.get(f"{large.get_absolute_url()}{path}").status_code == 404


def test_every_rendition_of_a_hidden_picture_is_hidden(
    client: Client, hidden: Image, staff: User
) -> None:
    urls = [
        reverse("gallery:rendition", args=[hidden.pk, side, kind])
        for side in Image.RENDITION_SIDES
        for kind in Image.RENDITION_FORMATS
    ]
    client.force_login(staff)
    assert {client.get(url)["Cache-Control"] for url in urls} == {"private, no-cache"}
    client.logout()
    assert {client.get(url).status_code for url in urls} == {404}


def test_what_was_made_of_a_picture_goes_with_it(
    client: Client,
    large: Image,
    staff: User,
    data_dir: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    for side, kind in ((240, "webp"), (960, "avif")):
        content(client.get(reverse("gallery:rendition", args=[large.pk, side, kind])))
    client.force_login(staff)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("gallery:image-delete", args=[large.pk]))
    assert [path for path in data_dir.rglob("*") if path.is_file()] == []


def test_a_damaged_file_is_said_and_logged(
    client: Client, large: Image, caplog: pytest.LogCaptureFixture
) -> None:
    default_storage.save(large.display_name, ContentFile(b"torn"))
    assert client.get(reverse("gallery:rendition", args=[large.pk, 240, "avif"])).status_code == 404
    assert large.display_name in caplog.text


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((3000, 1500), "240.webp 240w, 480.webp 480w, 960.webp 960w, 1600.webp 1600w"),
        ((500, 1000), "240.webp 120w, 480.webp 240w, 960.webp 480w, 1600.webp 500w"),
        ((500, 375), "240.webp 240w, 480.webp 480w, 1600.webp 500w"),
        ((224, 224), "1600.webp 224w"),
    ],
)
def test_a_browser_is_offered_each_size_once(size: tuple[int, int], expected: str) -> None:
    found = sources(Image(pk=7, width=size[0], height=size[1]))
    assert found.webp.replace("/images/7/", "") == expected
    assert found.avif == found.webp.replace("webp", "avif")
