"""Looking into a source: what is taken in, what is noted of each file, and what vanishes."""

import io
import os
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from gallery.models import Failure, Image, Job, SyncedFile, SyncSource, VanishedPicture
from gallery.models.choices import Visibility
from gallery.pipelines.ledger import Ledger
from gallery.services import images, jobs, maintenance, syncing
from gallery.uploads import places
from gallery.uploads.places import Contents, SyncError, checked_address, place_at
from mlcore.i18n import Message
from mlcore.layouts.states import FileState
from mlcore.progress import NoProgress
from tests.pictures_of_colours import colour_jpeg

pytestmark = pytest.mark.django_db

Outcome = SyncedFile.Outcome


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "QUIET", 0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a red picture, a blue one below, and a text."""
    root = tmp_path / "camera"
    (root / "more").mkdir(parents=True)
    (root / "red.jpg").write_bytes(colour_jpeg("red"))
    (root / "more" / "blue.jpg").write_bytes(colour_jpeg("blue"))
    (root / "notes.md").write_text("to do")
    return root


@pytest.fixture
def source(folder: Path) -> SyncSource:
    return syncing.follow_folder(folder)


def look(source: SyncSource, *, again: bool = False) -> dict[str, Any]:
    """Look into a source here, and return what came of it."""
    params = {"source": source.pk, "again": again}
    job = jobs.run_here(Job.Kind.SYNC, params, watcher=NoProgress(), key=source.job_key)
    assert job.status == Job.Status.SUCCEEDED, job.error
    source.refresh_from_db()
    return dict(job.result)


def ledger(source: SyncSource) -> dict[str, str]:
    return dict(source.files.values_list("path", "outcome"))


def test_what_is_there_is_taken_in_and_each_file_noted(source: SyncSource) -> None:
    result = look(source)
    assert (result["listed"], result["added"], result["vanished"]) == (3, 2, 0)
    assert ledger(source) == {
        "red.jpg": Outcome.ADDED,
        "more/blue.jpg": Outcome.ADDED,
        "notes.md": Outcome.UNUSED,
    }
    row = source.files.get(path="red.jpg")
    assert row.image is not None
    assert (row.sha256, row.size) == (row.image.sha256, row.image.bytes)
    assert row.stamp == str((Path(source.address) / "red.jpg").stat().st_mtime_ns)


def test_where_nothing_changed_nothing_is_opened_and_one_job_tells_it(
    source: SyncSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(source)
    with monkeypatch.context() as closed:
        closed.setattr(places, "open_source", lambda *_, **__: pytest.fail("it was opened"))
        assert look(source) == {"listed": 3, "idle": True}
        first = source.last_job
        assert look(source)["idle"]
    assert first is not None
    assert Job.objects.filter(kind=Job.Kind.SYNC).count() == 2  # the one that added, the last one
    assert not Job.objects.filter(pk=first.pk).exists()


def test_new_and_changed_files_are_taken_and_others_not_read_again(
    source: SyncSource, folder: Path
) -> None:
    look(source)
    before = Image.objects.get(title="red")
    (folder / "red.jpg").write_bytes(colour_jpeg("red", shade=9))
    (folder / "green.jpg").write_bytes(colour_jpeg("green"))
    result = look(source)
    assert (result["found"], result["added"], result["replaced"]) == (2, 2, 1)
    [former] = source.vanished.all()
    assert (former.image, former.path, former.why) == (before, "red.jpg", "replaced")
    assert Image.objects.count() == 4, "nothing is ever deleted"


def test_a_vanished_picture_is_listed_hidden_if_asked_and_shown_again_when_it_is_back(
    source: SyncSource, folder: Path
) -> None:
    look(source)
    kept = (folder / "red.jpg").read_bytes()
    (folder / "red.jpg").unlink()
    assert look(source)["vanished"] == 1
    red = source.vanished.get().image
    assert red.visibility == Visibility.PUBLIC
    assert "red.jpg" not in ledger(source)

    source.hide_vanished = True
    source.save()
    (folder / "more" / "blue.jpg").unlink()
    assert look(source)["hidden"] == 2
    assert set(Image.objects.values_list("visibility", flat=True)) == {Visibility.PRIVATE}

    (folder / "back.jpg").write_bytes(kept)
    assert look(source)["already_there"] == 1
    red.refresh_from_db()
    assert red.visibility == Visibility.PUBLIC
    assert source.vanished.get().image.title == "blue"


def test_what_was_here_before_or_is_elsewhere_is_not_hidden(
    source: SyncSource, folder: Path, tmp_path: Path
) -> None:
    images.ingest_files([_upload("mine.jpg", (folder / "red.jpg").read_bytes())], _everybody())
    look(source)
    other = tmp_path / "other"
    other.mkdir()
    (other / "copy.jpg").write_bytes((folder / "more" / "blue.jpg").read_bytes())
    look(syncing.follow_folder(other))
    for name in ("red.jpg", "more/blue.jpg"):
        (folder / name).unlink()
    assert look(source)["vanished"] == 2
    assert syncing.hide_vanished(source) == 0


def test_a_moved_file_has_not_vanished(source: SyncSource, folder: Path) -> None:
    look(source)
    (folder / "red.jpg").rename(folder / "more" / "rouge.jpg")
    result = look(source)
    assert (result["already_there"], result["vanished"]) == (1, 0)
    assert not VanishedPicture.objects.exists()
    (folder / "more" / "rouge.jpg").unlink()
    look(source)
    assert syncing.hide_vanished(source) == 1, "it is still a picture that this source brought"


def test_what_is_still_being_written_waits(
    source: SyncSource, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "QUIET", 0.4)
    whole = colour_jpeg("green", size=(200, 200))
    growing = folder / "green.jpg"
    growing.write_bytes(whole[:300])
    os.utime(growing, (1, 1))  # programs that copy may set an old time first

    def go_on() -> None:
        time.sleep(0.15)
        with growing.open("ab") as file:
            file.write(whole[300:600])

    writer = threading.Thread(target=go_on)
    writer.start()
    result = look(source)
    writer.join()
    assert result["growing"] == ["green.jpg"]
    assert result["added"] == 2
    assert "green.jpg" not in ledger(source)
    assert not Failure.objects.exists()
    growing.write_bytes(whole)
    assert look(source)["added"] == 1
    assert look(source)["idle"]


def test_a_listing_that_is_being_written_holds_up_what_it_speaks_of(
    folder: Path, source: SyncSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = folder / "captions.csv"
    table.write_text("file,caption\nred.jpg,A red one\nmore/blue.jpg,A blue one\n")
    look(source)
    table.write_text("file,caption\nred.jpg,A red one\n")
    monkeypatch.setattr(places._Folder, "growing", lambda *_: frozenset({"captions.csv"}))
    assert look(source)["waits_for"] == ["captions.csv"]
    monkeypatch.undo()


def test_a_line_more_in_a_table_reads_its_picture_alone(folder: Path, source: SyncSource) -> None:
    table = folder / "captions.csv"
    table.write_text("file,caption\nred.jpg,A red one\nmore/blue.jpg,A blue one\n")
    assert look(source)["captions"] == 2
    assert ledger(source)["captions.csv"] == Outcome.LISTING
    with table.open("a") as file:
        file.write("more/blue.jpg,The sea\n")
    result = look(source)
    assert result["found"] == 1
    assert Image.objects.get(title="blue").sentences == ["A blue one", "The sea"]


def test_a_caption_that_comes_later_beside_its_picture_is_read(
    folder: Path, source: SyncSource
) -> None:
    look(source)
    (folder / "red.txt").write_text("A red one\n")
    assert look(source)["found"] == 1
    assert Image.objects.get(title="red").sentences == ["A red one"]
    assert ledger(source)["red.txt"] == Outcome.LISTING
    assert look(source)["idle"]


def test_what_is_refused_is_told_once_and_can_be_tried_again(
    folder: Path, source: SyncSource
) -> None:
    broken = folder / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff" + b"nothing" * 9)
    assert look(source)["failed"] == 1
    row = source.files.get(path="broken.jpg")
    assert (row.outcome, row.reason is not None, len(row.sha256)) == (Outcome.REFUSED, True, 64)
    (folder / "green.jpg").write_bytes(colour_jpeg("green"))
    assert look(source)["failed"] == 0, "it has not changed"

    failure = Failure.objects.get()
    again = jobs.retry_failure(failure)
    assert (again.kind, again.key) == (Job.Kind.SYNC, source.job_key)
    jobs.cancel(again)
    assert look(source, again=again.params["again"])["failed"] == 1
    failure.refresh_from_db()
    assert failure.attempts == 2
    broken.write_bytes(colour_jpeg("pink"))
    assert look(source)["added"] == 1
    assert not Failure.objects.exists()


def test_a_restart_goes_on(
    folder: Path, source: SyncSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gallery.jobs import runner
    from gallery.uploads import ingest

    monkeypatch.setattr(ingest, "BATCH_FILES", 2)
    monkeypatch.setattr(runner, "_WRITE_INTERVAL", 0.0)
    for shade in range(6):
        (folder / f"{shade}.jpg").write_bytes(colour_jpeg("green", shade=shade))

    class Impatient(NoProgress):
        done = 0

        def report(self, done: int, total: int, message: Message | None = None) -> None:
            self.done = done

        def should_stop(self) -> bool:
            return self.done >= 4

    job = jobs.run_here(
        Job.Kind.SYNC, {"source": source.pk}, watcher=Impatient(), key=source.job_key
    )
    assert (job.status, Image.objects.count()) == (Job.Status.CANCELLED, 4)
    result = look(source)
    assert (result["found"], result["added"]) == (4, 4)


def test_a_share_that_is_not_mounted_takes_nothing_away(folder: Path, source: SyncSource) -> None:
    look(source)
    source.hide_vanished = True
    source.save()
    away = folder.rename(folder.with_name("away"))
    for expected in ("sync.no_folder", "sync.empty"):
        job = jobs.run_here(
            Job.Kind.SYNC, {"source": source.pk}, watcher=NoProgress(), key=source.job_key
        )
        assert job.error is not None
        assert (job.status, job.error.code) == (Job.Status.FAILED, expected)
        folder.mkdir(exist_ok=True)
    assert source.files.count() == 3
    assert not VanishedPicture.objects.exists()
    folder.rmdir()
    away.rename(folder)
    assert look(source)["idle"]


def test_what_cannot_be_looked_into_has_not_vanished(source: SyncSource) -> None:
    look(source)
    contents = Contents({"notes.md": FileState(1, "1")}, unread=("more/",))
    assert Ledger(source, contents).strike() == 1
    assert source.vanished.get().path == "red.jpg"
    assert "more/blue.jpg" in ledger(source)


def test_a_picture_that_a_person_deleted_does_not_come_back(
    folder: Path, source: SyncSource
) -> None:
    look(source)
    images.delete_images(Image.objects.filter(title="red"))
    (folder / "green.jpg").write_bytes(colour_jpeg("green"))
    assert look(source)["added"] == 1
    assert not Image.objects.filter(title="red").exists()


def test_pictures_in_an_archive_are_followed_by_it(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    colours = ["red", "green", "blue"]
    _tar(folder / "0.tar", colours)
    source = syncing.follow_folder(folder)
    assert look(source)["added"] == 3
    assert ledger(source)["0.tar"] == Outcome.LISTING
    assert source.files.get(path="0.tar/red.jpg").container == "0.tar"
    assert look(source)["idle"]
    _tar(folder / "0.tar", colours[1:])
    assert look(source)["vanished"] == 1
    assert source.vanished.get().image.title == "red"
    _tar(folder / "1.tar", ["pink"])
    (folder / "0.tar").unlink()
    assert look(source)["vanished"] == 2


def test_names_that_are_no_text_are_followed_too(folder: Path, source: SyncSource) -> None:
    for name in (b"caf\xe9.jpg", "sm\u00f8rrebr\u00f8d.jpg".encode(), b"new\nline.jpg"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(
            colour_jpeg("green", shade=len(name))
        )
    assert look(source)["added"] == 5
    assert look(source)["idle"]
    assert "caf\\xe9.jpg" in ledger(source)


# --- Who may follow what ----------------------------------------------------------------------


def test_only_what_lies_in_the_places_of_the_settings_may_be_followed(
    folder: Path, tmp_path: Path, settings: LazySettings
) -> None:
    inside = Path(settings.IMPORT_DIR) / "cats"
    inside.mkdir(parents=True)
    assert checked_address("imports/cats") == str(inside.resolve())
    with pytest.raises(SyncError, match="CONTEXTVISION_SYNC_ROOTS"):
        checked_address(str(folder))
    settings.CONTEXTVISION_SYNC_ROOTS = [str(folder), "s3://pictures/in"]
    assert checked_address(f"{folder}/more/") == str(folder / "more")
    assert checked_address("s3://pictures/in/2026/") == "s3://pictures/in/2026"
    (folder / "out").symlink_to(tmp_path)
    for outside in (
        str(tmp_path), f"{folder}/..", f"{folder}/out", f"{folder}x", "elsewhere", "",
        "s3://pictures", "s3://pictures/into", "s3://pictures/in/../x", "s3://other/in",
    ):  # fmt: skip
        with pytest.raises(SyncError, match="in one of these"):
            checked_address(outside)
    with pytest.raises(SyncError, match="no folder gone"):
        checked_address(f"{folder}/gone")


def test_a_link_in_the_place_of_a_folder_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    source = syncing.follow_folder(folder / "more")
    (folder / "more").rename(tmp_path / "elsewhere")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SyncError, match="A link leads"):
        place_at(source.address).contents()


# --- When -------------------------------------------------------------------------------------


def test_workers_look_into_what_is_due_and_into_nothing_twice(source: SyncSource) -> None:
    maintenance.maintain()
    assert not Job.objects.exists(), "one of the shell is not followed by workers"
    SyncSource.objects.update(is_enabled=True)
    for _ in range(2):
        maintenance.maintain()
    [job] = Job.objects.filter(kind=Job.Kind.SYNC)
    assert job.key == source.job_key
    assert syncing.request_look(source) == job
    source.refresh_from_db()
    assert not SyncSource.objects.due().exists()


def test_two_looks_at_once_are_one(source: SyncSource) -> None:
    other = syncing.request_look(source)
    assert Job.objects.claim(other.pk)
    with pytest.raises(SyncError, match="under way elsewhere"):
        syncing.look_here(source, watcher=NoProgress())


def test_a_look_whose_process_died_is_taken_up(source: SyncSource) -> None:
    died = Job.objects.claim(syncing.request_look(source).pk)
    assert died is not None
    died.change(lease_until="2020-01-01T00:00:00Z")
    job = syncing.look_here(source, watcher=NoProgress())
    assert (job.pk, job.status, job.attempt) == (died.pk, Job.Status.SUCCEEDED, 2)


def test_a_job_of_a_source_that_is_gone_says_so(source: SyncSource) -> None:
    job = syncing.request_look(source)
    source.delete()
    from gallery.jobs.runner import run_job

    run_job(job.pk)
    job.refresh_from_db()
    assert (job.status, str(job.error).split(";")[0]) == (
        Job.Status.FAILED,
        "The source was removed meanwhile",
    )


def _tar(path: Path, colours: list[str]) -> None:
    with tarfile.open(path, "w") as archive:
        for colour in colours:
            data = colour_jpeg(colour)
            member = tarfile.TarInfo(f"{colour}.jpg")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def _upload(name: str, data: bytes) -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile(name, data)


def _everybody() -> Any:
    from gallery.uploads.items import Destination

    return Destination()
