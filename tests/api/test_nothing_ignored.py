"""What the API does not know is refused by name, and one bad file holds up no other."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from gallery.models import Image, Job
from tests.api.conftest import problem
from tests.pictures_of_colours import add_picture, colour_jpeg

pytestmark = pytest.mark.django_db


@pytest.fixture
def picture(db: None) -> Image:
    return add_picture("red", captions=("A red square",))


def test_a_parameter_that_nothing_reads_is_refused(client: Client) -> None:
    body = problem(client.get("/api/v1/images/", {"caption": "dog", "limit": "5"}), 400)
    assert set(body["errors"]) == {"caption"}
    assert client.get("/api/v1/images/", {"limit": "5", "split": "train"}).status_code == 200


def test_an_empty_file_holds_up_no_other(staff_client: Client) -> None:
    files = [
        SimpleUploadedFile("red.jpg", colour_jpeg("red")),
        SimpleUploadedFile("empty.jpg", b""),
        SimpleUploadedFile("notes.txt", b"words"),
    ]
    response = staff_client.post("/api/v1/images/", {"file": files})
    assert response.status_code == 201
    told = response.json()["results"]
    assert [each["outcome"] for each in told] == ["created", "rejected", "rejected"]
    assert "the file is empty" in told[1]["error"]
    assert Image.objects.count() == 1


def test_nothing_in_an_address_is_passed_over(
    staff_client: Client, picture: Image, indexed: object
) -> None:
    for address, unknown in [
        ("/api/v1/search/?q=red&min_score=0.5", "min_score"),
        (f"/api/v1/images/{picture.pk}/?fields=title", "fields"),
        (f"/api/v1/images/{picture.pk}/captions/?limit=1", "limit"),
        ("/api/v1/jobs/?state=failed", "state"),
        ("/api/v1/comparison/?live=1&candidate=1&metric=mrr", "metric"),
        ("/api/v1/imports/?q=cats", "q"),
    ]:
        body = problem(staff_client.get(address), 400)
        assert set(body["errors"]) == {unknown}, address
    assert staff_client.get(f"/api/v1/images/{picture.pk}/?format=json").status_code == 200


def test_nothing_that_is_sent_is_passed_over(staff_client: Client, picture: Image) -> None:
    caption = picture.captions.get()
    embedding = Job.objects.create(kind=Job.Kind.EMBED, status=Job.Status.SUCCEEDED)
    for method, address, sent, refused in [
        ("post", "/api/v1/search/", {"q": "red", "sortt": "title"}, "sortt"),
        ("post", "/api/v1/search/?page=2", {"q": "red"}, "page"),
        ("patch", f"/api/v1/images/{picture.pk}/", {"title": "x", "tag": "dog"}, "tag"),
        ("patch", f"/api/v1/images/{picture.pk}/captions/{caption.pk}/", {"order": 3}, "order"),
        ("post", f"/api/v1/images/{picture.pk}/captions/", {"text": "x", "lang": "en"}, "lang"),
        ("delete", f"/api/v1/images/{picture.pk}/?soft=1", {}, "soft"),
        ("post", "/api/v1/jobs/", {"kind": "embed", "only": [1]}, "only"),
        ("post", f"/api/v1/jobs/{embedding.pk}/retry/", {"layout": "coco"}, "layout"),
        ("post", "/api/v1/trainings/", {"tunes": "all"}, "tunes"),
        ("post", "/api/v1/query-sets/", {"name": "x", "queries": [], "owner": 1}, "owner"),
        ("post", "/api/v1/auth/token/", {"username": "a", "password": "b", "ttl": 5}, "ttl"),
    ]:
        response = getattr(staff_client, method)(address, sent, content_type="application/json")
        assert set(problem(response, 400)["errors"]) == {refused}, address
    picture.refresh_from_db()
    assert picture.title != "x"


def test_a_list_may_be_sent_in_numbered_fields(staff_client: Client) -> None:
    sent = {"file": SimpleUploadedFile("red.jpg", colour_jpeg("red")), "tags[0]": "dog"}
    assert staff_client.post("/api/v1/images/", sent).status_code == 201
    assert list(Image.objects.get().tags.values_list("name", flat=True)) == ["dog"]
    wrong = {"file": SimpleUploadedFile("red.jpg", colour_jpeg("red")), "tag": "dog"}
    body = problem(staff_client.post("/api/v1/images/", wrong), 400)
    assert set(body["errors"]) == {"tag"}
