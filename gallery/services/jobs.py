"""Starting, stopping and repeating jobs, and bringing lost ones back."""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from gallery import tasks
from gallery.access import require
from gallery.jobs.kinds import KINDS, Body
from gallery.jobs.runner import run_job
from gallery.models import EmbeddingPlan, Failure, Job, WorkerPulse
from mlcore.errors import ContextVisionError
from mlcore.progress import Progress

logger = logging.getLogger(__name__)

RESEND_AFTER = timedelta(seconds=70)
"""A queued job whose message is older is sent again: a restarted broker may have lost it.

With the pause between two rounds of maintenance that is less than 90 s. A message too many does no
harm: only one worker can claim a job.
"""


class JobError(ContextVisionError):
    """A job cannot be started, stopped or repeated in the state it is in."""


def start(
    kind: Job.Kind, params: dict[str, Any] | None = None, *, user: User | None = None, key: str = ""
) -> Job:
    """Queue a job: its row first, its message once the row is committed.

    ``key`` names work of which one job is enough: while one with the same key is unfinished, that
    one is returned. With the broker out of reach the job waits as a row, and is sent later.
    """
    job = _create(kind, params, user, key)
    if job.enqueued_at is None:
        transaction.on_commit(partial(send, job))
    return job


def run_here(
    kind: Job.Kind,
    params: dict[str, Any],
    *,
    watcher: Progress,
    user: User | None = None,
    body: Body | None = None,
    key: str = "",
) -> Job:
    """Run a job in this process instead of a worker, and return it finished; ``body`` may stand in
    for that of its kind.

    With a ``key`` of which another job is under way it is that one, as it is.
    """
    job = _create(kind, params, user, key)
    run_job(job.pk, body, watcher=watcher)
    job.refresh_from_db()
    return job


def _create(kind: Job.Kind, params: dict[str, Any] | None, user: User | None, key: str) -> Job:
    try:
        with transaction.atomic():
            return Job.objects.create(kind=kind, params=params or {}, created_by=user, key=key)
    except IntegrityError:
        waiting = Job.objects.unfinished().filter(key=key).first()
        return waiting or _create(kind, params, user, key)


def send(job: Job) -> bool:
    """Put the job's message into the queue; tell whether the broker took it."""
    try:
        queue = KINDS[job.kind].queue
        tasks.run_job.apply_async((job.pk,), queue=queue, retry=False)
    except Exception as error:  # kombu raises the transport's own kinds of errors
        logger.warning("%s waits: the broker cannot be reached (%s).", job, error)
        return False
    Job.objects.filter(pk=job.pk).update(enqueued_at=Now())
    return True


def cancel(job: Job) -> None:
    """Stop a job at its next safe point; what it finished stays."""
    if not job.cancel():
        raise JobError("job.has_ended", job=str(job))


def retry(job: Job, *, user: User | None = None) -> Job:
    """Start a finished job again, as a new one with the same parameters.

    Raises:
        PermissionDenied: whoever asks may start none of its kind.
        JobError: it has not ended.
    """
    if user is not None:
        require(user, KINDS[job.kind].permission)
    if not job.is_finished:
        raise JobError("job.has_not_ended", job=str(job))
    return start(Job.Kind(job.kind), job.params, user=user, key=job.key)


def retry_failure(failure: Failure, *, user: User | None = None) -> Job:
    """Try one item of the ledger again; its row goes when the item succeeds."""
    [job] = retry_failures([failure], user=user)
    return job


def retry_failures(failures: Iterable[Failure], *, user: User | None = None) -> list[Job]:
    """Try items of the ledger again, with one job for each place that they came from.

    Raises:
        JobError: it is not known any more where one of them came from; none is retried then.
    """
    pictures: list[Failure] = []
    sources: dict[int, list[Failure]] = {}
    for failure in failures:
        if not failure.is_traceable:
            raise JobError("failure.untraceable", item=failure.item)
        if failure.stage == Failure.Stage.EMBED:
            pictures.append(failure)
        else:
            sources.setdefault(failure.job_id or 0, []).append(failure)
    with transaction.atomic():
        started = [_import_again(group, user) for group in sources.values()]
        if pictures:
            ids = [failure.image_id for failure in pictures]
            Failure.objects.filter(pk__in=[failure.pk for failure in pictures]).update(attempts=0)
            started.append(start(Job.Kind.EMBED, {"images": ids}, user=user))
    return list(dict.fromkeys(started))


def _import_again(failures: Sequence[Failure], user: User | None) -> Job:
    """Import these records of one source once more."""
    job = failures[0].job
    assert job is not None  # noqa: S101  (those without a job were refused)
    if job.kind == Job.Kind.SYNC:
        return start(Job.Kind.SYNC, {**job.params, "again": True}, user=user, key=job.key)
    prefix = f"{Path(job.params['path']).name}: "
    names = [failure.item.removeprefix(prefix) for failure in failures]
    return start(Job.Kind.IMPORT, {**job.params, "only": names}, user=user)


def recover() -> int:
    """Bring back jobs whose worker died and messages that were lost; return how many."""
    for job in Job.objects.abandoned():
        logger.warning("%s: no sign of life from its worker.", job)
        job.requeue()
    lost = [job for job in Job.objects.undelivered(RESEND_AFTER) if job.waits_for is None]
    # A worker that found the place taken let go of the message, so it is sent once more.
    turn = Job.objects.next_in_turn()
    if turn is not None and turn not in lost:
        lost.append(turn)
    return sum(send(job) for job in lost)


def invite_helpers() -> int:
    """Ask the workers to take part in embeddings that have enough left to share; return how many.

    An invitation that nobody has time for, or that reaches a worker which is at it already, comes
    to nothing; there will be others.
    """
    listening = WorkerPulse.objects.alive().filter(queues__contains="embed").count()
    sent = 0
    for plan in EmbeddingPlan.objects.worth_sharing():
        for _ in range(listening):
            try:
                tasks.help_embedding.apply_async(
                    (plan.job_id,), expires=WorkerPulse.INTERVAL.total_seconds(), retry=False
                )
            except Exception as error:  # as in send()
                logger.warning("Nobody is asked to help: the broker cannot be reached (%s).", error)
                return sent
            sent += 1
    return sent
