"""Pictures in an S3 bucket: all that works on disk works there, and an outage is an outage."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from gallery import bucket
from gallery.bucket import BucketStorage
from gallery.models import Failure, Image, ImageEmbedding, Job
from gallery.models.choices import Visibility
from gallery.pipelines import chunks
from gallery.pipelines.doctor import leftovers
from gallery.services import jobs
from gallery.services.images import delete_images
from gallery.storage import StorageUnavailableError
from mlcore.i18n import Message
from mlcore.progress import NoProgress
from tests.encoders import ColourEncoder
from tests.pictures_of_colours import add_many, add_picture, colour_jpeg, run
from tests.s3 import KEYS, REGION, S3Server, server_that_answers

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

PREFIX = "gallery/one"
RENDITIONS = ("gallery:thumbnail", "gallery:display")


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


def use(settings: LazySettings, endpoint: str, name: str) -> None:
    options = {"bucket_name": name, "location": PREFIX, "endpoint_url": endpoint}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "gallery.bucket.BucketStorage",
            "OPTIONS": {**options, "region_name": REGION, **KEYS},
        },
    }


@pytest.fixture
def name(server: S3Server, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of its own for each test, set up to hold the pictures."""
    monkeypatch.setattr(bucket, "PAUSE", 0.0)  # those of the pause set one
    name = server.make_bucket()
    use(settings, server.endpoint, name)
    return name


@pytest.fixture
def hidden(name: str) -> Image:
    return add_picture("blue", visibility=Visibility.PRIVATE)


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def wait_for_each_other(operation: str, count: int) -> None:
    """Let requests of this kind go out only when so many are under way."""
    together = threading.Barrier(count)

    def wait(**_: Any) -> None:
        together.wait(10)

    client = default_storage.client  # type: ignore[attr-defined]
    client.meta.events.register(f"before-send.s3.{operation}", wait)


def upload(client: Client) -> Any:
    files = {"pictures": [SimpleUploadedFile("red.jpg", colour_jpeg("red"))]}
    return client.post(reverse("gallery:upload"), {**files, "visibility": "public"})


class TestFiles:
    def test_all_files_of_a_picture_are_in_the_bucket_and_none_on_disk(
        self, server: S3Server, name: str, data_dir: Path
    ) -> None:
        image = add_picture("red")
        files = {image.file.name, image.display_name, image.thumbnail_name}
        assert server.names(name) == {f"{PREFIX}/{file}" for file in files}
        assert not (data_dir / "media").exists()
        with image.file.open("rb") as file:
            assert file.size == image.bytes
            assert file.read() == colour_jpeg("red")

    def test_files_are_sent_together(self, name: str) -> None:
        """Three requests are under way at once, else this would wait in vain."""
        wait_for_each_other("PutObject", 3)
        add_picture("red")

    def test_deleting_removes_every_file_and_nothing_else(
        self, server: S3Server, name: str, django_capture_on_commit_callbacks: Any
    ) -> None:
        kept, doomed = add_picture("red"), add_picture("blue")
        with django_capture_on_commit_callbacks(execute=True):
            delete_images([doomed])
        assert {file.partition(kept.sha256)[1] for file in server.names(name)} == {kept.sha256}
        default_storage.delete(doomed.display_name)  # once more is no error

    def test_the_same_name_is_replaced_never_renamed(self, server: S3Server, name: str) -> None:
        for data in (b"one", b"two"):
            assert default_storage.save("originals/aa/x.jpg", ContentFile(data)) == (
                "originals/aa/x.jpg"
            )
        with default_storage.open("originals/aa/x.jpg") as file:
            assert file.read() == b"two"
        assert len(server.names(name)) == 1

    def test_a_file_appears_whole_or_not_at_all(self, server: S3Server, name: str) -> None:
        class Breaking(ContentFile):  # type: ignore[type-arg]
            def chunks(self, chunk_size: int | None = None) -> Any:
                yield b"half"
                raise OSError("the line went dead")

        with pytest.raises(OSError, match="line went dead"):
            default_storage.save("originals/aa/x.jpg", Breaking(b""))
        assert server.names(name) == set()

    def test_what_is_not_there_is_missing_like_on_disk(self, name: str) -> None:
        assert not default_storage.exists("originals/aa/x.jpg")
        with pytest.raises(FileNotFoundError):
            default_storage.open("originals/aa/x.jpg")
        with pytest.raises(FileNotFoundError):
            default_storage.size("originals/aa/x.jpg")

    def test_no_object_has_an_address(self, name: str) -> None:
        with pytest.raises(NotImplementedError, match="media views"):
            default_storage.url("originals/aa/x.jpg")

    def test_threads_share_one_client(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        image = add_picture("red")
        monkeypatch.setattr(BucketStorage, "new_client", None)  # a second one cannot be made

        def read(_: int) -> int:
            with default_storage.open(str(image.file)) as file:
                return len(file.read())

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(read, range(64))) == {image.bytes}


