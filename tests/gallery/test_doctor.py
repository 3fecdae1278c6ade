"""The doctor names what was broken, each once, mends what can be mended, and finds nothing then."""

import hashlib
import io
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone

from gallery import fulltext
from gallery.jobs.runner import run_job
from gallery.models import (
    Image,
    ImageEmbedding,
    ImageText,
    IndexVersion,
    Job,
    SentenceChange,
    SentenceEmbedding,
    SquareEmbedding,
)
from gallery.models.vectors import pack
from gallery.pipelines.doctor.examination import CHECKS, examine
from gallery.pipelines.doctor.findings import Finding
from gallery.pipelines.sentences import read_sentences
from gallery.services.maintenance import maintain
from search.engine import engine_holder
from search.query import SearchQuery
from search.services import search_images
from tests.index_files import folder_of
from tests.pictures_of_colours import add_picture, colour_jpeg, run

pytestmark = pytest.mark.django_db

LONG_AGO = 2 * 86_400


def age(path: Path) -> None:
    then = time.time() - LONG_AGO
    for each in (path, *path.rglob("*")):
        os.utime(each, (then, then))


def examined(*options: str) -> tuple[Counter[str], dict[str, Any], int]:
    """Run the command; return what it found by code, its sum, and its exit status."""
    out, status = io.StringIO(), 0
    try:
        call_command("doctor", "--json", "--anew", *options, stdout=out)
    except SystemExit as error:
        status = int(str(error.code))
    *found, total = map(json.loads, out.getvalue().splitlines())
    return Counter(each["code"] for each in found), total, status


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two pictures that are imported, and stay where they were."""
    folder = tmp_path / "source"
    folder.mkdir()
    for colour in ("red", "blue"):
        (folder / f"{colour}-imported.jpg").write_bytes(colour_jpeg(colour, shade=3))
    return folder


@pytest.fixture
def gallery(indexed: dict[str, Image], source: Path) -> dict[str, Image]:
    run(Job.Kind.IMPORT, path=str(source))
    run(Job.Kind.EMBED)
    read_sentences()
    run(Job.Kind.INDEX)
    Image.objects.update(created_at=timezone.now() - timedelta(days=1))
    fulltext.catch_up()
    for image in Image.objects.filter(job__isnull=False):
        indexed[image.source] = image
    return indexed


def flip(name: str, at: int) -> None:
    with default_storage.open(name) as file:
        content = bytearray(file.read())
    content[at] ^= 1
    default_storage.save(name, ContentFile(bytes(content)))


def lose_original(images: dict[str, Image]) -> None:
    default_storage.delete(str(images["red-imported.jpg"].file))


def damage_original(images: dict[str, Image]) -> None:
    flip(str(images["blue-imported.jpg"].file), 400)


def lose_rendition(images: dict[str, Image]) -> None:
    default_storage.delete(images["red"].thumbnail_name)


def cut_rendition(images: dict[str, Image]) -> None:
    name = images["green"].display_name
    with default_storage.open(name) as file:
        default_storage.save(name, ContentFile(file.read()[:-3]))


def damage_vector(images: dict[str, Image]) -> None:
    """A flipped bit that leaves the length of the vector what it was, but for the checksum."""
    row = ImageEmbedding.objects.get(image=images["yellow"])
    vector = bytearray(row.vector)
    vector[1] ^= 1
    ImageEmbedding.objects.filter(pk=row.pk).update(vector=bytes(vector))


def lose_vector(images: dict[str, Image]) -> None:
    ImageEmbedding.objects.filter(image=images["orange"]).delete()


def damage_caption(images: dict[str, Image]) -> None:
    row = SentenceEmbedding.objects.filter(image=images["red"]).first()
    assert row is not None
    SentenceEmbedding.objects.filter(pk=row.pk).update(vector=bytes(len(row.vector)))


def lose_caption(images: dict[str, Image]) -> None:
    SentenceEmbedding.objects.filter(image=images["blue"]).delete()


def change_words(images: dict[str, Image]) -> None:
    ImageText.objects.filter(pk=images["red"].pk).update(caption="zeppelin")


def abandon_job(images: dict[str, Image]) -> None:
    job = Job.objects.create(kind=Job.Kind.EXPORT, params={"model": 0})
    claimed = Job.objects.claim(job.pk)
    assert claimed is not None
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(minutes=10))


def leave_files(images: dict[str, Image]) -> None:
    digest = hashlib.sha256(b"gone").hexdigest()
    name = f"originals/{digest[:2]}/{digest}.jpg"
    default_storage.save(name, ContentFile(b"gone"))
    age(Path(default_storage.path(name)))


def leave_build(images: dict[str, Image]) -> None:
    live = IndexVersion.objects.active()
    assert live is not None
    shutil.copytree(folder_of(live), folder_of(live).parent / ("a" * 32))
    age(folder_of(live).parent / ("a" * 32))


def damage_index(images: dict[str, Image]) -> None:
    live = IndexVersion.objects.active()
    assert live is not None
    file = folder_of(live) / "index.faiss"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()
    file.write_bytes(bytes(content))


KINDS: dict[str, tuple[Callable[[dict[str, Image]], None], str]] = {
    "files": (lose_original, "doctor.original_missing"),
    "files, damaged": (damage_original, "doctor.original_damaged"),
    "sizes": (lose_rendition, "doctor.rendition_broken"),
    "sizes, cut short": (cut_rendition, "doctor.rendition_broken"),
    "vectors": (damage_vector, "doctor.vector_damaged"),
    "vectors, lost": (lose_vector, "doctor.vector_missing"),
    "captions": (damage_caption, "doctor.caption_damaged"),
    "captions, lost": (lose_caption, "doctor.caption_unread"),
    "words": (change_words, "doctor.words_differ"),
    "jobs": (abandon_job, "doctor.job_abandoned"),
    "leftovers": (leave_files, "doctor.left_over"),
    "leftovers of a build": (leave_build, "doctor.left_over"),
    "indexes": (damage_index, "doctor.index_unusable"),
}


def test_one_of_each_kind_is_found_and_mended(gallery: dict[str, Image]) -> None:
    assert examined() == (Counter(), {"found": 0, "mended": 0, "checks": _counts()}, 0)
    for damage, _ in KINDS.values():
        damage(gallery)
    injected = Counter(code for _, code in KINDS.values())
    found, total, status = examined()
    assert (found, total["mended"], status) == (injected, 0, 3)
    found, total, status = examined("--repair")
    assert (found, total["mended"], status) == (injected, sum(injected.values()), 0)
    assert set(examined()[0]) == set()
    assert (examined()[2], SentenceChange.objects.count()) == (0, 0)
    engine_holder.reset()
    for colour in ("yellow", "orange", "red"):
        page = search_images(SearchQuery.of(f"something {colour}", limit=1), user=None)
        assert page.results[0].image.title.startswith(colour)
        assert not page.notices


def _counts() -> dict[str, dict[str, int]]:
    return {name: {"found": 0, "mended": 0} for name in CHECKS}


def test_what_cannot_be_mended_is_told_again(gallery: dict[str, Image]) -> None:
    lost = gallery["red"]
    default_storage.delete(str(lost.file))
    for _ in range(2):
        found, total, status = examined("--repair")
        assert (found, total["mended"], status) == (Counter({"doctor.original_missing": 1}), 0, 3)


def test_an_import_brings_back_what_is_missing(gallery: dict[str, Image], source: Path) -> None:
    lost = gallery["red-imported.jpg"]
    for name in (str(lost.file), lost.thumbnail_name):
        default_storage.delete(name)
    job = run(Job.Kind.IMPORT, path=str(source))
    assert (job.result["already_there"], job.result["restored"]) == (2, 1)
    assert examined()[2] == 0
    assert run(Job.Kind.IMPORT, path=str(source)).result["restored"] == 0


def test_a_vector_indexed_before_it_was_damaged_back_is_found(gallery: dict[str, Image]) -> None:
    """An index whose files are whole, but which says something else than the rows."""
    one, other = gallery["red"], gallery["blue"]
    rows = {row.image_id: row for row in ImageEmbedding.objects.filter(image__in=(one, other))}
    row = rows[one.pk]
    row.vector = rows[other.pk].vector
    row.checksum = rows[other.pk].checksum
    row.save()
    assert examined()[0] == {"doctor.index_differs": IndexVersion.objects.count()}
    assert examined("--repair")[2] == 0
    assert examined()[0] == {}


def test_vectors_from_before_there_were_checksums_get_one(gallery: dict[str, Image]) -> None:
    ImageEmbedding.objects.update(checksum=None)
    assert examined()[2] == 0
    assert ImageEmbedding.objects.filter(checksum=None).exists()
    assert examined("--repair")[2] == 0
    assert not ImageEmbedding.objects.filter(checksum=None).exists()
    damage_vector(gallery)
    assert examined()[0] == {"doctor.vector_damaged": 1}


def test_damaged_squares_of_wide_pictures_are_made_again(gallery: dict[str, Image]) -> None:
    wide = add_picture("red", size=(120, 40))
    run(Job.Kind.EMBED)
    rows = SquareEmbedding.objects.filter(image=wide)
    sound = list(rows.order_by("end").values_list("vector", flat=True))
    damaged = bytes(len(bytes(sound[0])))
    rows.filter(end=1).update(vector=damaged)
    assert examined()[0] == {"doctor.vector_damaged": 1}
    assert examined("--repair")[2] == 0
    assert list(rows.order_by("end").values_list("vector", flat=True)) == sound
    assert examined()[0] == {}


@pytest.mark.parametrize("value", ["nan", "inf", "0", "2"])
def test_what_is_no_unit_vector_needs_no_checksum(gallery: dict[str, Image], value: str) -> None:
    import numpy as np

    row = ImageEmbedding.objects.get(image=gallery["red"])
    bad = np.full(len(row.vector) // 4, float(value), dtype=np.float32)
    ImageEmbedding.objects.filter(pk=row.pk).update(vector=pack(bad), checksum=None)
    assert examined("--only=vectors")[0] == {"doctor.vector_damaged": 1}


class TestInterrupted:
    def test_it_goes_on_where_it_was(
        self, gallery: dict[str, Image], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gallery.pipelines.doctor.files.BATCH", 2)
        lose_rendition(gallery)
        change_words(gallery)
        told: list[str] = []

        def killed(check: str, finding: Finding) -> None:
            told.append(finding.message.code)
            if check == "words":
                raise KeyboardInterrupt

        job = Job.objects.create(kind=Job.Kind.DOCTOR, params={"repair": False})
        with pytest.raises(KeyboardInterrupt):
            run_job(job.pk, lambda *arguments: examine(*arguments, tell=killed))
        assert told == ["doctor.rendition_broken", "doctor.words_differ"]
        looked: list[str] = []
        real = dict(CHECKS)
        for name, check in real.items():

            def noted(*arguments: Any, name: str = name, check: Any = check) -> Any:
                looked.append(name)
                return check(*arguments)

            monkeypatch.setitem(CHECKS, name, noted)
        again = run(Job.Kind.DOCTOR, repair=False)
        assert looked == ["words", "jobs", "leftovers", "indexes"]
        found = {name: each["found"] for name, each in again.result["checks"].items()}
        assert (found["files"], found["words"]) == (1, 1)
        looked.clear()
        run(Job.Kind.DOCTOR, repair=False)
        assert looked == list(CHECKS), "one that ended is not gone on with"


class TestByNight:
    def test_a_worker_looks_once(
        self,
        gallery: dict[str, Image],
        settings: LazySettings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        now = timezone.now().replace(hour=4)
        monkeypatch.setattr(timezone, "now", lambda: now)
        settings.CONTEXTVISION_DOCTOR_HOUR = 5
        maintain()
        assert not Job.objects.unfinished().exists()
        settings.CONTEXTVISION_DOCTOR_HOUR = 23
        lose_rendition(gallery)
        leave_files(gallery)
        maintain()
        [job] = Job.objects.unfinished()
        assert job.kind == Job.Kind.DOCTOR
        run_job(job.pk)
        job.refresh_from_db()
        assert job.status == Job.Status.SUCCEEDED, job.error
        assert sum(each["mended"] for each in job.result["checks"].values()) == 2
        maintain()
        assert not Job.objects.unfinished().exists()

    def test_it_does_not_empty_the_folder_of_a_database_that_was_put_back(
        self, gallery: dict[str, Image], data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gallery.pipelines.doctor.leftovers.FEW", 2)
        for name in ("red", "green"):
            Image.objects.filter(pk=gallery[name].pk).delete()
        age(data_dir / "media")
        names = {str(gallery[name].file) for name in ("red", "green")}
        job = run(Job.Kind.DOCTOR, repair=True, unasked=True, checks=["leftovers"])
        assert [each["code"] for each in job.result["examples"]] == ["doctor.too_many_left_over"]
        assert all(map(default_storage.exists, names))
        assert examined("--repair", "--only=leftovers")[2] == 0
        assert not any(map(default_storage.exists, names))


def test_what_a_killed_web_server_leaves_is_swept(
    settings: LazySettings, tmp_path: Path, data_dir: Path
) -> None:
    """Bodies that were put aside, pictures and examples half written, figures of a dead process."""
    import subprocess

    ended = subprocess.Popen(["true"])
    ended.wait()
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "temporary")
    settings.DATA_DIR = data_dir
    picture = add_picture("red")
    left = [
        tmp_path / "temporary" / "tmpabcdefgh.upload.jpg",
        tmp_path / "temporary" / f"contextvision-metrics-{ended.pid}-xyz" / "counter.db",
        Path(default_storage.path(str(picture.file))).parent / ".tmp-abcdefgh",
        Path(settings.MEDIA_ROOT) / "examples" / ".tmp-abcdefgh",
        data_dir / ".secret-abcdefgh",
        data_dir / "models" / ".tmp-model" / "model.safetensors",
    ]
    spared = [
        tmp_path / "temporary" / "somebody.upload.jpg",
        tmp_path / "temporary" / f"contextvision-metrics-{os.getpid()}-xyz" / "counter.db",
        tmp_path / "temporary" / "tmpyoungone.upload.jpg",
    ]
    for path in (*left, *spared):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    for path in left + spared[:2]:
        age(path.parent if path.parent.name.startswith(("contextvision", ".tmp")) else path)
    # What removes example pictures that were kept for long enough passes by one on its way in.
    from gallery.examples import remove_expired_examples

    assert remove_expired_examples() == 0
    assert examined("--only=leftovers")[0] == {"doctor.left_over": len(left)}
    assert examined("--only=leftovers", "--repair")[2] == 0
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in spared)
    assert examined("--only=leftovers")[0] == {}
