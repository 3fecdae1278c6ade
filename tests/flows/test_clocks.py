"""Workers whose clock is an hour off: leases are by the clock of the database, so nobody takes a
job from a worker that lives, and nothing of a dead one is left lying."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now

from contextvision_site.celery import app
from contextvision_site.settings.test import TEST_DATA_DIR
from gallery.models import EmbeddingChunk, ImageEmbedding, Job, MaintenanceTurn
from gallery.models.job import LEASE
from gallery.services import jobs
from mlcore.i18n import Message
from tests.flows.waiting_worker import CHUNK, WAIT
from tests.flows.worker import running_worker, wait_until
from tests.pictures_of_colours import add_many

# SQLite has no clock of its own: whoever asks it is asked. It is for one worker at a time, too.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.requires_postgres]

STUB = "tests.flows.waiting_worker"
ROUNDS = 2
"""Times that somebody looks for jobs whose worker is gone, while all of them live."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What shows another time of day to a process that it is preloaded into."""
    compiler = shutil.which("cc")
    if compiler is None:
        assert "CI" not in os.environ, "needs a C compiler"
        pytest.skip("needs a C compiler")
    made = tmp_path_factory.mktemp("clock") / "other_clock.so"
    source = Path(__file__).with_name("other_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
    return made


def an_hour_off(library: Path, sign: str) -> dict[str, str]:
    return {"LD_PRELOAD": str(library), "SECONDS_OFF": f"{sign}3600"}


def test_a_process_sees_the_other_time(library: Path) -> None:
    script = "import datetime, time; print(time.time(), datetime.datetime.now().timestamp())"
    for sign in "+-":
        seen = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **an_hour_off(library, sign)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        off = [float(each) - time.time() for each in seen]
        assert off == pytest.approx([float(f"{sign}3600")] * 2, abs=60)


@pytest.fixture(autouse=True)
def _shared_folders(settings: LazySettings) -> Iterator[None]:
    settings.MEDIA_ROOT = str(TEST_DATA_DIR / "media")
    settings.INDEX_DIR = TEST_DATA_DIR / "indexes"
    app.control.purge()
    yield
    app.control.purge()


@pytest.mark.parametrize(
    ("is_off", "sign"),
    [
        ("the one that looks after it", "+"),
        pytest.param("the one that looks after it", "-", marks=pytest.mark.slow),
        pytest.param("the one that works", "+", marks=pytest.mark.slow),
        pytest.param("the one that works", "-", marks=pytest.mark.slow),
    ],
)
def test_jobs_stay_with_who_lives_and_go_on_when_he_is_dead(
    sign: str, is_off: str, library: Path, tmp_path: Path
) -> None:
    # Slow, and with all pictures in one hand: the second worker finds nothing to help with.
    pace = {WAIT: "0.3", CHUNK: "1000"}
    skewed = an_hour_off(library, sign)
    first, second = (skewed, {}) if is_off == "the one that works" else ({}, skewed)
    with ExitStack() as stack:
        owner = stack.enter_context(
            running_worker(tmp_path / "first.log", app=STUB, **pace, **first)
        )
        pictures = list(dict.fromkeys(add_many(400)))
        job = jobs.start(Job.Kind.EMBED, key=Job.Kind.EMBED)
        wait_until(lambda: _is_running(job), seconds=60, what="the start of the job")
        stack.enter_context(
            running_worker(
                tmp_path / "second.log",
                hostname="w2@test",
                app=STUB,
                **{**pace, WAIT: "0"},
                **second,
            )
        )
        for _ in range(ROUNDS):
            MaintenanceTurn.objects.all().delete()
            wait_until(MaintenanceTurn.objects.exists, seconds=30, what="maintenance")
            _is_kept(job)

        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
        job.refresh_from_db()
        assert not job.is_finished, "it has to be killed at work"
        # As if a minute had passed for the database.
        past = Now() - 2 * LEASE
        Job.objects.filter(status=Job.Status.RUNNING).update(lease_until=past)
        EmbeddingChunk.objects.exclude(lease_until=None).update(lease_until=past)
        wait_until(lambda: _has_ended(job), seconds=90, what="the end of the job")
    assert job.status == Job.Status.SUCCEEDED, job.error
    assert job.events.filter(message=Message("job.no_sign_of_life")).count() == 1
    assert ImageEmbedding.objects.count() == len(pictures)


def _is_kept(job: Job) -> None:
    """The job is where it was, and its lease neither over nor longer than it should be."""
    job.refresh_from_db()
    assert (job.status, job.attempt) == (Job.Status.RUNNING, 1)
    assert not job.events.filter(message=Message("job.no_sign_of_life")).exists()
    held = Job.objects.filter(lease_until__gt=Now(), lease_until__lte=Now() + LEASE)
    assert held.filter(pk=job.pk).exists()
    time.sleep(0.1)


def _is_running(job: Job) -> bool:
    job.refresh_from_db()
    return job.status == Job.Status.RUNNING


def _has_ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_finished
