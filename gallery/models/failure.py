"""The ledger of failures: one row per item and stage, kept until the item succeeds."""

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from gallery.models.fields import MessageField
from gallery.models.image import GIVE_UP_AFTER, Image
from gallery.models.job import Job
from mlcore.i18n import Message


class FailureQuerySet(models.QuerySet["Failure"]):
    def record(
        self,
        stage: "Failure.Stage",
        item: str,
        reason: Message,
        *,
        job: Job | None = None,
        image: Image | None = None,
    ) -> None:
        """Note one failure of one item; a failure noted before counts one attempt more."""
        failure, created = self.get_or_create(
            stage=stage,
            item=item[:300],
            defaults={"reason": reason, "job": job, "image": image},
        )
        if not created:
            self.filter(pk=failure.pk).update(
                reason=reason, job=job, image=image, attempts=F("attempts") + 1
            )

    def set_aside(
        self, stage: "Failure.Stage", item: str, reason: Message, *, job: Job, image: Image
    ) -> None:
        """Note a failure after which the item is left alone until a person retries it."""
        self.update_or_create(
            stage=stage,
            item=item[:300],
            defaults={
                "reason": reason,
                "job": job,
                "image": image,
                "attempts": Failure.MAX_ATTEMPTS,
            },
        )


class Failure(models.Model):
    MAX_ATTEMPTS = GIVE_UP_AFTER
    """After so many failures an item is left alone until a person retries it."""

    class Stage(models.TextChoices):
        IMPORT = "import", _("Import")
        EMBED = "embed", _("Embedding")

    stage = models.CharField(_("stage"), max_length=8, choices=Stage)
    item = models.CharField(_("item"), max_length=300, help_text=_("File name or picture."))
    reason = MessageField(_("reason"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=1)
    job = models.ForeignKey(
        "gallery.Job",
        verbose_name=_("job"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="failures",
    )
    image = models.ForeignKey(
        "gallery.Image",
        verbose_name=_("image"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="failures",
    )
    first_seen = models.DateTimeField(_("first seen"), auto_now_add=True)
    last_seen = models.DateTimeField(_("last seen"), auto_now=True)

    objects = FailureQuerySet.as_manager()

    class Meta:
        verbose_name = _("failure")
        verbose_name_plural = _("failures")
        ordering = ["-last_seen", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["stage", "item"], name="failure_is_listed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_stage_display()}, {self.item}: {self.reason}"

    @property
    def is_traceable(self) -> bool:
        """Tell whether it is known where the item came from, so that it can be tried again."""
        if self.stage == self.Stage.EMBED:
            return self.image_id is not None
        return self.job is not None and not self.job.params.keys().isdisjoint({"path", "source"})
