"""A real worker that is told to stop, as an upgrade does it, and the one that comes after it."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from contextvision_site.celery import app
from contextvision_site.settings.test import TEST_DATA_DIR
from gallery.models import EmbeddingChunk, ImageEmbedding, Job
from gallery.models.job import LEASE
from gallery.services import jobs
from mlcore.i18n import Message
from tests.flows.waiting_worker import CHUNK, WAIT
from tests.flows.worker import running_worker, wait_until
from tests.pictures_of_colours import add_many

pytestmark = pytest.mark.django_db(transaction=True)

STUB = "tests.flows.waiting_worker"
PATIENCE = 20
"""Seconds until a worker with nothing but safe points before it has ended, on a busy machine; far
less than the two minutes that Compose gives it, and than the lease."""


@pytest.fixture(autouse=True)
def _shared_folders(settings: LazySettings) -> Iterator[None]:
    settings.MEDIA_ROOT = str(TEST_DATA_DIR / "media")
    settings.INDEX_DIR = TEST_DATA_DIR / "indexes"
    app.control.purge()
    yield
    app.control.purge()


def test_the_next_worker_goes_on_at_once(tmp_path: Path) -> None:
    pace = {WAIT: "0.05", CHUNK: "64"}
    log = tmp_path / "first.log"
    with running_worker(log, app=STUB, **pace) as worker:
        pictures = list(dict.fromkeys(add_many(400)))
        job = jobs.start(Job.Kind.EMBED, key=Job.Kind.EMBED)
        wait_until(ImageEmbedding.objects.exists, seconds=60, what="the first vectors")
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE)
    assert worker.returncode == 0, log.read_text()[-3000:]
    job.refresh_from_db()
    done = ImageEmbedding.objects.count()
    assert 0 < done < len(pictures)
    assert (job.status, job.attempt) == (Job.Status.QUEUED, 0)
    assert job.enqueued_at is not None, "its message waits in the queue already"
    assert job.events.filter(message=Message("job.handed_back")).exists()
    assert not EmbeddingChunk.objects.exclude(lease_until=None).exists()

    started = time.monotonic()
    with running_worker(
        tmp_path / "second.log", hostname="w2@test", app=STUB, **{WAIT: "0", CHUNK: "64"}
    ):
        wait_until(lambda: _has_ended(job), seconds=60, what="the end of the job")
    # Its own start included, which imports torch.
    assert time.monotonic() - started < LEASE.total_seconds()
    assert job.status == Job.Status.SUCCEEDED, job.error
    assert job.result["embedded"] == len(pictures)
    assert ImageEmbedding.objects.count() == len(pictures)


def _has_ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_finished
