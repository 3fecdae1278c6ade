"""A disk that fills up: said before anything is written where that can be known, and in words at
every door where not; nothing half is left, and what is there goes on."""

import base64
import errno
import io
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from PIL import Image as PillowImage

from contextvision_site import health
from gallery.disk import DiskFullError, disk_full
from gallery.examples import keep_example
from gallery.models import Image, IndexVersion, Job
from gallery.services import jobs
from gallery.uploads.ingest import ingest
from gallery.uploads.items import Destination, UploadItem
from mlcore.encoders.checkpoints import save_checkpoint
from mlcore.errors import CheckpointError, IndexFileError
from mlcore.progress import NoProgress
from tests.disks import files_on, fill, small_disk
from tests.pictures_of_colours import add_picture, run

pytestmark = pytest.mark.django_db

WORDS = "too little room left on the server’s disk"


def noisy(seed: int, side: int = 400) -> bytes:
    """A picture that does not compress: about 480 kB."""
    import numpy as np

    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def disk(tmp_path: Path, settings: LazySettings) -> Iterator[Path]:
    """A disk of 8 MB that holds all the program writes."""
    with small_disk(tmp_path / "disk", 8) as place:
        settings.MEDIA_ROOT = str(place / "media")
        settings.INDEX_DIR = place / "indexes"
        settings.MODELS_DIR = place / "models"
        settings.TRANSFER_DIR = place / "transfers"
        settings.CONTEXTVISION_DISK_RESERVE_BYTES = 0
        yield place


@pytest.fixture
def staff_client(client: Client, staff: Any) -> Client:
    client.force_login(staff)
    return client


def upload(name: str = "noisy.png", seed: int = 0) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, noisy(seed), content_type="image/png")


class TestNothingHalfIsLeft:
    def test_by_the_batch_that_the_disk_cannot_hold(self, disk: Path) -> None:
        """Room for the first files of the batch, so that some are written before it is over."""
        fill(disk, but=2_200_000)
        items = [UploadItem(f"{seed}.png", noisy(seed)) for seed in range(4)]
        with pytest.raises(DiskFullError, match=WORDS):
            ingest(items, Destination())
        assert files_on(disk) == set()
        assert not Image.objects.exists()
        [result] = ingest(items[:1], Destination())
        assert result.created
        assert len(files_on(disk)) == 3

    def test_pictures_that_were_there_stay(self, disk: Path) -> None:
        before = add_picture("red")
        files = files_on(disk)
        fill(disk, but=100_000)
        with pytest.raises(DiskFullError):
            ingest([UploadItem("a.png", noisy(1))], Destination())
        assert files_on(disk) == files
        assert default_storage.exists(before.display_name)

    def test_by_a_file_whose_writing_fails_at_any_byte(self, tmp_path: Path) -> None:
        """A limit of the operating system stands for the disk, where none can be mounted."""
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        content = b"x" * 5_000
        try:
            for limit in range(0, 5_000, 499):
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
                with pytest.raises(DiskFullError):
                    default_storage.save("originals/aa/a.jpg", ContentFile(content))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert files_on(tmp_path) == set()
        default_storage.save("originals/aa/a.jpg", ContentFile(content))
        assert files_on(tmp_path) == {"media/originals/aa/a.jpg"}


class TestEveryDoor:
    @pytest.fixture(autouse=True)
    def _full(self, disk: Path) -> None:
        fill(disk, but=50_000)

    def test_the_page(self, staff_client: Client, disk: Path) -> None:
        form = {"pictures": [upload()], "visibility": "public"}
        response = staff_client.post("/upload/", form)
        assert response.status_code == 507
        assert WORDS in response.content.decode()
        assert files_on(disk) == set()

    def test_its_script(self, staff_client: Client) -> None:
        form = {"pictures": upload(), "visibility": "public"}
        assert staff_client.post("/upload/file/", form).status_code == 507

    def test_the_api(self, staff_client: Client) -> None:
        response = staff_client.post("/api/v1/images/", {"file": upload()})
        assert response.status_code == 507
        body = response.json()
        assert body["type"] == "urn:contextvision:problem:disk-full"
        assert WORDS in body["detail"]

    def test_files_in_parts(self, staff_client: Client, disk: Path) -> None:
        name = base64.b64encode(b"a.zip").decode()
        tus = {"Tus-Resumable": "1.0.0", "Upload-Metadata": f"filename {name}"}
        parts = "/upload/parts/"
        refused = staff_client.post(parts, headers={**tus, "Upload-Length": "100000"})
        assert (refused.status_code, files_on(disk)) == (507, set())
        assert WORDS in refused.content.decode()
        url = staff_client.post(parts, headers={**tus, "Upload-Length": "40000"})["Location"]
        filler = disk / "filler"
        with filler.open("ab", buffering=0) as more:
            more.write(b"\0" * 49_000)
        kind = "application/offset+octet-stream"
        part = {**tus, "Upload-Offset": "0"}
        broken = staff_client.patch(url, b"x" * 40_000, content_type=kind, headers=part)
        assert broken.status_code == 507
        filler.unlink()
        arrived = int(staff_client.head(url, headers=tus)["Upload-Offset"])
        part = {**tus, "Upload-Offset": str(arrived)}
        rest = b"x" * (40_000 - arrived)
        went_on = staff_client.patch(url, rest, content_type=kind, headers=part)
        assert went_on.status_code == 204

    def test_an_import(self, tmp_path: Path, disk: Path) -> None:
        source = tmp_path / "source"
        source.mkdir()
        for seed in range(2):
            (source / f"{seed}.png").write_bytes(noisy(seed))
        job = jobs.run_here(Job.Kind.IMPORT, {"path": str(source)}, watcher=NoProgress())
        assert (job.status, job.is_defect) == (Job.Status.FAILED, False)
        assert WORDS in str(job.error)
        assert files_on(disk) == set()
        with pytest.raises(CommandError, match=WORDS):
            call_command("import_images", str(source))

    def test_a_model(self, disk: Path) -> None:
        import torch

        with pytest.raises(CheckpointError, match="No space left"):
            save_checkpoint(
                disk / "model",
                kind="clip",
                tensors={"weight": torch.zeros(100_000)},
                config={},
            )
        assert files_on(disk) == set()


