"""Embedding by many workers: what is still to be handed out, and who has what in hand.

Rows are there only while a job embeds. docs/scaling.md tells why it is done so.
"""

import uuid
from typing import NamedTuple

from django.db import models, transaction
from django.db.models import Case, F, Q, QuerySet, Sum, When
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.models.image import Image
from gallery.models.job import LEASE, Job
from gallery.models.version import ModelVersion

CHUNK = 256
"""Pictures in a chunk: some seconds of work, and one store."""


class Tally(NamedTuple):
    """How far a plan is, in pictures."""

    done: int
    total: int
    workers: int
    """That have a chunk in hand."""


class EmbeddingPlanManager(models.Manager["EmbeddingPlan"]):
    def begin(self, job: Job, version: ModelVersion) -> "EmbeddingPlan":
        """Plan the pictures that have no vector of this model yet.

        Where a run of this job was cut off, its plan goes on: others may work on it still.
        """
        self.filter(job=job).exclude(model_version=version).delete()
        plan, _ = self.get_or_create(job=job, defaults={"model_version": version})
        plan.job, plan.model_version = job, version
        left = plan.missing().filter(pk__gt=plan.handed_out).count()
        in_hand = sum(plan.missing_in(chunk).count() for chunk in plan.chunks.all())
        plan.total = plan.embedded + plan.failed + in_hand + left
        plan.save(update_fields=["total"])
        return plan

    def worth_sharing(self) -> "QuerySet[EmbeddingPlan]":
        """Select those with more left than one worker has in hand."""
        return self.filter(total__gt=F("embedded") + F("failed") + CHUNK)


class EmbeddingPlan(models.Model):
    """One pass over the pictures without a vector, in the order of their ids.

    Chunks are cut off its front as workers ask for them, so that never more of them are open than
    there are workers, however many pictures wait.
    """

    job = models.OneToOneField(
        Job, verbose_name=_("job"), on_delete=models.CASCADE, related_name="embedding_plan"
    )
    model_version = models.ForeignKey(
        ModelVersion, verbose_name=_("model version"), on_delete=models.CASCADE, related_name="+"
    )
    handed_out = models.BigIntegerField(
        _("handed out"),
        default=0,
        help_text=_("Pictures up to this id have been given to a worker."),
    )
    total = models.PositiveBigIntegerField(_("total"), default=0)
    embedded = models.PositiveBigIntegerField(_("embedded"), default=0)
    failed = models.PositiveBigIntegerField(_("failed"), default=0)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = EmbeddingPlanManager()

    class Meta:
        verbose_name = _("embedding plan")
        verbose_name_plural = _("embedding plans")

    def __str__(self) -> str:
        return gettext("Embedding for job %(job)s") % {"job": self.job_id}

    def missing(self) -> "QuerySet[Image]":
        """Select what this job is to embed and has no vector yet, in the order of ids."""
        images = Image.objects.missing_embeddings(self.model_version).order_by("pk")
        if self.job.kind == Job.Kind.EMBED and "images" in self.job.params:
            images = images.filter(pk__in=self.job.params["images"])
        return images

    def missing_in(self, chunk: "EmbeddingChunk") -> "QuerySet[Image]":
        return self.missing().filter(pk__range=(chunk.first, chunk.last))

    def claim(self, worker: str) -> "EmbeddingChunk | None":
        """Take a chunk whose owner is gone, else the next pictures; nothing where none are left.

        The plan's row is locked for these milliseconds (SQLite: its one writer), so no two workers
        get the same pictures.
        """
        with transaction.atomic():
            locked = EmbeddingPlan.objects.select_for_update().filter(pk=self.pk).first()
            if locked is None:  # cancelled, or finished
                return None
            self.handed_out = locked.handed_out
            return self._take_up(worker) or self._cut_off(worker)

    def _take_up(self, worker: str) -> "EmbeddingChunk | None":
        given_back = Q(lease_until=None)
        free = self.chunks.filter(given_back | Q(lease_until__lt=Now())).order_by("first")
        pk = free.values_list("pk", flat=True).first()
        if pk is None:
            return None
        self.chunks.filter(pk=pk).update(
            deaths=Case(When(given_back, then=F("deaths")), default=F("deaths") + 1),
            token=uuid.uuid4(),
            lease_until=Now() + LEASE,
            worker=worker,
            done=0,
        )
        return self.chunks.get(pk=pk)

    def _cut_off(self, worker: str) -> "EmbeddingChunk | None":
        waiting = self.missing().filter(pk__gt=self.handed_out)
        ids = list(waiting.values_list("pk", flat=True)[:CHUNK])
        if not ids:
            return None
        EmbeddingPlan.objects.filter(pk=self.pk).update(handed_out=ids[-1])
        return EmbeddingChunk.objects.create(
            plan=self, first=ids[0], last=ids[-1], worker=worker, lease_until=Now() + LEASE
        )

    def tally(self) -> Tally:
        plan = EmbeddingPlan.objects.get(pk=self.pk)
        held = self.chunks.filter(lease_until__gte=Now())
        in_hand = held.aggregate(
            done=Sum("done", default=0), workers=models.Count("worker", distinct=True)
        )
        done = plan.embedded + plan.failed + in_hand["done"]
        return Tally(done, max(done, plan.total), in_hand["workers"])


