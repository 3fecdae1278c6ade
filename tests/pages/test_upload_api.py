"""What the upload page's script asks: hashes first, then one file a request, or in parts."""

import base64
import hashlib
import io
import os
import threading
import zipfile
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from gallery.models import Image, Job, ResumableUpload
from gallery.services import maintenance
from gallery.uploads import resumable
from tests.pages.conftest import broken, uploaded
from tests.pictures_of_colours import colour_jpeg, run

pytestmark = pytest.mark.django_db

FILE = "/upload/file/"
PARTS = "/upload/parts/"
PLAIN = {"visibility": "public"}
TUS = {"Tus-Resumable": "1.0.0"}


def sha256_of(colour: str) -> str:
    return hashlib.sha256(colour_jpeg(colour)).hexdigest()


def begin(client: Client, name: str, size: int) -> Any:
    metadata = f"filename {base64.b64encode(name.encode()).decode()}"
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata}
    return client.post(PARTS, headers=headers)


def patch(client: Client, url: str, offset: int, data: bytes, **headers: str) -> Any:
    return client.patch(
        url,
        data,
        content_type="application/offset+octet-stream",
        headers={**TUS, "Upload-Offset": str(offset), **headers},
    )


def send_in_parts(client: Client, name: str, data: bytes, *, part: int = 1_000) -> str:
    """Send a file in small parts and return its id."""
    url = begin(client, name, len(data))["Location"]
    for start in range(0, len(data), part):
        response = patch(client, url, start, data[start : start + part])
        assert response.status_code == 204
        assert response["Upload-Offset"] == str(min(start + part, len(data)))
    return str(url).rstrip("/").rpartition("/")[2]


