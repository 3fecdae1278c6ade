"""How many of the nearest pictures live searches find, summed over all web processes."""

from dataclasses import dataclass
from datetime import timedelta
from math import sqrt

from django.db import models
from django.db.models import F, Sum
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.models.version import IndexVersion

ENOUGH = 20
"""Searches from which on the share says something about the index, and not about one query."""


@dataclass(frozen=True, slots=True)
class Recall:
    """What was found of what exact search finds."""

    searches: int
    wanted: int
    found: int
    target: float
    """Share that the index was tuned to, 0 to 1."""

    @property
    def share(self) -> float | None:
        """Recall, 0 to 1; None before anything was compared."""
        return self.found / self.wanted if self.wanted else None

    @property
    def is_low(self) -> bool:
        """Whether it is under the target by more than chance explains (two standard errors)."""
        if self.share is None or self.searches < ENOUGH:
            return False
        error = sqrt(self.share * (1 - self.share) / self.wanted)
        return self.share + 2 * error < self.target


class RecallTallyQuerySet(models.QuerySet["RecallTally"]):
    def add(self, index: IndexVersion, *, wanted: int, found: int) -> None:
        """Count one search that was compared, in the row of this hour."""
        now = timezone.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        tally, created = self.get_or_create(index_version=index, hour=hour)
        if created:
            self.filter(hour__lt=now - RecallTally.KEPT).delete()
        self.filter(pk=tally.pk).update(
            searches=F("searches") + 1, wanted=F("wanted") + wanted, found=F("found") + found
        )

    def lately(self, index: IndexVersion) -> Recall:
        """Sum up what was compared with this index in the last day."""
        recent = self.filter(index_version=index, hour__gt=timezone.now() - RecallTally.KEPT)
        sums = recent.aggregate(
            searches=Sum("searches", default=0),
            wanted=Sum("wanted", default=0),
            found=Sum("found", default=0),
        )
        return Recall(**sums, target=index.recall_target)


class RecallTally(models.Model):
    """One hour of one index: any number of processes add to the same small row."""

    KEPT = timedelta(days=1)

    index_version = models.ForeignKey(
        IndexVersion,
        verbose_name=_("index version"),
        on_delete=models.CASCADE,
        related_name="recall_tallies",
    )
    hour = models.DateTimeField(_("hour"))
    searches = models.PositiveIntegerField(_("searches"), default=0)
    wanted = models.PositiveIntegerField(
        _("wanted"), default=0, help_text=_("Pictures that exact search found.")
    )
    found = models.PositiveIntegerField(
        _("found"), default=0, help_text=_("Those of them that were answered.")
    )

    objects = RecallTallyQuerySet.as_manager()

    class Meta:
        verbose_name = _("recall tally")
        verbose_name_plural = _("recall tallies")
        ordering = ["-hour"]
        constraints = [
            models.UniqueConstraint(
                fields=["index_version", "hour"], name="one_recall_tally_an_hour"
            )
        ]

    def __str__(self) -> str:
        return gettext("%(found)s of %(wanted)s found in %(searches)s searches") % {
            "found": self.found,
            "wanted": self.wanted,
            "searches": self.searches,
        }
