"""Runs one job from claim to end: the only place that decides what state a job is in."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from gallery.models import Job
from gallery.models.job import HEARTBEAT
from mlcore.errors import ContextVisionError
from mlcore.progress import NoProgress, Progress

logger = logging.getLogger(__name__)

Body = Callable[[Job, Progress], dict[str, Any]]
"""The work of one kind of job: takes the claimed row, returns what came of it as JSON values."""

_WRITE_INTERVAL = 1.0
"""Seconds between two writes of progress: more often helps no reader and costs the database."""


class JobLostError(Exception):
    """Another worker owns the job now: this run was silent for longer than its lease."""


class JobProgress:
    """Progress kept in the job's row, and passed on to somebody who watches."""

    def __init__(self, job: Job, watcher: Progress) -> None:
        self._job = job
        self._watcher = watcher
        self._written = 0.0
        self._stop = False

    def report(self, done: int, total: int, message: str = "") -> None:
        self._watcher.report(done, total, message)
        now = time.monotonic()
        if now - self._written >= _WRITE_INTERVAL or (total and done >= total):
            self._written = now
            if not self._job.beat(done=done, total=total, message=message[:300]):
                raise JobLostError(f"Job {self._job.pk} is no longer this worker's.")
            self._stop = Job.objects.filter(pk=self._job.pk, cancel_requested=True).exists()

    def should_stop(self) -> bool:
        return self._stop or self._watcher.should_stop()


def run_job(
    job_id: int, body: Callable[[Job, Progress], dict[str, Any]], *, watcher: Progress | None = None
) -> None:
    """Claim the job, run ``body``, and write how it ended.

    An expected failure (:class:`ContextVisionError`) ends the job with its sentence; anything
    else is logged with its traceback and marked as a defect. Does nothing where the job was
    claimed before.
    """
    job = Job.objects.claim(job_id)
    if job is None:
        logger.info("Job %s is not waiting any more; nothing to do.", job_id)
        return
    progress = JobProgress(job, watcher or NoProgress())
    try:
        with _kept_alive(job):
            result = body(job, progress)
    except JobLostError as error:
        logger.warning("%s", error)
    except ContextVisionError as error:
        job.finish(Job.Status.FAILED, error=str(error))
    except Exception as error:
        logger.exception("Job %s failed", job_id)
        reason = f"{type(error).__name__}: {error}"
        job.finish(Job.Status.FAILED, error=reason, is_defect=True)
    except BaseException:  # Ctrl-C on the command line, or a worker told to exit
        job.finish(Job.Status.CANCELLED, message="Interrupted.")
        raise
    else:
        stopped = progress.should_stop()
        job.finish(Job.Status.CANCELLED if stopped else Job.Status.SUCCEEDED, result=result)


@contextmanager
def _kept_alive(job: Job) -> Iterator[None]:
    """Extend the lease from a thread, for steps that are silent for long."""
    ended = threading.Event()

    def beat() -> None:
        try:
            while not ended.wait(HEARTBEAT.total_seconds()):
                try:
                    job.beat()
                except Exception:  # an outage of the database: the next beat tries again
                    logger.warning("Job %s: heartbeat failed", job.pk, exc_info=True)
                    connection.close()
        finally:
            connection.close()

    thread = threading.Thread(target=beat, name=f"heartbeat of job {job.pk}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