def archive(*colours: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for colour in colours:
            file.writestr(f"{colour}.jpg", colour_jpeg(colour))
        file.writestr(
            "captions.csv", "file,caption\n" + "".join(f"{c}.jpg,All {c}\n" for c in colours)
        )
    return buffer.getvalue()


def test_what_is_here_is_told_before_it_is_sent(staff_client: Client, picture: Image) -> None:
    hashes = [sha256_of("red"), sha256_of("green")]
    answer = staff_client.post("/upload/known/", {"sha256": hashes}).json()
    assert list(answer["known"]) == [sha256_of("red")]
    assert answer["known"][sha256_of("red")]["url"] == picture.get_absolute_url()


def test_one_file_a_request(staff_client: Client, staff: User, picture: Image) -> None:
    fields = {**PLAIN, "captions": "A colour", "tags": "plain"}
    new = staff_client.post(FILE, {**fields, "pictures": uploaded("green")}).json()
    again = staff_client.post(FILE, {**fields, "pictures": uploaded("red")}).json()
    torn = staff_client.post(FILE, {**fields, "pictures": broken("half.jpg")}).json()
    green = Image.objects.latest("pk")
    assert new == {
        "state": "new",
        "image": green.pk,
        "url": green.get_absolute_url(),
        "thumbnail": reverse("gallery:thumbnail", args=[green.pk]),
    }
    assert (again["state"], again["image"]) == ("known", picture.pk)
    assert torn == {
        "state": "refused",
        "reason": "half.jpg: the file is damaged or incomplete and cannot be decoded.",
    }
    assert green.owner == green.uploader == staff
    assert not Job.objects.exists()
    response = staff_client.post("/upload/finish/", {"image": [green.pk, picture.pk]})
    job = Job.objects.get()
    assert job.params == {"images": [green.pk]}  # the other one was not sent by this person
    assert f"Job {job.pk}".encode() in response.content or str(job.pk).encode() in response.content


def test_a_known_file_gets_the_words_without_its_bytes(
    staff_client: Client, picture: Image
) -> None:
    fields = {**PLAIN, "captions": "mine.jpg: Just so", "tags": "plain", "name": "mine.jpg"}
    answer = staff_client.post(FILE, {**fields, "known": picture.sha256}).json()
    assert (answer["state"], answer["url"]) == ("known", picture.get_absolute_url())
    assert [caption.text for caption in picture.captions.all()][-1] == "Just so"
    assert [tag.name for tag in picture.tags.all()] == ["plain"]
    for unknown in (sha256_of("green"), "a hash", "\0"):
        assert staff_client.post(FILE, {**fields, "known": unknown}).status_code == 404


def test_what_no_file_can_have_is_not_looked_for(staff_client: Client, picture: Image) -> None:
    hashes = ["\0", "", "x" * 1000, sha256_of("red")]
    answer = staff_client.post("/upload/known/", {"sha256": hashes}).json()
    assert list(answer["known"]) == [sha256_of("red")]
    ids = ["9" * 30, "\0", "-1", "②"]
    assert staff_client.post("/upload/finish/", {"image": ids}).status_code == 204


def test_a_mistake_in_a_field_is_told(staff_client: Client) -> None:
    response = staff_client.post(FILE, {**PLAIN, "pictures": uploaded("red"), "tags": "t" * 101})
    assert response.status_code == 422
    assert "is too long: 100 characters at most" in response.json()["errors"][0]
    assert not Image.objects.exists()


def test_a_large_picture_arrives_in_parts(staff_client: Client) -> None:
    pk = send_in_parts(staff_client, "../../green.jpg", colour_jpeg("green"), part=200)
    file = ResumableUpload.objects.get(pk=pk)
    assert file.name == "green.jpg"
    answer = staff_client.post(FILE, {**PLAIN, "received": pk}).json()
    assert answer["state"] == "new"
    assert Image.objects.get().title == "green"
    assert not ResumableUpload.objects.exists()
    assert not file.path.exists()


def test_a_broken_transfer_goes_on_where_it_stopped(staff_client: Client) -> None:
    data = colour_jpeg("green")
    url = begin(staff_client, "green.jpg", len(data))["Location"]
    patch(staff_client, url, 0, data[:100])
    lost = patch(staff_client, url, 0, data[:100])  # the answer did not come through
    assert lost.status_code == 409
    assert "goes on at byte 100" in lost.content.decode()
    head = staff_client.head(url, headers=TUS)
    assert (head["Upload-Offset"], head["Upload-Length"]) == ("100", str(len(data)))
    assert head["Cache-Control"] == "no-store"
    pk = url.rstrip("/").rpartition("/")[2]
    assert staff_client.post(FILE, {**PLAIN, "received": pk}).status_code == 404  # not yet
    assert patch(staff_client, url, 100, data[100:]).status_code == 204
    too_much = patch(staff_client, url, len(data), b"more")
    assert too_much.status_code == 413
    assert staff_client.post(FILE, {**PLAIN, "received": pk}).json()["state"] == "new"


def test_two_requests_cannot_write_to_a_file_at_once(staff: User) -> None:
    file = resumable.begin(staff, "green.jpg", 4)
    reading, go_on = threading.Event(), threading.Event()

    class Slow:
        sent = False

        def read(self, size: int, /) -> bytes:
            reading.set()
            go_on.wait(60)
            answer, self.sent = (b"" if self.sent else b"slow"), True
            return answer

    thread = threading.Thread(target=resumable.append, args=(file, 0, Slow()))
    thread.start()
    assert reading.wait(60)
    with pytest.raises(resumable.UploadConflictError, match="another request"):
        resumable.append(file, 0, io.BytesIO(b"fast"))
    go_on.set()
    thread.join(60)
    assert file.path.read_bytes() == b"slow"


def test_an_archive_becomes_a_job(staff_client: Client, staff: User) -> None:
    pk = send_in_parts(staff_client, "Holiday.zip", archive("red", "green"))
    fields = {"visibility": "private", "collection": "Holiday", "tags": "sun", "captions": "We"}
    answer = staff_client.post(FILE, {**fields, "received": pk}).json()
    job = Job.objects.get()
    assert answer == {"state": "importing", "url": reverse("gallery:job", args=[job.pk])}
    assert staff_client.post(FILE, {**fields, "received": pk}).json() == answer  # asked twice
    assert job.kind == Job.Kind.IMPORT
    done = run(Job.Kind.IMPORT, **job.params)
    assert (done.result["added"], done.result["failed"]) == (2, 0)
    green = Image.objects.get(title="green")
    assert (green.owner, green.visibility, green.job) == (staff, "private", done)
    assert [caption.text for caption in green.captions.all()] == ["All green", "We"]
    assert green.collection is not None
    assert green.collection.name == "Holiday"


def test_limits_are_told_when_a_transfer_begins(
    staff_client: Client, settings: LazySettings
) -> None:
    settings.CONTEXTVISION_UPLOAD_MAX_BYTES = settings.MEGABYTE
    settings.CONTEXTVISION_UPLOAD_MAX_ARCHIVE_BYTES = 5 * settings.MEGABYTE
    assert begin(staff_client, "a.zip", 5 * settings.MEGABYTE).status_code == 201
    for name, size, limit in (("a.jpg", 2, 1), ("a.zip", 6, 5)):
        response = begin(staff_client, name, size * settings.MEGABYTE)
        assert response.status_code == 413
        assert response.content.decode() == f"{name}: At most {limit} MB."
    assert begin(staff_client, "a.jpg", 0).status_code == 413


def test_what_a_client_must_know(staff_client: Client) -> None:
    options = staff_client.options(PARTS)
    assert options["Tus-Version"] == "1.0.0"
    assert options["Tus-Extension"] == "creation,termination"
    assert staff_client.post(PARTS, headers={"Tus-Resumable": "0.2"}).status_code == 412
    assert staff_client.post(PARTS, headers=TUS).status_code == 400
    url = begin(staff_client, "a.jpg", 10)["Location"]
    assert patch(staff_client, url, 0, b"x", **{"Upload-Offset": "-1"}).status_code == 400
    wrong = staff_client.patch(url, b"x", content_type="image/jpeg", headers=TUS)
    assert wrong.status_code == 415


def test_nobody_else_goes_on_with_a_transfer(staff_client: Client) -> None:
    url = begin(staff_client, "a.jpg", 10)["Location"]
    other = Client()
    other.force_login(User.objects.create_superuser("other"))
    assert other.head(url, headers=TUS).status_code == 404
    assert patch(other, url, 0, b"x").status_code == 404
    assert other.delete(url, headers=TUS).status_code == 404
    assert staff_client.delete(url, headers=TUS).status_code == 204
    assert staff_client.head(url, headers=TUS).status_code == 404


def test_maintenance_removes_what_was_given_up(staff: User) -> None:
    old, new = (resumable.begin(staff, name, 10) for name in ("old.jpg", "new.jpg"))
    before = old.created_at.timestamp() - resumable.KEPT.total_seconds() - 60
    for path in (old.path, old.path.parent):
        os.utime(path, (before, before))
    maintenance.maintain()
    assert not old.path.parent.exists()
    assert new.path.exists()
    assert list(ResumableUpload.objects.all()) == [new]