class TestJobs:
    def test_an_index_that_has_no_room_leaves_the_live_one(
        self, disk: Path, indexed: dict[str, Image]
    ) -> None:
        live, files = IndexVersion.objects.active_id(), files_on(disk)
        filler = fill(disk)
        job = jobs.run_here(Job.Kind.INDEX, {}, watcher=NoProgress())
        assert (job.status, job.is_defect) == (Job.Status.FAILED, False)
        assert (IndexVersion.objects.active_id(), files_on(disk)) == (live, files)
        filler.unlink()
        run(Job.Kind.INDEX)
        assert IndexVersion.objects.active_id() != live

    def test_an_error_of_the_system_is_told_as_what_it_is(self) -> None:
        def body(job: Job, progress: object) -> dict[str, Any]:
            raise OSError(errno.ENOSPC, "No space left on device")

        from gallery.jobs.runner import run_job

        job = Job.objects.create(kind=Job.Kind.TRAIN)
        run_job(job.pk, body)
        job.refresh_from_db()
        assert (job.status, job.is_defect) == (Job.Status.FAILED, False)
        assert WORDS in str(job.error)


class TestSearches:
    def test_an_example_picture_of_a_search(
        self, disk: Path, client: Client, indexed: dict[str, Image]
    ) -> None:
        fill(disk)
        response = client.post("/", {"image": upload()})
        assert response.status_code == 507
        assert WORDS in response.content.decode()
        # Nothing need be kept to search with it through the API.
        assert client.post("/api/v1/search/", {"image": upload()}).status_code == 200


class TestTheReserve:
    """What comes in leaves room for database and queue, on a disk that is not full yet."""

    def test_nothing_comes_in(
        self, disk: Path, settings: LazySettings, staff_client: Client
    ) -> None:
        settings.CONTEXTVISION_DISK_RESERVE_BYTES = 8_200_000
        with pytest.raises(DiskFullError):
            ingest([UploadItem("a.png", noisy(1))], Destination())
        keep_example(PillowImage.new("RGB", (16, 16)))
        settings.CONTEXTVISION_DISK_RESERVE_BYTES = 2**40
        with pytest.raises(DiskFullError):
            keep_example(PillowImage.new("RGB", (16, 16)))
        assert all(name.startswith("media/examples/") for name in files_on(disk))

    def test_pictures_can_be_deleted_and_searched(
        self, settings: LazySettings, staff_client: Client, indexed: dict[str, Image]
    ) -> None:
        settings.CONTEXTVISION_DISK_RESERVE_BYTES = 2**60
        gone = indexed["red"]
        assert staff_client.post(f"/images/{gone.pk}/delete/").status_code == 302
        assert not Image.objects.filter(pk=gone.pk).exists()
        assert staff_client.get("/", {"q": "blue"}).status_code == 200

    def test_it_is_told_before_the_disk_is_full(
        self, settings: LazySettings, staff_client: Client, disk: Path
    ) -> None:
        reason = "8 MB are free."
        for reserve, is_ready in ((1_000_000, True), (3_000_000, True), (2**30, False)):
            settings.CONTEXTVISION_DISK_RESERVE_BYTES = reserve
            check = health.CHECKS["disk"]
            check.start()
            found = check.result(time.monotonic() + 10)
            page = staff_client.get(reverse("search:status")).content.decode()
            assert found.ok is is_ready
            if reserve == 1_000_000:
                assert found.reason == reason
                assert "nothing more is taken in" not in page
            else:
                assert "The disk is" in found.reason
                assert "nothing more is taken in" in " ".join(page.split())
            assert ("message error" in page) is not is_ready


class TestWhatMiddlewareMeets:
    def test_a_body_that_cannot_be_put_aside(
        self, client: Client, staff: Any, tmp_path: Path, settings: LazySettings
    ) -> None:
        """A large body is read before any view is called, to look for its token."""
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        client.force_login(staff)
        client.get("/upload/")
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10_000
        with small_disk(tmp_path / "temporary", 1) as place:
            settings.FILE_UPLOAD_TEMP_DIR = str(place)
            fill(place, but=100_000)
            page = client.post("/upload/", {"pictures": upload()})
            assert page.status_code == 507
            assert WORDS in page.content.decode()
            settings.FILE_UPLOAD_TEMP_DIR = None

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="It is SQLite that is held back.")
    def test_a_database_that_cannot_grow(self, staff_client: Client, data_dir: Path) -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA page_count")
            [pages] = cursor.fetchone()
            cursor.execute(f"PRAGMA max_page_count = {pages + 1}")
        try:
            files = [upload(f"{seed}.png", seed) for seed in range(6)]
            form = {"pictures": files, "captions": "word " * 900, "visibility": "public"}
            response = staff_client.post("/upload/", form)
            assert response.status_code == 507
        finally:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA max_page_count = 1073741823")
        assert files_on(data_dir) == set()
        assert not Image.objects.exists()


def test_other_errors_are_not_taken_for_it() -> None:
    assert disk_full(OSError(errno.EACCES, "denied")) is None
    assert disk_full(IndexFileError("index.not_written", folder="", cause="")) is None
    assert disk_full(ValueError()) is None
    assert disk_full(OSError(errno.EDQUOT, "quota")) is not None
