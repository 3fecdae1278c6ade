"""The history of which model was made live, by whom, and what the gate said."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from gallery.models.job import Job
from gallery.models.version import IndexVersion, ModelVersion


class Promotion(models.Model):
    class Kind(models.TextChoices):
        PROMOTION = "promotion", _("Promotion")
        ROLLBACK = "rollback", _("Rollback")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.PROMOTION)
    model_version = models.ForeignKey(
        ModelVersion,
        verbose_name=_("model version"),
        on_delete=models.CASCADE,
        related_name="promotions",
    )
    former_model = models.ForeignKey(
        ModelVersion,
        verbose_name=_("former model"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    index_version = models.ForeignKey(
        IndexVersion,
        verbose_name=_("index version"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="promotions",
    )
    former_index = models.ForeignKey(
        IndexVersion,
        verbose_name=_("former index"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    verdict = models.JSONField(_("verdict"), default=dict, blank=True)
    override_reason = models.TextField(_("override reason"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
    )
    job = models.ForeignKey(
        Job,
        verbose_name=_("job"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="promotions",
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.model_version}"
