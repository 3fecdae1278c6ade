"""One embedding and several real workers: shared, and finished whoever dies."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now

from contextvision_site.celery import app
from contextvision_site.settings.test import TEST_DATA_DIR
from gallery.models import (
    EmbeddingChunk,
    EmbeddingPlan,
    Failure,
    Image,
    ImageEmbedding,
    Job,
    MaintenanceTurn,
)
from gallery.services import jobs
from tests.flows.waiting_worker import CHUNK, WAIT
from tests.flows.worker import running_worker, started_worker, wait_until
from tests.pictures_of_colours import add_many, add_picture

pytestmark = pytest.mark.django_db(transaction=True)

Worker = subprocess.Popen[bytes]
STUB = "tests.flows.waiting_worker"


@pytest.fixture(autouse=True)
def _shared_folders(settings: LazySettings) -> Iterator[None]:
    settings.MEDIA_ROOT = str(TEST_DATA_DIR / "media")
    settings.INDEX_DIR = TEST_DATA_DIR / "indexes"
    app.control.purge()
    yield
    app.control.purge()


@contextmanager
def two_workers(tmp_path: Path, wait: float) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        pace = {WAIT: str(wait), CHUNK: "16"}
        names = ("w1@test", "w2@test")
        yield [
            stack.enter_context(
                running_worker(tmp_path / f"{name}.log", hostname=name, app=STUB, **pace)
            )
            for name in names
        ]


def add_and_embed(count: int) -> tuple[list[Image], Job]:
    """Add pictures and queue their embedding, if the workers have not noticed them already."""
    pictures = list(dict.fromkeys(add_many(count)))  # some shades make the same file
    return pictures, jobs.start(Job.Kind.EMBED, key=Job.Kind.EMBED)


def at_work() -> list[int]:
    """Process ids of the workers that have a chunk, in the order they took it."""
    taken = EmbeddingChunk.objects.exclude(worker="").order_by("pk")
    names = taken.values_list("worker", flat=True)
    return [int(name.removeprefix(f"{socket.gethostname()}:")) for name in names]


def joined(count: int) -> list[int]:
    """Wait for so many workers to take part, and return them in the order they joined.

    They are gathered over time: at any one moment, one of them may be between two chunks.
    """
    seen: dict[int, None] = {}

    def all_have() -> bool:
        seen.update(dict.fromkeys(at_work()))
        return len(seen) == count

    wait_until(all_have, seconds=90, what=f"work by {count} workers")
    return list(seen)


def let_leases_end() -> None:
    """Go on as if a minute had passed."""
    past = Now() - timedelta(seconds=1)
    Job.objects.filter(status=Job.Status.RUNNING).update(lease_until=past)
    EmbeddingChunk.objects.exclude(lease_until=None).update(lease_until=past)
    MaintenanceTurn.objects.all().delete()


def ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_finished


def each_has_one_vector(pictures: list[Image]) -> bool:
    ids = list(ImageEmbedding.objects.values_list("image_id", flat=True))
    return sorted(ids) == sorted(picture.pk for picture in pictures)


@pytest.mark.requires_postgres
@pytest.mark.parametrize("victim", ["helper", "leader"])
def test_two_workers_share_and_one_finishes_what_the_other_began(
    victim: str, tmp_path: Path
) -> None:
    with two_workers(tmp_path, wait=0.05) as workers:
        pictures, job = add_and_embed(400)
        leader, helper = joined(2)
        assert {leader, helper} == {worker.pid for worker in workers}
        [killed] = [w for w in workers if w.pid == (leader if victim == "leader" else helper)]
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        assert not ended(job)
        before = EmbeddingPlan.objects.get().handed_out
        wait_until(
            lambda: EmbeddingPlan.objects.get().handed_out > before,
            seconds=30,
            what="the next chunk of the one that lives",
        )
        EmbeddingChunk.objects.filter(worker__endswith=f":{killed.pid}").update(
            lease_until=Now() - timedelta(seconds=1)
        )
        if victim == "leader":
            Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))
        wait_until(lambda: ended(job), seconds=90, what="the end of the job")
    assert job.status == Job.Status.SUCCEEDED, job.error
    assert each_has_one_vector(pictures)
    assert (job.result["embedded"], job.result["failed"]) == (len(pictures), 0)
    assert (job.done, job.total) == (len(pictures), len(pictures))
    assert not EmbeddingPlan.objects.filter(job=job).exists()


@pytest.mark.requires_postgres
def test_cancelling_stops_all(tmp_path: Path) -> None:
    with two_workers(tmp_path, wait=0.05):
        pictures, job = add_and_embed(400)
        joined(2)
        jobs.cancel(job)
        wait_until(lambda: ended(job), seconds=20, what="the end of the job")
        assert not EmbeddingChunk.objects.filter(plan__job=job).exists()
    assert job.status == Job.Status.CANCELLED
    assert 0 < job.result["embedded"] < len(pictures)


def test_work_of_a_killed_worker_is_done_by_the_next(tmp_path: Path) -> None:
    pace = {WAIT: "0.02", CHUNK: "16"}
    log = tmp_path / "worker.log"
    with running_worker(log, app=STUB, **pace) as worker:
        pictures, job = add_and_embed(120)
        wait_until(ImageEmbedding.objects.exists, seconds=60, what="the first vectors")
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    assert not ended(job)
    assert 0 < ImageEmbedding.objects.count() < len(pictures)
    let_leases_end()
    with running_worker(log, hostname="w2@test", app=STUB, **pace):
        wait_until(lambda: ended(job), seconds=90, what="the end of the job")
    assert job.status == Job.Status.SUCCEEDED, job.error
    assert job.result["embedded"] == len(pictures)
    assert each_has_one_vector(pictures)


def test_a_picture_that_kills_every_worker_is_set_aside_alone(tmp_path: Path) -> None:
    good = [*add_many(20), *[add_picture("red", shade=shade) for shade in (50, 51)]]
    deadly = add_picture("red", shade=255)
    good += [add_picture("blue", shade=shade) for shade in (50, 51)]
    job = jobs.start(Job.Kind.EMBED, key=Job.Kind.EMBED)
    for life in range(2):
        log = tmp_path / f"worker{life}.log"
        with started_worker(log, hostname=f"w{life}@test", app=STUB) as worker:
            wait_until(lambda w=worker: w.poll() is not None, seconds=60, what="its death")  # type: ignore[misc]
        assert worker.returncode == -signal.SIGKILL, log.read_text()[-3000:]
        let_leases_end()
    with started_worker(tmp_path / "last.log", hostname="last@test", app=STUB):
        wait_until(lambda: ended(job), seconds=90, what="the end of the job")
    assert job.status == Job.Status.SUCCEEDED, job.error
    assert job.result["failed"] == 1
    assert each_has_one_vector(good)
    failure = Failure.objects.get()
    assert (failure.image, failure.attempts) == (deadly, Failure.MAX_ATTEMPTS)
    assert "2 workers were lost" in str(failure.reason)
