"""Long work: one row per run, and the only place where its state changes."""

import uuid
from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

LEASE = timedelta(seconds=60)
"""How long a worker owns a job without a sign of life; four heartbeats fit in."""
HEARTBEAT = timedelta(seconds=15)


class JobQuerySet(models.QuerySet["Job"]):
    def unfinished(self) -> Self:
        return self.filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING])

    def abandoned(self) -> Self:
        """Keep running jobs whose worker has shown no sign of life within the lease."""
        return self.filter(status=Job.Status.RUNNING, lease_until__lt=Now())

    def undelivered(self, older_than: timedelta) -> Self:
        """Keep queued jobs whose message was never sent, or so long ago that it is lost."""
        return self.filter(status=Job.Status.QUEUED).filter(
            Q(enqueued_at=None) | Q(enqueued_at__lt=Now() - older_than)
        )

    def claim(self, pk: int) -> "Job | None":
        """Take a queued job for this worker, or return nothing where somebody else did.

        One conditional UPDATE: a message that is delivered twice starts one run.
        """
        token = uuid.uuid4()
        taken = self.filter(pk=pk, status=Job.Status.QUEUED).update(
            status=Job.Status.RUNNING,
            token=token,
            attempt=F("attempt") + 1,
            started_at=Now(),
            finished_at=None,
            lease_until=Now() + LEASE,
            error="",
            is_defect=False,
        )
        return self.get(pk=pk, token=token) if taken else None


class Job(models.Model):
    MAX_ATTEMPTS = 3
    """Runs that may die with their worker before the job is set aside."""

    class Kind(models.TextChoices):
        IMPORT = "import", "Import pictures"
        EMBED = "embed", "Embed pictures"
        INDEX = "index", "Build the index"

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    kind = models.CharField(max_length=12, choices=Kind)
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED, db_index=True)
    key = models.CharField(
        max_length=40,
        blank=True,
        editable=False,
        help_text="Names work of which one unfinished job is enough.",
    )
    params = models.JSONField(default=dict, blank=True)
    result = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    is_defect = models.BooleanField(
        default=False, help_text="The failure was not an expected one: a defect of the program."
    )
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    message = models.CharField(max_length=300, blank=True)
    cancel_requested = models.BooleanField(default=False)
    attempt = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    enqueued_at = models.DateTimeField(null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="job_status_is_known",
                condition=Q(status__in=["queued", "running", "succeeded", "failed", "cancelled"]),
            ),
            models.UniqueConstraint(
                name="one_unfinished_job_per_key",
                fields=["key"],
                condition=Q(status__in=["queued", "running"]) & ~Q(key=""),
            ),
        ]

    def __str__(self) -> str:
        return f"Job {self.pk}: {self.get_kind_display()}"

    @property
    def is_finished(self) -> bool:
        return self.status not in {self.Status.QUEUED, self.Status.RUNNING}

    @property
    def percent(self) -> int | None:
        """Share that is done, 0 to 100, or nothing while the total is not known."""
        return min(100, 100 * self.done // self.total) if self.total else None

    def change(self, **fields: Any) -> bool:
        """Write fields if this run still owns the job; tell whether it does."""
        mine = Job.objects.filter(pk=self.pk, token=self.token, status=Job.Status.RUNNING)
        return bool(mine.update(**fields))

    def beat(self, **fields: Any) -> bool:
        """Give a sign of life, with any news; tell whether this run still owns the job."""
        return self.change(lease_until=Now() + LEASE, **fields)

    def finish(self, status: "Job.Status", **fields: Any) -> bool:
        return self.change(status=status, finished_at=Now(), lease_until=None, **fields)

    def requeue(self) -> bool:
        """Put an abandoned run back, or set the job aside when its workers died too often."""
        if self.attempt < self.MAX_ATTEMPTS:
            return self.change(status=Job.Status.QUEUED, token=None, enqueued_at=None)
        return self.finish(
            Job.Status.FAILED,
            error=f"Set aside: its worker died {self.attempt} times. Look at the worker's log for "
            "the cause (often too little memory), then retry the job.",
        )

    def cancel(self) -> bool:
        """Ask an unfinished job to stop; one that has not started yet is cancelled at once."""
        waiting = Job.objects.filter(pk=self.pk, status=Job.Status.QUEUED)
        if waiting.update(status=Job.Status.CANCELLED, finished_at=Now(), cancel_requested=True):
            return True
        running = Job.objects.filter(pk=self.pk, status=Job.Status.RUNNING)
        return bool(running.update(cancel_requested=True))
