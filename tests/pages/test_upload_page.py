"""Uploading through the page: good, known and broken files, all decoded for real."""

import re

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from gallery.models import Collection, Image, Job, Tag
from tests.pages.conftest import as_shown, broken, sent, uploaded
from tests.pictures import every_format

pytestmark = pytest.mark.django_db

UPLOAD = "/upload/"
PLAIN = {"visibility": "public"}


def test_the_limits_are_told_beforehand(staff_client: Client, settings: LazySettings) -> None:
    settings.CONTEXTVISION_UPLOAD_MAX_BYTES = 3 * settings.MEGABYTE
    settings.CONTEXTVISION_UPLOAD_MAX_PIXELS = 7_000_000
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1234
    html = staff_client.get(UPLOAD).content.decode()
    assert "At most 3 MB and 7 million pixels each, 1,234 files at once" in html
    assert 'data-max-bytes="3145728"' in html
    assert re.search(r'<input id="id_pictures" type="file" name="pictures" multiple', html)


def test_each_file_is_accounted_for(staff_client: Client, staff: User, picture: Image) -> None:
    files = [
        uploaded("green", name="green.jpg"),
        uploaded("red", name="again.jpg"),
        broken("half.jpg"),
        sent("notes.txt", b"not a picture"),
        sent("empty.png", b""),
    ]
    data = {
        **PLAIN,
        "pictures": files,
        "captions": "A colour\ngreen.jpg: It is green",
        "collection": "Colours",
        "tags": "plain, test",
    }
    response = staff_client.post(UPLOAD, data)
    html = as_shown(response.content.decode())
    assert response.status_code == 200
    assert "1 new, 1 already there, 3 refused" in html
    assert "half.jpg: the file is damaged or incomplete" in html
    assert "notes.txt: this is not a picture" in html
    assert "empty.png: the file is empty" in html
    assert f'<a href="{picture.get_absolute_url()}">' in html
    green = Image.objects.latest("pk")
    assert green.uploader == green.owner == staff
    assert green.collection == Collection.objects.get(name="Colours")
    assert [tag.name for tag in green.tags.all()] == ["plain", "test"]
    assert [caption.text for caption in green.captions.all()] == ["It is green", "A colour"]
    assert picture.captions.filter(text="It is green").count() == 0
    job = Job.objects.get()
    assert job.kind == Job.Kind.EMBED
    assert job.params == {"images": [green.pk]}
    assert job.created_by == staff
    assert f'hx-get="{reverse("gallery:job", args=[job.pk])}"' in html


def test_every_format_is_taken_in(staff_client: Client) -> None:
    files = [sent(f"{name}.bin", data) for name, data in every_format().items()]
    html = staff_client.post(UPLOAD, {**PLAIN, "pictures": files}).content.decode()
    assert f"{len(files)} new" in html
    assert {image.format for image in Image.objects.all()} == set(every_format())


def test_the_same_file_twice_in_one_upload_is_one_picture(staff_client: Client) -> None:
    files = [uploaded("red", name="one.jpg"), uploaded("red", name="two.jpg")]
    html = staff_client.post(UPLOAD, {**PLAIN, "pictures": files}).content.decode()
    html = as_shown(html)
    assert "1 new, 1 already there" in html
    assert Image.objects.count() == 1


def test_a_file_that_is_too_large_is_refused_and_the_others_are_not(
    staff_client: Client, settings: LazySettings
) -> None:
    large = uploaded("blue", name="large.jpg")
    settings.CONTEXTVISION_UPLOAD_MAX_BYTES = int(large.size or 0) - 1
    small = sent("small.png", every_format()["PNG"])
    html = staff_client.post(UPLOAD, {**PLAIN, "pictures": [large, small]}).content.decode()
    html = as_shown(html)
    assert "1 new, 1 refused" in html
    assert "large.jpg: the file holds" in html


def test_nothing_chosen(staff_client: Client) -> None:
    response = staff_client.post(UPLOAD, PLAIN)
    assert response.status_code == 422
    assert "Nothing was uploaded" in response.content.decode()
    assert "Pictures: This field is required." in response.content.decode()


def test_more_files_than_are_taken_at_once(staff_client: Client, settings: LazySettings) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    files = [uploaded("red", shade=shade) for shade in range(3)]
    response = staff_client.post(UPLOAD, {**PLAIN, "pictures": files})
    assert response.status_code == 400
    assert b"This request cannot be read" in response.content
    assert not Image.objects.exists()


def test_a_mistake_in_a_field_uploads_nothing(staff_client: Client) -> None:
    data = {**PLAIN, "pictures": [uploaded("red")], "tags": "t" * 101}
    response = staff_client.post(UPLOAD, data)
    assert response.status_code == 422
    assert "is too long: 100 characters at most" in response.content.decode()
    assert not Image.objects.exists()
    assert not Tag.objects.exists()
