"""Pictures to vectors, by one worker or by many.

The run of the job leads: it plans, takes chunks like everybody else, and waits for those that
others still have. Helpers take chunks until none is left. Who has what stands in the database.
"""

import logging
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from gallery.jobs import shutdown
from gallery.jobs.heartbeat import kept_alive
from gallery.jobs.runner import JobLostError
from gallery.models import EmbeddingChunk, EmbeddingPlan, Job, ModelVersion
from gallery.pipelines.chunks import ChunkLostError, Report, embed_chunk
from gallery.selectors import working_model
from mlcore.encoders import Encoder, shared_encoder
from mlcore.i18n import Message
from mlcore.progress import NoProgress, Progress

logger = logging.getLogger(__name__)

WAIT = 0.5
"""Seconds between two looks at whether others have finished their chunks."""

_at_work = threading.Lock()
"""Held while this process embeds: its threads share one encoder, so one of them helps at most."""


def embed_pictures(job: Job, progress: Progress) -> dict[str, Any]:
    """Embed what has no vector yet.

    Params: ``images`` (ids; all pictures where missing), ``model`` (reference; the live index's
    model where missing, else the model of the settings).
    """
    version, encoder = resolve_model(job.params.get("model"))
    done = embed(version, encoder, job, progress)
    return {"embedded": done.embedded, "failed": done.failed, "model": version.name}


@dataclass(frozen=True, slots=True)
class Embedded:
    embedded: int
    failed: int


def embed(version: ModelVersion, encoder: Encoder, job: Job, progress: Progress) -> Embedded:
    """Make and store the vectors that are missing, with the help of other workers, until told to
    stop."""
    plan = EmbeddingPlan.objects.begin(job, version)
    is_first = _at_work.acquire(blocking=False)
    try:
        _lead(plan, encoder, progress)
    except JobLostError:
        raise  # whoever has the job now goes on with its plan
    except BaseException:
        plan.delete()
        raise
    finally:
        if is_first:
            _at_work.release()
    plan.refresh_from_db()
    plan.delete()
    return Embedded(plan.embedded, plan.failed)


def help_embedding(job_id: int) -> None:
    """Take part in what a job embeds, until nothing is left to take.

    What goes wrong here is logged and left to the others: the job fails where its own run does.
    """
    plan = EmbeddingPlan.objects.filter(job=job_id).select_related("job", "model_version").first()
    if plan is None or not _at_work.acquire(blocking=False):
        return
    try:
        encoder = plan.model_version.load_encoder()
        wishes = _WishesOf(plan.job)
        while not wishes.should_stop() and (chunk := plan.claim(_name())):
            _embed(chunk, encoder, wishes, lambda _: None)
    except Exception:
        logger.exception("Helping with %s failed; others go on.", plan.job)
    finally:
        _at_work.release()


class _WishesOf(NoProgress):
    """What a helper may know of a job that another worker leads: whether it is to go on;
    and whether this worker is."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def should_stop(self) -> bool:
        if shutdown.requested.is_set():
            return True
        going_on = Job.objects.unfinished().filter(pk=self._job.pk, cancel_requested=False)
        return not going_on.exists()


def _lead(plan: EmbeddingPlan, encoder: Encoder, progress: Progress) -> None:
    def report(trouble: Message | None = None) -> None:
        tally = plan.tally()
        stage = Message("stage.embedding")
        if tally.workers > 1:
            stage = Message.of("stage.embedding_shared", workers=tally.workers)
        progress.report(tally.done, tally.total, trouble or stage)

    report()
    while not progress.should_stop():
        chunk = plan.claim(_name())
        if chunk is not None:
            _embed(chunk, encoder, progress, report)
            _count_deaths_anew(plan.job)
        elif plan.chunks.exists():
            time.sleep(WAIT)
        else:
            break
        report()


def _embed(chunk: EmbeddingChunk, encoder: Encoder, progress: Progress, report: Report) -> None:
    try:
        with kept_alive(chunk.beat, str(chunk)):
            embed_chunk(chunk, encoder, progress, report)
    except ChunkLostError as error:
        logger.warning("%s", error)
    except BaseException:
        with suppress(DatabaseError):
            chunk.give_back()
        raise


def _count_deaths_anew(job: Job) -> None:
    """Forget the workers that died on the job: it makes progress, so it is not to blame."""
    if job.attempt > 1:
        job.attempt = 1
        job.change(attempt=1)


def _name() -> str:
    """Name this process among all that embed."""
    return f"{socket.gethostname()}:{os.getpid()}"


def resolve_model(reference: str | None) -> tuple[ModelVersion, Encoder]:
    """Load the model that is named, else the live index's, else that of the settings."""
    version = None if reference else working_model()
    if version is not None:
        return version, version.load_encoder()
    encoder = shared_encoder(
        reference or settings.CONTEXTVISION_MODEL,
        options=settings.CONTEXTVISION_RUNTIME_OPTIONS,
        views=settings.CONTEXTVISION_VIEWS,
    )
    return ModelVersion.objects.for_encoder(encoder), encoder
