"""Signs of life of the workers."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class WorkerPulseQuerySet(models.QuerySet["WorkerPulse"]):
    def alive(self) -> Self:
        """Keep workers seen lately, by the clock of the database."""
        return self.filter(seen_at__gt=Now() - WorkerPulse.LIFETIME)

    def beat(self, hostname: str, queues: str) -> None:
        self.update_or_create(hostname=hostname, defaults={"queues": queues, "seen_at": Now()})
        self.filter(seen_at__lt=Now() - timedelta(days=1)).delete()


class WorkerPulse(models.Model):
    INTERVAL = timedelta(seconds=10)
    LIFETIME = timedelta(seconds=45)
    """A worker not seen for so long is taken for gone: four beats may be lost."""

    hostname = models.CharField(_("hostname"), max_length=200, unique=True)
    queues = models.CharField(_("queues"), max_length=200)
    seen_at = models.DateTimeField(_("seen at"))

    objects = WorkerPulseQuerySet.as_manager()

    class Meta:
        verbose_name = _("worker pulse")
        verbose_name_plural = _("worker pulses")
        ordering = ["hostname"]

    def __str__(self) -> str:
        return f"{self.hostname} ({self.queues})"


class MaintenanceTurnManager(models.Manager["MaintenanceTurn"]):
    def take(self) -> bool:
        """Take the turn for this interval; tell whether no other worker had taken it."""
        turn, is_first = self.get_or_create(pk=1, defaults={"taken_at": Now()})
        due = self.filter(pk=turn.pk, taken_at__lt=Now() - MaintenanceTurn.SPACING)
        return is_first or bool(due.update(taken_at=Now()))


class MaintenanceTurn(models.Model):
    """One row: when a worker last looked after the system, so that one does in each interval."""

    SPACING = WorkerPulse.INTERVAL - timedelta(seconds=1)
    """A little less than the interval, so that a worker alone gets each turn."""

    taken_at = models.DateTimeField(_("taken at"))

    objects = MaintenanceTurnManager()

    class Meta:
        verbose_name = _("maintenance turn")
        verbose_name_plural = _("maintenance turns")

    def __str__(self) -> str:
        return gettext("Maintenance at %(time)s") % {"time": self.taken_at}
