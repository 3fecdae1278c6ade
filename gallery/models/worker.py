"""Signs of life of the workers."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Now


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

    hostname = models.CharField(max_length=200, unique=True)
    queues = models.CharField(max_length=200)
    seen_at = models.DateTimeField()

    objects = WorkerPulseQuerySet.as_manager()

    class Meta:
        ordering = ["hostname"]

    def __str__(self) -> str:
        return f"{self.hostname} ({self.queues})"