class EmbeddingChunk(models.Model):
    """The pictures of a plan between two ids, in the hands of one worker."""

    DEADLY = 2
    """Owners lost with a chunk after which its first picture is taken for the cause."""

    plan = models.ForeignKey(
        EmbeddingPlan, verbose_name=_("plan"), on_delete=models.CASCADE, related_name="chunks"
    )
    first = models.BigIntegerField(_("first"))
    last = models.BigIntegerField(_("last"))
    token = models.UUIDField(_("token"), default=uuid.uuid4)
    lease_until = models.DateTimeField(
        _("lease until"), null=True, help_text=_("Nothing where it was given back.")
    )
    worker = models.CharField(_("worker"), max_length=200)
    deaths = models.PositiveSmallIntegerField(
        _("deaths"), default=0, help_text=_("Owners that were lost while they had it.")
    )
    done = models.PositiveIntegerField(
        _("done"), default=0, help_text=_("Pictures that are encoded and not stored yet.")
    )

    class Meta:
        verbose_name = _("embedding chunk")
        verbose_name_plural = _("embedding chunks")

    def __str__(self) -> str:
        return gettext("Pictures %(first)s to %(last)s: %(plan)s") % {
            "first": self.first,
            "last": self.last,
            "plan": self.plan,
        }

    def change(self, **fields: object) -> bool:
        """Write fields if this is still its owner; tell whether it is."""
        mine = EmbeddingChunk.objects.filter(pk=self.pk, token=self.token)
        return bool(mine.update(**fields))

    def beat(self, **fields: object) -> bool:
        """Give a sign of life, with any news; tell whether this is still its owner."""
        return self.change(lease_until=Now() + LEASE, **fields)

    def settle(self, up_to: int, *, embedded: int, failed: int) -> bool:
        """Count what came of the pictures up to this id; the next owner begins after them.

        To be called in the transaction that stores their vectors.
        """
        # Locked in the order in which a claim locks them.
        EmbeddingPlan.objects.select_for_update().filter(pk=self.plan_id).first()
        if not self.beat(first=up_to + 1, done=0):
            return False
        EmbeddingPlan.objects.filter(pk=self.plan_id).update(
            embedded=F("embedded") + embedded, failed=F("failed") + failed
        )
        return True

    def give_back(self) -> bool:
        """Leave the rest to whoever asks next; it is not this owner's any more."""
        return self.change(lease_until=None, token=uuid.uuid4(), worker="", done=0)

    def finish(self) -> None:
        EmbeddingChunk.objects.filter(pk=self.pk, token=self.token).delete()
