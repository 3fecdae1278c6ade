"""A worker that is told to stop hands its jobs back, and nothing of that counts as a failure."""

from collections.abc import Iterator
from typing import Any

import pytest

from gallery.jobs import shutdown
from gallery.jobs.runner import run_job
from gallery.models import EmbeddingPlan, Job, ModelVersion
from gallery.pipelines.embedding import help_embedding
from gallery.services import jobs
from mlcore.i18n import Message
from mlcore.progress import Progress
from tests.encoders import ColourEncoder
from tests.pictures_of_colours import add_picture

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _going_on_afterwards() -> Iterator[None]:
    yield
    shutdown.requested.clear()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    numbers: list[int] = []

    def send(job: Job) -> bool:
        numbers.append(job.pk)
        return True

    monkeypatch.setattr(jobs, "send", send)
    return numbers


def queued() -> Job:
    return Job.objects.create(kind=Job.Kind.INDEX)


def told_to_stop(job: Job, progress: Progress) -> dict[str, Any]:
    shutdown.requested.set()
    return {"stopped": progress.should_stop()}


def test_a_job_waits_for_another_worker_from_its_next_safe_point_on(sent: list[int]) -> None:
    job = queued()
    run_job(job.pk, told_to_stop)
    job.refresh_from_db()
    assert (job.status, job.attempt, job.token, job.lease_until, job.result) == (
        Job.Status.QUEUED,
        0,
        None,
        None,
        {},
    )
    assert job.events.latest("pk").message == Message("job.handed_back")
    jobs.recover()
    assert sent == [job.pk]
    shutdown.requested.clear()
    run_job(job.pk, lambda job, progress: {"n": 1})
    job.refresh_from_db()
    assert (job.status, job.attempt, job.result) == (Job.Status.SUCCEEDED, 1, {"n": 1})


def test_however_often_it_is_handed_back_it_is_never_set_aside() -> None:
    job = queued()
    for _ in range(Job.MAX_ATTEMPTS + 2):
        shutdown.requested.clear()
        run_job(job.pk, told_to_stop)
        job.refresh_from_db()
        assert job.status == Job.Status.QUEUED
    shutdown.requested.clear()
    claimed = Job.objects.claim(job.pk)
    assert claimed is not None
    assert claimed.attempt == 1


def test_what_is_done_is_finished_and_not_done_again() -> None:
    job = queued()

    def body(job: Job, progress: Progress) -> dict[str, Any]:
        assert not progress.should_stop()
        shutdown.requested.set()
        progress.report(1, 1)
        return {"n": 1}

    run_job(job.pk, body)
    job.refresh_from_db()
    assert (job.status, job.result) == (Job.Status.SUCCEEDED, {"n": 1})


def test_a_job_that_was_cancelled_is_not_handed_on() -> None:
    job = queued()

    def body(job: Job, progress: Progress) -> dict[str, Any]:
        shutdown.requested.set()
        Job.objects.get(pk=job.pk).cancel()
        return {"stopped": progress.should_stop()}

    run_job(job.pk, body)
    job.refresh_from_db()
    assert (job.status, job.result) == (Job.Status.CANCELLED, {"stopped": True})


def test_a_worker_that_stops_begins_nothing(sent: list[int]) -> None:
    job = queued()
    Job.objects.filter(pk=job.pk).update(enqueued_at=job.created_at)
    shutdown.requested.set()
    run_job(job.pk, lambda job, progress: pytest.fail("it ran"))
    job.refresh_from_db()
    assert (job.status, job.attempt) == (Job.Status.QUEUED, 0)
    jobs.recover()
    assert sent == [job.pk]


def test_a_helper_leaves_the_rest_to_others(colours: ColourEncoder) -> None:
    add_picture("red")
    job = Job.objects.create(kind=Job.Kind.EMBED)
    plan = EmbeddingPlan.objects.begin(job, ModelVersion.objects.for_encoder(colours))
    shutdown.requested.set()
    help_embedding(job.pk)
    assert plan.claim("another") is not None
