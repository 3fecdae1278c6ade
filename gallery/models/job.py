"""Long work: one row per run, and the only place where its state changes."""

import uuid
from datetime import timedelta
from pathlib import PurePath
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, models, transaction
from django.db.models import F, Max, Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.models.fields import MessageField
from mlcore.i18n import Message

LEASE = timedelta(seconds=60)
"""How long a worker owns a job without a sign of life; four heartbeats fit in."""
HEARTBEAT = timedelta(seconds=15)


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: User) -> Self:
        """Keep those that this person may watch: those he began, or all."""
        return self._own_or_with("gallery.view_job", user)

    def changeable_by(self, user: User) -> Self:
        """Keep those that this person may stop and repeat."""
        return self._own_or_with("gallery.change_job", user)

    def _own_or_with(self, permission: str, user: User) -> Self:
        return self if user.has_perm(permission) else self.filter(created_by=user)

    def unfinished(self) -> Self:
        return self.filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING])

    def filling_indexes(self) -> Self:
        """Keep unfinished jobs that fill versions of an index which no row names yet."""
        return self.unfinished().filter(kind__in=[Job.Kind.INDEX, Job.Kind.PROMOTE])

    def abandoned(self) -> Self:
        """Keep running jobs whose worker has shown no sign of life within the lease."""
        return self.filter(status=Job.Status.RUNNING, lease_until__lt=Now())

    def undelivered(self, older_than: timedelta) -> Self:
        """Keep queued jobs whose message was never sent, or so long ago that it is lost."""
        return self.filter(status=Job.Status.QUEUED).filter(
            Q(enqueued_at=None) | Q(enqueued_at__lt=Now() - older_than)
        )

    def one_at_a_time(self) -> Self:
        """Keep jobs of the kinds of which only one runs at once."""
        return self.filter(kind__in=Job.ONE_AT_A_TIME)

    def next_in_turn(self) -> "Job | None":
        """Return the job whose turn came when the one before it ended, if there is one.

        Its message was sent before that, so a worker may have found the place taken and let go
        of it. Once sent again it is not returned any more, until another one has ended.
        """
        ours = self.one_at_a_time()
        if ours.filter(status=Job.Status.RUNNING).exists():
            return None
        ended = ours.aggregate(last=Max("finished_at"))["last"]
        waiting = ours.filter(status=Job.Status.QUEUED).order_by("pk")
        first = waiting.first()
        if first is None or ended is None or first.enqueued_at is None:
            return None
        return first if first.enqueued_at <= ended else None

    def message_spent(self, pk: int) -> None:
        """Note that a queued job's message came to nothing, so that it is sent again at once."""
        self.filter(pk=pk, status=Job.Status.QUEUED).update(enqueued_at=None)

    def claim(self, pk: int) -> "Job | None":
        """Take a queued job for this worker, or return nothing where that cannot be.

        One conditional UPDATE: a message that is delivered twice starts one run. A job of a kind
        of which another one runs stays queued.
        """
        token = uuid.uuid4()
        try:
            with transaction.atomic():
                taken = self.filter(pk=pk, status=Job.Status.QUEUED).update(
                    status=Job.Status.RUNNING,
                    token=token,
                    attempt=F("attempt") + 1,
                    started_at=Now(),
                    finished_at=None,
                    lease_until=Now() + LEASE,
                    error=None,
                    is_defect=False,
                )
        except IntegrityError:
            return None
        if not taken:
            return None
        job = self.get(pk=pk, token=token)
        first = job.attempt == 1
        again = Message.of("job.started_again", attempt=job.attempt)
        job.note(Message("job.started") if first else again)
        return job


