"""Jobs: claimed once, owned by one run, brought back when their worker dies."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from gallery.models import Failure, Job
from gallery.pipelines import runner
from gallery.pipelines.runner import run_job
from gallery.services import jobs
from mlcore.errors import DatasetError
from mlcore.progress import Progress

pytestmark = pytest.mark.django_db


def queued(**fields: Any) -> Job:
    return Job.objects.create(kind=Job.Kind.INDEX, **fields)


def nothing(job: Job, progress: Progress) -> dict[str, Any]:
    return {}


def test_a_job_is_claimed_once() -> None:
    job = queued()
    first = Job.objects.claim(job.pk)
    assert first is not None
    assert first.attempt == 1
    assert first.token is not None
    assert first.lease_until is not None
    assert Job.objects.claim(job.pk) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.requires_postgres
def test_many_claims_at_once_give_one_run() -> None:
    job = queued()
    claims: list[Job | None] = []
    start = threading.Barrier(8)

    def claim() -> None:
        start.wait()
        claims.append(Job.objects.claim(job.pk))
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([claim for claim in claims if claim]) == 1


def test_a_delivery_more_does_nothing() -> None:
    job = queued()
    runs: list[int] = []

    def body(job: Job, progress: Progress) -> dict[str, Any]:
        runs.append(job.pk)
        return {"n": 1}

    for _ in range(3):
        run_job(job.pk, body)
    assert runs == [job.pk]
    job.refresh_from_db()
    assert job.status == Job.Status.SUCCEEDED
    assert job.result == {"n": 1}
    assert job.finished_at is not None
    assert job.lease_until is None


def test_an_expected_failure_reads_differently_from_a_defect() -> None:
    def expected(job: Job, progress: Progress) -> dict[str, Any]:
        raise DatasetError("The folder holds no pictures.")

    def defect(job: Job, progress: Progress) -> dict[str, Any]:
        raise ZeroDivisionError("division by zero")

    first, second = queued(), queued()
    run_job(first.pk, expected)
    run_job(second.pk, defect)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.error, first.is_defect) == (
        Job.Status.FAILED,
        "The folder holds no pictures.",
        False,
    )
    assert second.status == Job.Status.FAILED
    assert second.is_defect
    assert second.error == "ZeroDivisionError: division by zero"


def test_progress_is_written_and_cancelling_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_WRITE_INTERVAL", 0.0)
    job = queued()
    seen: list[int] = []

    def body(job: Job, progress: Progress) -> dict[str, Any]:
        for done in range(1, 100):
            progress.report(done, 100, "Counting")
            if progress.should_stop():
                return {"done": done}
            if done == 5:
                row = Job.objects.get(pk=job.pk)
                seen.extend([row.done, row.total])
                assert row.cancel()
        return {}

    run_job(job.pk, body)
    job.refresh_from_db()
    assert seen == [5, 100]
    assert job.status == Job.Status.CANCELLED
    assert job.result == {"done": 6}
    assert job.message == "Counting"


def test_a_waiting_job_is_cancelled_at_once_and_never_runs() -> None:
    job = queued()
    jobs.cancel(job)
    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    run_job(job.pk, lambda job, progress: pytest.fail("it ran"))
    with pytest.raises(jobs.JobError, match="nothing to cancel"):
        jobs.cancel(job)


def test_a_run_that_lost_its_job_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_WRITE_INTERVAL", 0.0)
    job = queued()

    def body(job: Job, progress: Progress) -> dict[str, Any]:
        # Another worker takes over after this one was silent for longer than its lease.
        Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(hours=1))
        [abandoned] = Job.objects.abandoned()
        assert abandoned.requeue()
        other = Job.objects.claim(job.pk)
        assert other is not None
        progress.report(1, 2)
        return {"from": "the loser"}

    run_job(job.pk, body)
    job.refresh_from_db()
    assert job.status == Job.Status.RUNNING
    assert job.attempt == 2
    assert job.result == {}


def test_a_job_whose_workers_keep_dying_is_set_aside() -> None:
    job = queued()
    for attempt in range(1, Job.MAX_ATTEMPTS + 1):
        claimed = Job.objects.claim(job.pk)
        assert claimed is not None
        assert claimed.attempt == attempt
        Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))
        [abandoned] = Job.objects.abandoned()
        assert abandoned.requeue()
    job.refresh_from_db()
    assert job.status == Job.Status.FAILED
    assert "died 3 times" in job.error
    assert Job.objects.claim(job.pk) is None


def test_one_unfinished_job_per_key() -> None:
    first = jobs.start(Job.Kind.INDEX, key="index")
    assert jobs.start(Job.Kind.INDEX, key="index") == first
    assert jobs.start(Job.Kind.INDEX) != first
    run_job(first.pk, nothing)
    assert jobs.start(Job.Kind.INDEX, key="index") != first


def test_retry_repeats_a_finished_job_only() -> None:
    job = queued(params={"model": "starter"})
    with pytest.raises(jobs.JobError, match="has not ended"):
        jobs.retry(job)
    run_job(job.pk, nothing)
    job.refresh_from_db()
    again = jobs.retry(job)
    assert again.pk != job.pk
    assert again.params == {"model": "starter"}
    assert again.status == Job.Status.QUEUED


def test_ctrl_c_ends_the_job_as_cancelled() -> None:
    job = queued()

    def body(job: Job, progress: Progress) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(job.pk, body)
    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED


def test_a_failure_is_listed_once_and_counts_its_attempts() -> None:
    for reason in ("first", "second"):
        Failure.objects.record(Failure.Stage.IMPORT, "a.jpg", reason)
    [failure] = Failure.objects.all()
    assert (failure.reason, failure.attempts) == ("second", 2)
