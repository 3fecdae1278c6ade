"""Jobs: claimed once, owned by one run, brought back when their worker dies."""

import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from gallery.jobs import runner
from gallery.jobs.runner import run_job
from gallery.models import Failure, Job, WorkerPulse
from gallery.services import jobs
from mlcore.errors import DatasetError
from mlcore.i18n import Message
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
        raise DatasetError("index.no_vectors", model=Path("m"))

    def defect(job: Job, progress: Progress) -> dict[str, Any]:
        raise ZeroDivisionError("division by zero")

    first, second = queued(), queued()
    run_job(first.pk, expected)
    run_job(second.pk, defect)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.error, first.is_defect) == (
        Job.Status.FAILED,
        Message.of("index.no_vectors", model="m"),
        False,
    )
    assert second.status == Job.Status.FAILED
    assert second.is_defect
    assert second.error == Message.of(
        "job.defect", type="ZeroDivisionError", text="division by zero"
    )
    assert str(second.error) == "ZeroDivisionError: division by zero"


def test_progress_is_written_and_cancelling_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_WRITE_INTERVAL", 0.0)
    job = queued()
    seen: list[int] = []

    def body(job: Job, progress: Progress) -> dict[str, Any]:
        for done in range(1, 100):
            progress.report(done, 100, Message("stage.placeholders"))
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
    assert job.message == Message("stage.placeholders")


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
    assert "died 3 times" in str(job.error)
    assert Job.objects.claim(job.pk) is None


class TestTurns:
    """Of trainings and evaluations one runs at once."""

    def heavy(self, kind: Job.Kind = Job.Kind.TRAIN) -> Job:
        return Job.objects.create(kind=kind, enqueued_at=timezone.now())

    def was_sent(self, job: Job, when: timedelta) -> None:
        """Note when the message was sent, from now."""
        Job.objects.filter(pk=job.pk).update(enqueued_at=timezone.now() + when)

    def test_the_second_stays_queued_until_the_first_has_ended(self) -> None:
        first, second = self.heavy(), self.heavy(Job.Kind.EVALUATE)
        running = Job.objects.claim(first.pk)
        assert running is not None
        run_job(second.pk, lambda job, progress: pytest.fail("it ran"))
        second.refresh_from_db()
        assert (second.status, second.attempt) == (Job.Status.QUEUED, 0)
        assert second.waits_for == first
        assert Job.objects.claim(queued().pk) is not None, "other kinds are not held up"
        running.finish(Job.Status.SUCCEEDED)
        assert second.waits_for is None
        assert Job.objects.claim(second.pk) is not None

    def test_the_next_is_sent_once_when_its_turn_has_come(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[int] = []

        def send(job: Job) -> bool:
            sent.append(job.pk)
            self.was_sent(job, timedelta(seconds=1))
            return True

        monkeypatch.setattr(jobs, "send", send)
        first, second, third = self.heavy(), self.heavy(), self.heavy()
        running = Job.objects.claim(first.pk)
        assert running is not None
        # However long the first takes, no message is sent in vain.
        for job in (second, third):
            self.was_sent(job, -timedelta(hours=1))
        for _ in range(3):
            assert jobs.recover() == 0
        for job in (second, third):
            self.was_sent(job, -timedelta(minutes=1))
        running.finish(Job.Status.SUCCEEDED)
        for _ in range(3):
            jobs.recover()
        assert sent == [second.pk]
        running = Job.objects.claim(second.pk)
        assert running is not None
        self.was_sent(second, -timedelta(seconds=5))
        running.finish(Job.Status.CANCELLED)
        jobs.recover()
        assert sent == [second.pk, third.pk]

    def test_one_that_was_set_back_after_its_worker_died_is_sent(self) -> None:
        job = self.heavy()
        claimed = Job.objects.claim(job.pk)
        assert claimed is not None
        assert claimed.requeue()
        assert [lost.pk for lost in Job.objects.undelivered(jobs.RESEND_AFTER)] == [job.pk]

    def test_a_message_that_was_lost_is_sent_again_within_90_seconds(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[int] = []

        def send(job: Job) -> bool:
            sent.append(job.pk)
            return True

        monkeypatch.setattr(jobs, "send", send)
        job = self.heavy()
        self.was_sent(job, -timedelta(seconds=30))
        assert jobs.recover() == 0
        self.was_sent(job, WorkerPulse.INTERVAL - timedelta(seconds=90))
        assert jobs.recover() == 1
        assert sent == [job.pk]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.requires_postgres
    def test_many_claims_of_different_jobs_at_once_give_one_run(self) -> None:
        waiting = [self.heavy() for _ in range(6)]
        claims: list[Job | None] = []
        start = threading.Barrier(len(waiting))

        def claim(pk: int) -> None:
            start.wait()
            claims.append(Job.objects.claim(pk))
            connection.close()

        threads = [threading.Thread(target=claim, args=(job.pk,)) for job in waiting]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([one for one in claims if one]) == 1


class TestWatchedSteps:
    """What a body that measures for long, and reports nothing, can rely on."""

    def test_a_wish_to_stop_is_seen_within_a_second(self) -> None:
        job = queued()
        waited: list[float] = []

        def body(job: Job, progress: Progress) -> dict[str, Any]:
            assert not progress.should_stop()
            Job.objects.get(pk=job.pk).cancel()
            asked = time.monotonic()
            while not progress.should_stop():
                time.sleep(0.01)
            waited.append(time.monotonic() - asked)
            raise runner.StoppedError

        run_job(job.pk, body)
        job.refresh_from_db()
        assert job.status == Job.Status.CANCELLED
        assert waited[0] < 1.0

    def test_points_are_kept_and_those_of_a_lost_run_replaced(self) -> None:
        job = queued()

        def points(start: int) -> Any:
            def body(job: Job, progress: Progress) -> dict[str, Any]:
                for step in range(start, start + 3):
                    progress.measured({"kind": "step", "step": step, "epoch": 1, "loss": 0.5})
                    progress.measured({"kind": "epoch", "step": step, "epoch": step, "loss": 0.5})
                return {}

            return body

        run_job(job.pk, points(1))
        kept = list(job.metrics.values_list("step", "values__kind"))
        # Steps follow each other within milliseconds here; one a second is enough to draw.
        assert kept == [(1, "step"), (1, "epoch"), (2, "epoch"), (3, "epoch")]
        Job.objects.filter(pk=job.pk).update(status=Job.Status.QUEUED)
        run_job(job.pk, points(2))
        epochs = job.metrics.filter(values__kind="epoch").values_list("step", flat=True)
        assert list(epochs) == [1, 2, 3, 4]

    def test_a_lost_job_is_noticed_where_it_asks(self) -> None:
        job = queued()
        reached: list[str] = []

        def body(job: Job, progress: Progress) -> dict[str, Any]:
            Job.objects.filter(pk=job.pk).update(token=uuid.uuid4())
            progress.should_stop()
            reached.append("after")
            return {}

        run_job(job.pk, body)
        assert reached == []
        job.refresh_from_db()
        assert job.status == Job.Status.RUNNING, "it is another worker's"


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
    first, second = Message("failure.original_changed"), Message("picture.unreadable", {"why": "x"})
    for reason in (first, second):
        Failure.objects.record(Failure.Stage.IMPORT, "a.jpg", reason)
    [failure] = Failure.objects.all()
    assert (failure.reason, failure.attempts) == (second, 2)