class Job(models.Model):
    MAX_ATTEMPTS = 3
    """Runs that may die with their worker before the job is set aside."""

    class Kind(models.TextChoices):
        IMPORT = "import", _("Import pictures")
        EMBED = "embed", _("Embed pictures")
        INDEX = "index", _("Build the index")
        TRAIN = "train", _("Train a model")
        EVALUATE = "evaluate", _("Evaluate a model")
        PROMOTE = "promote", _("Promote a model")
        EXPORT = "export", _("Export a model")
        DOCTOR = "doctor", _("Look for damage")
        SYNC = "sync", _("Look into a source")

    ONE_AT_A_TIME = ("train", "evaluate")
    """Kinds that take a whole machine: one job of all of them runs at once, the others wait, so
    that a worker with two threads always has one left for pictures that were uploaded."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    status = models.CharField(
        _("status"), max_length=12, choices=Status, default=Status.QUEUED, db_index=True
    )
    key = models.CharField(
        _("key"),
        max_length=40,
        blank=True,
        editable=False,
        help_text=_("Names work of which one unfinished job is enough."),
    )
    params = models.JSONField(_("params"), default=dict, blank=True)
    result = models.JSONField(_("result"), default=dict, blank=True)
    error = MessageField(_("error"), null=True, blank=True)
    is_defect = models.BooleanField(
        _("is defect"),
        default=False,
        help_text=_("The failure was not an expected one: a defect of the program."),
    )
    done = models.PositiveBigIntegerField(_("done"), default=0)
    total = models.PositiveBigIntegerField(_("total"), default=0)
    message = MessageField(_("message"), null=True, blank=True)
    cancel_requested = models.BooleanField(_("cancel requested"), default=False)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=0)
    token = models.UUIDField(_("token"), null=True, editable=False)
    lease_until = models.DateTimeField(_("lease until"), null=True, editable=False)
    enqueued_at = models.DateTimeField(_("enqueued at"), null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
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
            models.UniqueConstraint(
                Value(1),
                name="one_heavy_job_at_a_time",
                condition=Q(status="running", kind__in=["train", "evaluate"]),
            ),
        ]

    def __str__(self) -> str:
        return gettext("Job %(id)s: %(kind)s") % {"id": self.pk, "kind": self.get_kind_display()}

    @property
    def is_finished(self) -> bool:
        return self.status not in {self.Status.QUEUED, self.Status.RUNNING}

    @property
    def waits_for(self) -> "Job | None":
        """The running job that has to end before this queued one can start, if there is one."""
        if self.status != self.Status.QUEUED or self.kind not in self.ONE_AT_A_TIME:
            return None
        return Job.objects.one_at_a_time().filter(status=self.Status.RUNNING).first()

    @property
    def told_params(self) -> dict[str, Any]:
        """Its parameters, without where on the server something lies."""
        path = self.params.get("path")
        return {**self.params, **({"path": PurePath(path).name} if path else {})}

    @property
    def percent(self) -> int | None:
        """Share that is done, 0 to 100, or nothing while the total is not known."""
        return min(100, 100 * self.done // self.total) if self.total else None

    def note(self, message: Message) -> None:
        """Write into the job's log that something happened."""
        self.events.create(message=message)

    def change(self, **fields: Any) -> bool:
        """Write fields if this run still owns the job; tell whether it does."""
        mine = Job.objects.filter(pk=self.pk, token=self.token, status=Job.Status.RUNNING)
        return bool(mine.update(**fields))

    def beat(self, **fields: Any) -> bool:
        """Give a sign of life, with any news; tell whether this run still owns the job."""
        return self.change(lease_until=Now() + LEASE, **fields)

    def finish(self, status: "Job.Status", *, error: Message | None = None, **fields: Any) -> bool:
        """Write how this run ended, if it still owns the job; tell whether it does."""
        done = self.change(
            status=status, error=error, finished_at=Now(), lease_until=None, **fields
        )
        if done:
            self.note(self._end(status, error, fields.get("message")))
        return done

    def _end(self, status: "Job.Status", error: Message | None, message: Message | None) -> Message:
        if error is not None:
            return Message.of("job.failed", reason=error)
        return message or Message(f"job.{status.value}")

    def requeue(self) -> bool:
        """Put an abandoned run back, or set the job aside when its workers died too often."""
        if self.attempt < self.MAX_ATTEMPTS:
            return self._put_back(Message("job.no_sign_of_life"))
        error = Message.of("job.set_aside", times=self.attempt)
        return self.finish(Job.Status.FAILED, error=error)

    def hand_back(self) -> bool:
        """Leave a run to whoever takes it next, since this worker was told to stop.

        It does not count among the runs whose worker died.
        """
        return self._put_back(Message("job.handed_back"), attempt=F("attempt") - 1)

    def _put_back(self, why: Message, **fields: Any) -> bool:
        done = self.change(
            status=Job.Status.QUEUED, token=None, lease_until=None, enqueued_at=None, **fields
        )
        if done:
            self.note(why)
        return done

    def cancel(self) -> bool:
        """Ask an unfinished job to stop; one that has not started yet is cancelled at once."""
        waiting = Job.objects.filter(pk=self.pk, status=Job.Status.QUEUED)
        if waiting.update(status=Job.Status.CANCELLED, finished_at=Now(), cancel_requested=True):
            self.note(Message("job.cancelled_early"))
            return True
        running = Job.objects.filter(pk=self.pk, status=Job.Status.RUNNING)
        asked = bool(running.filter(cancel_requested=False).update(cancel_requested=True))
        if asked:
            self.note(Message("job.asked_to_stop"))
        return asked or running.exists()
