"""Models that somebody who trains wants to see live."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.models.version import ModelVersion


class Proposal(models.Model):
    """A trainer proposes a model, an operator promotes it; the row goes when it is live."""

    model_version = models.OneToOneField(
        ModelVersion,
        verbose_name=_("model version"),
        on_delete=models.CASCADE,
        related_name="proposal",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("proposal")
        verbose_name_plural = _("proposals")
        default_permissions = ("add",)

    def __str__(self) -> str:
        return gettext("%(model)s is proposed") % {"model": self.model_version.name}
