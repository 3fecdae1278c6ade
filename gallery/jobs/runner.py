"""Runs one job from claim to end: the only place that decides what state a job is in."""

import logging
import time

from gallery.disk import disk_full
from gallery.jobs import shutdown
from gallery.jobs.heartbeat import kept_alive
from gallery.jobs.kinds import KINDS, Body
from gallery.models import Job, JobMetric
from mlcore.errors import ContextVisionError
from mlcore.evaluation import EvaluationStoppedError
from mlcore.i18n import Message
from mlcore.progress import Measurement, NoProgress, Progress
from mlcore.training import StoppedError as TrainingStoppedError

logger = logging.getLogger(__name__)

_WRITE_INTERVAL = 1.0
"""Seconds between two writes of progress: more often helps no reader and costs the database."""
_STAGES_LOGGED = 200
"""Stages of one run that its log names; a long training has one for each epoch."""
_LOOK_INTERVAL = 0.5
"""Seconds for which the answer to "was this cancelled?" may be old."""


class JobLostError(Exception):
    """Another worker owns the job now: this run was silent for longer than its lease."""


class HandedBackError(JobLostError):
    """The worker was told to stop: this run ends, and whoever takes the job goes on with it."""


class StoppedError(Exception):
    """The job was asked to stop, and its body got to a point where it can."""


def stop_if_asked(progress: Progress) -> None:
    """Leave the body of a job here if it was asked to stop.

    Raises:
        StoppedError: it was; :func:`run_job` notes it.
        HandedBackError: its worker was.
    """
    if progress.should_stop():
        raise StoppedError


class JobProgress:
    """Progress kept in the job's row, and passed on to somebody who watches."""

    def __init__(self, job: Job, watcher: Progress) -> None:
        self._job = job
        self._watcher = watcher
        self._written = 0.0
        self._looked = 0.0
        self._measured: float | None = None
        self._stage: Message | None = None
        self._stages = 0
        self._stop = False

    def report(self, done: int, total: int, message: Message | None = None) -> None:
        self._watcher.report(done, total, message)
        self._log(message)
        now = time.monotonic()
        if now - self._written >= _WRITE_INTERVAL or (total and done >= total):
            self._written = now
            if not self._job.beat(done=done, total=total, message=message):
                raise self._lost()
            self._look()

    def _log(self, stage: Message | None) -> None:
        """Note each stage that the job comes to, as far as a log of them can be read."""
        if stage and stage != self._stage and self._stages < _STAGES_LOGGED:
            self._stage = stage
            self._stages += 1
            self._job.note(stage)

    def measured(self, values: Measurement) -> None:
        self._watcher.measured(values)
        step, now = int(values["step"]), time.monotonic()
        if self._measured is None:
            # A run that goes on after its worker died repeats the steps since it last saved.
            self._job.metrics.filter(step__gte=step).delete()
        elif values.get("kind") == "step" and now - self._measured < _WRITE_INTERVAL:
            return
        self._measured = now
        JobMetric.objects.create(
            job=self._job, step=step, epoch=int(values.get("epoch", 0)), values=dict(values)
        )

    def should_stop(self) -> bool:
        """Tell whether the job was asked to stop.

        Raises:
            HandedBackError: the worker was: what asks this can be left here.
        """
        if self.is_cancelled():
            return True
        if shutdown.requested.is_set():
            raise HandedBackError(f"Job {self._job.pk} waits for another worker: this one stops.")
        return False

    def is_cancelled(self) -> bool:
        if not self._stop and time.monotonic() - self._looked >= _LOOK_INTERVAL:
            self._look()
        return self._stop or self._watcher.should_stop()

    def _look(self) -> None:
        """Ask the row whether the job was cancelled, and whether it is still this worker's."""
        self._looked = time.monotonic()
        mine = Job.objects.filter(pk=self._job.pk, token=self._job.token, status=Job.Status.RUNNING)
        wishes = list(mine.values_list("cancel_requested", flat=True))
        if not wishes:
            raise self._lost()
        self._stop = wishes[0]

    def _lost(self) -> JobLostError:
        return JobLostError(f"Job {self._job.pk} is no longer this worker's.")


def run_job(job_id: int, body: Body | None = None, *, watcher: Progress | None = None) -> None:
    """Claim the job, run ``body`` (that of its kind where None), and write how it ended.

    An expected failure (:class:`ContextVisionError`) ends the job with its message; anything
    else is logged with its traceback and marked as a defect. Does nothing where the job was
    claimed before. A worker that was told to stop starts none.
    """
    if shutdown.requested.is_set():
        Job.objects.message_spent(job_id)
        return
    job = Job.objects.claim(job_id)
    if job is None:
        logger.info("Job %s is not waiting any more; nothing to do.", job_id)
        return
    progress = JobProgress(job, watcher or NoProgress())
    try:
        body = body or KINDS[job.kind].load_body()
        with kept_alive(job.beat, f"job {job.pk}"):
            result = body(job, progress)
        stopped = progress.is_cancelled()
    except HandedBackError as error:
        logger.info("%s", error)
        job.hand_back()
    except JobLostError as error:
        logger.warning("%s", error)
    except (StoppedError, TrainingStoppedError, EvaluationStoppedError):
        job.finish(Job.Status.CANCELLED)
    except ContextVisionError as error:
        job.finish(Job.Status.FAILED, error=error.message)
    except Exception as error:
        if full := disk_full(error):
            logger.error("Job %s failed: %s", job_id, error)
            job.finish(Job.Status.FAILED, error=full.message)
            return
        logger.exception("Job %s failed", job_id)
        reason = Message.of("job.defect", type=type(error).__name__, text=str(error))
        job.finish(Job.Status.FAILED, error=reason, is_defect=True)
    except BaseException:  # Ctrl-C on the command line, or a worker told to exit
        job.finish(Job.Status.CANCELLED, message=Message("job.interrupted"))
        raise
    else:
        job.finish(Job.Status.CANCELLED if stopped else Job.Status.SUCCEEDED, result=result)