class TestViews:
    @pytest.mark.parametrize("view", RENDITIONS)
    def test_renditions_are_streamed_with_their_tags(
        self, client: Client, name: str, view: str
    ) -> None:
        image = add_picture("red")
        url = reverse(view, args=[image.pk])
        response = client.get(url)
        data = content(response)
        assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
        assert data[:4] == b"RIFF"
        assert int(response["Content-Length"]) == len(data)
        assert int(client.head(url)["Content-Length"]) == len(data)
        assert client.get(url, headers={"If-None-Match": response["ETag"]}).status_code == 304
        # Neither on disk nor in a bucket are parts served: the whole file is a correct answer.
        part = client.get(url, headers={"Range": "bytes=0-3"})
        assert (part.status_code, content(part)) == (200, data)
        long_ago = {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
        assert content(client.get(url, headers=long_ago)) == data

    def test_a_known_rendition_costs_the_bucket_nothing(
        self, client: Client, server: S3Server, name: str
    ) -> None:
        url = reverse("gallery:thumbnail", args=[add_picture("red").pk])
        tag = client.get(url)["ETag"]
        with server.away():
            assert client.get(url, headers={"If-None-Match": tag}).status_code == 304

    @pytest.mark.parametrize("view", RENDITIONS)
    def test_hidden_pictures_stay_hidden(
        self, client: Client, hidden: Image, staff: User, view: str
    ) -> None:
        url = reverse(view, args=[hidden.pk])
        assert client.get(url).status_code == 404
        client.force_login(staff)
        assert client.get(url).status_code == 200

    def test_a_rendition_that_was_not_there_is_made_and_kept(
        self, client: Client, server: S3Server, name: str
    ) -> None:
        image = add_picture("red")
        url = reverse("gallery:rendition", args=[image.pk, 240, "avif"])
        made = content(client.get(url))
        assert f"{PREFIX}/{image.rendition_name(240, 'avif')}" in server.names(name)
        default_storage.delete(image.display_name)  # what it was made of
        assert content(client.get(url)) == made

    def test_the_original_is_for_staff(
        self, client: Client, hidden: Image, staff: User, member: User
    ) -> None:
        url = reverse("gallery:original", args=[hidden.pk])
        client.force_login(member)
        assert client.get(url).status_code == 403
        client.force_login(staff)
        response = client.get(url)
        assert content(response) == colour_jpeg("blue")
        assert int(response["Content-Length"]) == hidden.bytes

    def test_a_missing_object_is_a_missing_page(self, client: Client, name: str) -> None:
        image = add_picture("red")
        default_storage.delete(image.thumbnail_name)
        assert client.get(reverse("gallery:thumbnail", args=[image.pk])).status_code == 404


class TestEmbedding:
    @pytest.mark.also_on_postgres
    def test_from_upload_to_vector(
        self, client: Client, staff: User, name: str, colours: ColourEncoder
    ) -> None:
        client.force_login(staff)
        assert upload(client).status_code == 200
        image = Image.objects.get()
        run(Job.Kind.EMBED)
        assert ImageEmbedding.objects.get().image == image

    def test_files_are_fetched_together(self, name: str, colours: ColourEncoder) -> None:
        """Four requests are under way at once, else this would wait in vain."""
        add_many(4)
        wait_for_each_other("GetObject", 4)
        assert run(Job.Kind.EMBED).result["embedded"] == 4

    def test_a_lost_object_is_noted_and_the_rest_goes_on(
        self, name: str, colours: ColourEncoder
    ) -> None:
        images = add_many(6)
        default_storage.delete(str(images[2].file))
        assert run(Job.Kind.EMBED).result == {"embedded": 5, "failed": 1, "model": "colours"}
        failure = Failure.objects.get()
        assert failure.image == images[2]
        assert "No such object" in str(failure.reason)

    def test_a_job_waits_for_the_bucket_and_goes_on(
        self,
        server: S3Server,
        name: str,
        colours: ColourEncoder,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(chunks, "OUTAGE_INTERVAL", 0.01)
        add_many(3)
        server.stop()
        is_away = True

        class Operator(NoProgress):
            """Starts the server when told that it is away."""

            def report(self, done: int, total: int, message: Message | str | None = None) -> None:
                nonlocal is_away
                if "out of reach" in str(message) and is_away:
                    server.start()
                    is_away = False

        job = jobs.run_here(Job.Kind.EMBED, {}, watcher=Operator())
        assert not is_away
        assert job.status == Job.Status.SUCCEEDED, job.error
        assert ImageEmbedding.objects.count() == 3
        assert not Failure.objects.exists()

    def test_a_job_that_waited_in_vain_fails_and_blames_no_picture(
        self,
        server: S3Server,
        name: str,
        colours: ColourEncoder,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(chunks, "OUTAGE_PATIENCE", 0.0)
        add_many(2)
        with server.away():
            job = jobs.run_here(Job.Kind.EMBED, {}, watcher=NoProgress())
        assert (job.status, job.is_defect) == (Job.Status.FAILED, False)
        assert "cannot be reached" in str(job.error)
        assert not Failure.objects.exists()
        assert run(Job.Kind.EMBED).result["embedded"] == 2

    def test_waiting_can_be_cancelled(
        self, server: S3Server, name: str, colours: ColourEncoder
    ) -> None:
        class Impatient(NoProgress):
            def should_stop(self) -> bool:
                return True

        add_many(2)
        with server.away():
            job = jobs.run_here(Job.Kind.EMBED, {}, watcher=Impatient())
        assert job.status == Job.Status.CANCELLED


class TestOutage:
    @pytest.mark.parametrize("view", RENDITIONS)
    def test_a_picture_cannot_be_shown(
        self, client: Client, server: S3Server, name: str, view: str
    ) -> None:
        url = reverse(view, args=[add_picture("red").pk])
        with server.away():
            response = client.get(url)
        assert response.status_code == 503
        assert response["Retry-After"]
        assert "The pictures cannot be reached" in response.content.decode()
        assert name not in response.content.decode(), "visitors need not know the bucket"
        assert client.get(url).status_code == 200, "and is shown again when the bucket is back"

    def test_an_upload_leaves_nothing_half_made(
        self, client: Client, server: S3Server, name: str, staff: User
    ) -> None:
        client.force_login(staff)
        with server.away():
            page = upload(client)
            data = {"file": SimpleUploadedFile("red.jpg", colour_jpeg("red"))}
            answer = client.post("/api/v1/images/", data)
        assert page.status_code == 503
        assert answer.status_code == 503
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"].startswith("The pictures cannot be reached")
        assert not Image.objects.exists()
        assert not Job.objects.exists()
        assert upload(client).status_code == 200
        assert Image.objects.count() == 1

    def test_deleting_takes_effect_and_the_log_names_what_is_left(
        self,
        server: S3Server,
        name: str,
        caplog: pytest.LogCaptureFixture,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        image = add_picture("red")
        with server.away(), django_capture_on_commit_callbacks(execute=True):
            delete_images([image])
        assert not Image.objects.exists()
        for file in (image.file.name, image.display_name, image.thumbnail_name):
            assert str(file) in caplog.text

    def test_what_was_left_can_be_removed_later(
        self, server: S3Server, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept, gone = add_picture("red"), add_picture("blue")
        Image.objects.filter(pk=gone.pk).delete()
        call_command("doctor", "--repair")
        assert len(server.names(name)) == 6, "files of the last day are spared"
        monkeypatch.setattr(leftovers, "SPARED", timedelta(days=-1))
        with server.away(), pytest.raises(CommandError, match="reached"):
            call_command("doctor", "--repair")
        call_command("doctor", "--repair")
        assert {file.partition(kept.sha256)[1] for file in server.names(name)} == {kept.sha256}

    def test_a_bucket_that_is_gone_is_no_missing_file(
        self, client: Client, server: S3Server, name: str, settings: LazySettings
    ) -> None:
        image = add_picture("red")
        use(settings, server.endpoint, "another")
        with pytest.raises(StorageUnavailableError, match="“another” does not exist"):
            default_storage.exists(image.thumbnail_name)
        url = reverse("gallery:thumbnail", args=[image.pk])
        assert client.get(url).status_code == 503

    def test_an_answer_that_is_cut_off_is_an_outage_not_a_short_file(
        self, name: str, settings: LazySettings
    ) -> None:
        with server_that_answers(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n"
            b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\nhalf"
        ) as endpoint:
            use(settings, endpoint, "pictures")
            with default_storage.open("originals/aa/x.jpg") as file:
                assert file.size == 1000
                with pytest.raises(StorageUnavailableError, match="cannot be reached"):
                    file.read()

    def test_a_bucket_that_hangs_holds_up_one_request_not_a_page_of_them(
        self, name: str, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bucket, "READ_TIMEOUT", 0.2)
        monkeypatch.setattr(bucket, "ATTEMPTS", 1)
        monkeypatch.setattr(bucket, "PAUSE", 60.0)
        with server_that_answers(b"") as endpoint:
            use(settings, endpoint, "pictures")
            with pytest.raises(StorageUnavailableError, match="ReadTimeoutError"):
                default_storage.open("x")
            started = time.monotonic()
            for _ in range(20):
                with pytest.raises(StorageUnavailableError, match="a moment ago"):
                    default_storage.open("x")
            assert time.monotonic() - started < 0.2

    def test_a_refusal_is_an_answer_and_pauses_nothing(
        self, server: S3Server, name: str, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bucket, "PAUSE", 60.0)
        use(settings, server.endpoint, "another")
        for _ in range(2):
            with pytest.raises(StorageUnavailableError, match="does not exist"):
                default_storage.open("x")


def warnings(*, database: bool = True) -> dict[str, str]:
    messages = run_checks(databases=["default"] if database else None)
    ids = {"contextvision.W008", "contextvision.W009", "contextvision.E001"}
    return {str(m.id).partition(".")[2]: f"{m.msg} {m.hint}" for m in messages if m.id in ids}


class TestCheck:
    def test_a_good_bucket_is_no_problem_and_is_left_as_it_was(
        self, server: S3Server, name: str
    ) -> None:
        assert warnings() == {}
        assert server.names(name) == set()

    def test_a_bucket_that_does_not_exist(
        self, server: S3Server, name: str, settings: LazySettings
    ) -> None:
        use(settings, server.endpoint, "another")
        [text] = warnings().values()
        assert "The bucket “another” does not exist." in text
        assert "Make it, or name another one in CONTEXTVISION_MEDIA_S3" in text

    def test_a_server_that_is_away(self, server: S3Server, name: str) -> None:
        with server.away():
            [text] = warnings().values()
            assert warnings(database=False) == {}, "other commands do not wait for it"
        assert "cannot be reached" in text
        assert "CONTEXTVISION_MEDIA_S3_ENDPOINT" in text

    def test_keys_that_are_refused(self, name: str, settings: LazySettings) -> None:
        body = b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
        head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(body)
        with server_that_answers(head + body) as endpoint:
            use(settings, endpoint, "pictures")
            [text] = warnings().values()
        assert "refuses these keys (SignatureDoesNotMatch)" in text
        assert "s3:ListBucket" in text

    def test_no_keys_at_all(
        self, server: S3Server, name: str, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        storages: dict[str, Any] = settings.STORAGES
        options = storages["default"]["OPTIONS"]
        monkeypatch.setitem(options, "access_key", None)
        monkeypatch.setitem(options, "secret_key", None)
        settings.STORAGES = {**settings.STORAGES}  # tells Django that they changed
        [text] = warnings().values()
        assert "cannot be opened without keys" in text
        assert "CONTEXTVISION_MEDIA_S3_SECRET" in text

    def test_a_bucket_that_anybody_can_read(self, server: S3Server, name: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{name}/*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        server.client.put_bucket_policy(Bucket=name, Policy=policy)
        [text] = warnings().values()
        assert "Anybody can read the bucket" in text
        assert "public policy" in text
