"""The curve of a job that measures while it runs."""

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.models.job import Job


class JobMetric(models.Model):
    """One point: the values of :class:`mlcore.progress.Progress`'s ``measured``."""

    job = models.ForeignKey(
        Job, verbose_name=_("job"), on_delete=models.CASCADE, related_name="metrics"
    )
    step = models.PositiveIntegerField(_("step"))
    epoch = models.PositiveIntegerField(_("epoch"), default=0)
    values = models.JSONField(_("values"), default=dict)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("job metric")
        verbose_name_plural = _("job metrics")
        ordering = ["job_id", "id"]

    def __str__(self) -> str:
        return gettext("Step %(step)s of job %(job)s") % {"step": self.step, "job": self.job_id}
