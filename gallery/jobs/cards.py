"""A job as the pages show it: how far it is, how long it takes, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from gallery.jobs.accounts import in_words
from gallery.jobs.kinds import KINDS, JobKind
from gallery.models import Job
from gallery.selectors import embedding_seconds, indexing_seconds
from mlcore.i18n import figure
from mlcore.training.config import OPTIONS

SETTLED = timedelta(seconds=3)
"""A rate is told only after this long: the first moments go to loading the model."""


@dataclass(frozen=True, slots=True)
class JobCard:
    """A job as the pages show it."""

    job: Job

    @property
    def state(self) -> str:
        """One word that the colours go by; a defect is not just a failure."""
        if self.job.is_defect:
            return "defect"
        if self.job.cancel_requested and not self.job.is_finished:
            return "stopping"
        return self.job.status

    @property
    def state_in_words(self) -> str:
        words = {
            "defect": gettext("Stopped by a defect"),
            "stopping": gettext("Stopping"),
            "queued": gettext("Waiting for a worker"),
        }
        return words.get(self.state) or str(self.job.get_status_display())

    @property
    def kind(self) -> JobKind:
        return KINDS[self.job.kind]

    @property
    def message(self) -> str:
        """Where the worker is."""
        return str(self.job.message or "")

    @property
    def error(self) -> str:
        """Why it failed."""
        return str(self.job.error or "")

    @property
    def percent(self) -> int | None:
        """Share that is done, or nothing where that would tell too much.

        A training has more to do after its last step, and its other stages are counted by
        themselves: a full bar would say that it ends.
        """
        job = self.job
        is_training = job.kind == Job.Kind.TRAIN and not job.is_finished
        if is_training and (job.done >= job.total or not is_in_epochs(job)):
            return None
        return job.percent

    @property
    def unit(self) -> str:
        """What its progress is counted in: pictures or steps."""
        return gettext("steps") if self.kind.counts == "steps" else gettext("pictures")

    @property
    def elapsed(self) -> timedelta | None:
        """How long it has been running, or ran."""
        if self.job.started_at is None:
            return None
        end = self.job.finished_at or timezone.now()
        return max(end - self.job.started_at, timedelta())

    @property
    def duration(self) -> str:
        return "" if self.elapsed is None else spell_duration(self.elapsed)

    @property
    def per_second(self) -> float | None:
        """Pictures a second of this run, or nothing where that cannot be told yet."""
        if self.kind.counts == "steps" or self.job.status != Job.Status.RUNNING:
            return None
        if not self.job.done or self.elapsed is None or self.elapsed < SETTLED:
            return None
        return self.job.done / self.elapsed.total_seconds()

    @property
    def rate(self) -> str:
        speed = self.per_second
        if speed is None:
            return ""
        if speed >= 1:
            return gettext("%(count)s pictures a second") % {"count": intcomma(round(speed))}
        return gettext("%(count)s pictures a minute") % {"count": intcomma(round(speed * 60))}

    @property
    def time_left(self) -> str:
        speed = self.per_second
        if not speed or not self.job.total:
            return ""
        left = timedelta(seconds=max(0, self.job.total - self.job.done) / speed)
        return gettext("about %(duration)s left") % {"duration": spell_duration(left)}

    @property
    def outcome(self) -> str:
        """What came of it, in sentences; empty while it runs and after a failure."""
        if not self.job.result or self.job.status == Job.Status.FAILED:
            return ""
        return " ".join(map(str, self.kind.outcome(self.job.result)))

    @property
    def account(self) -> list[tuple[str, str]]:
        """What came of it in full, by what is told of; empty where the outcome says it all."""
        return [(str(name), in_words(value)) for name, value in self.kind.account(self.job.result)]

    @property
    def details(self) -> list[tuple[str, str]]:
        """The job's parameters, by their names, short enough to read."""
        return spell_values(self.job.told_params)

    @property
    def result_address(self) -> str:
        """The page of what came of it, where it has one of its own."""
        return self.kind.address(self.job)

    @property
    def result_link(self) -> str:
        link = self.kind.link
        return str(link(self.job) if callable(link) else link)


def is_in_epochs(job: Job) -> bool:
    """Tell whether a training is at its epochs, and not before or after them."""
    return job.message is None or job.message.code == "stage.epoch"


_NAMES = {
    "tune": _("what is trained"),
    "sha256": _("SHA-256 of it"),
    "best_value": _("validation figure"),
    "mix": _("share of new weights"),
    "trained_parameters": _("numbers trained"),
    "base": _("started from"),
    "best_epoch": _("best epoch"),
    "captions": _("captions"),
    "collection": _("collection"),
    "composition": _("composition"),
    "gallery": _("gallery"),
    "images": _("pictures"),
    "model": _("model"),
    "name": _("name"),
    "override_reason": _("reason for the exception"),
    "path": _("path"),
    "pictures": _("pictures"),
    "protocol": _("protocol"),
    "split": _("split"),
    "steps": _("steps"),
    **{name: _(option.label) for name, option in OPTIONS.items()},
}
"""Others are told by the names that programs use."""


def spell_values(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Parameters, a recipe or facts about data, by their names, short enough to read.

    What is empty is left out, and groups are taken apart.
    """
    spelled = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            spelled += spell_values(value)
        elif value not in (None, "", [], ()):
            spelled.append((str(_NAMES.get(name, name.replace("_", " "))), _shorten(value)))
    return spelled


def spell_duration(duration: timedelta) -> str:
    """Say how long something takes, in the two largest units at most."""
    seconds = round(duration.total_seconds())
    if seconds < 1:
        return gettext("under a second")
    if seconds < 60:
        return _counted(ngettext("%(count)s second", "%(count)s seconds", seconds), seconds)
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        spelled = _counted(ngettext("%(count)s minute", "%(count)s minutes", minutes), minutes)
        return f"{spelled} {seconds} s" if seconds and minutes < 10 else spelled
    hours, minutes = divmod(minutes, 60)
    spelled = _counted(ngettext("%(count)s hour", "%(count)s hours", hours), hours)
    return f"{spelled} {minutes} min" if minutes else spelled


def _counted(words: str, number: int) -> str:
    return words % {"count": intcomma(number)}


def time_to_embed(count: int) -> str:
    """Say how long so many pictures take to embed; empty where that is not known yet."""
    return _spell_seconds(embedding_seconds(count) if count else None)


def time_to_index(count: int) -> str:
    """Say how long an index of so many pictures takes to build; empty where that is not known."""
    return _spell_seconds(indexing_seconds(count) if count else None)


def _spell_seconds(seconds: float | None) -> str:
    return "" if seconds is None else spell_duration(timedelta(seconds=seconds))


def _shorten(value: Any) -> str:
    if isinstance(value, list):
        if len(value) > 5:
            return gettext("%(first)s and %(count)s more") % {
                "first": ", ".join(map(str, value[:5])),
                "count": intcomma(len(value) - 5),
            }
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, float):
        return figure(value, ".4g")
    return intcomma(value) if isinstance(value, int) else str(value)
