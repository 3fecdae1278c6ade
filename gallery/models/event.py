"""What happened to a job, in order, so that it can be told afterwards."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from gallery.models.fields import MessageField
from gallery.models.job import Job


class JobEvent(models.Model):
    job = models.ForeignKey(
        Job, verbose_name=_("job"), on_delete=models.CASCADE, related_name="events"
    )
    at = models.DateTimeField(_("at"), auto_now_add=True)
    message = MessageField(_("message"))

    class Meta:
        verbose_name = _("job event")
        verbose_name_plural = _("job events")
        ordering = ["id"]

    def __str__(self) -> str:
        return str(self.message)
