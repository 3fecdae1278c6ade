"""What people read about a job: how far it is, how long it takes, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from gallery.models import Job
from gallery.selectors import embedding_seconds, indexing_seconds
from gallery.views.sayings import in_the_readers_words
from mlcore.report import figure_words, metric_words

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
    def message(self) -> str:
        """Where the worker is."""
        return in_the_readers_words(self.job.message)

    @property
    def unit(self) -> str:
        """What its progress is counted in: pictures or steps."""
        return gettext("steps") if self._counts_steps else gettext("pictures")

    @property
    def _counts_steps(self) -> bool:
        return self.job.kind in {Job.Kind.INDEX, Job.Kind.TRAIN, Job.Kind.EXPORT}

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
        if self._counts_steps or self.job.status != Job.Status.RUNNING:
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
        """What came of it, as a sentence; empty while it runs and after a failure."""
        if not self.job.result or self.job.status == Job.Status.FAILED:
            return ""
        write = _OUTCOMES.get(self.job.kind, _list_result)
        return write(self.job.result)

    @property
    def details(self) -> list[tuple[str, str]]:
        """The job's parameters, by their names, short enough to read."""
        return spell_values(self.job.params)

    @property
    def result_address(self) -> str:
        """The page of what came of it, where it has one of its own."""
        result = self.job.result
        if self.job.kind == Job.Kind.IMPORT and result.get("added"):  # also of one that was stopped
            return f"{reverse('gallery:manage')}?job={self.job.pk}"
        if self.job.status != Job.Status.SUCCEEDED:
            return ""
        if self.job.kind == Job.Kind.EMBED and self.job.params.get("images"):
            return f"{reverse('gallery:manage')}?job={self.job.pk}"
        if self.job.kind == Job.Kind.EXPORT and "file" in result:
            return reverse("gallery:job-download", args=[self.job.pk])
        if self.job.kind == Job.Kind.INDEX and "index" in result:
            return reverse("gallery:versions")
        if self.job.kind == Job.Kind.TRAIN and "model" in result:
            return reverse("gallery:model", args=[result["model"]])
        if self.job.kind == Job.Kind.EVALUATE and "evaluation" in result:
            return reverse("gallery:evaluation", args=[result["evaluation"]])
        if self.job.kind == Job.Kind.PROMOTE and "promotion" in result:
            return reverse("gallery:versions")
        return ""

    @property
    def result_link(self) -> str:
        if self.job.kind in {Job.Kind.IMPORT, Job.Kind.EMBED}:
            return gettext("See the pictures")
        if self.job.kind == Job.Kind.EXPORT:
            return gettext("Download it")
        if self.job.kind == Job.Kind.TRAIN:
            return gettext("See the new model")
        if self.job.kind == Job.Kind.EVALUATE:
            return gettext("See the report")
        return gettext("See what is live")


_NAMES = {
    "tune": _("what is trained"),
    "sha256": _("SHA-256 of it"),
    "best_value": _("validation figure"),
    "mix": _("share of new weights"),
    "trained_parameters": _("numbers trained"),
    "base": _("started from"),
    "batch_size": _("batch size"),
    "best_epoch": _("best epoch"),
    "captions": _("captions"),
    "collection": _("collection"),
    "composition": _("composition"),
    "epochs": _("epochs"),
    "gallery": _("gallery"),
    "hard_negatives": _("hard negatives"),
    "images": _("pictures"),
    "learning_rate": _("learning rate"),
    "model": _("model"),
    "name": _("name"),
    "override_reason": _("reason for the exception"),
    "patience": _("patience"),
    "path": _("path"),
    "pictures": _("pictures"),
    "protocol": _("protocol"),
    "robust_mixes": _("shares of new weights tried"),
    "seed": _("seed"),
    "split": _("split"),
    "steps": _("steps"),
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


def _pictures(number: int) -> str:
    return _counted(ngettext("%(count)s picture", "%(count)s pictures", number), number)


def _captions(number: int) -> str:
    return _counted(ngettext("%(count)s caption", "%(count)s captions", number), number)


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


def _embedded(result: Mapping[str, Any]) -> str:
    facts = {
        "pictures": _pictures(result.get("embedded", 0)),
        "model": result.get("model") or gettext("the model"),
        "failed": intcomma(result.get("failed", 0)),
    }
    if result.get("failed"):
        return gettext("%(pictures)s embedded with %(model)s, %(failed)s failed.") % facts
    return gettext("%(pictures)s embedded with %(model)s.") % facts


def _indexed(result: Mapping[str, Any]) -> str:
    if result.get("superseded"):
        return gettext("Another index was made live meanwhile, so this one was put aside.")
    if "index" not in result:
        return _list_result(result)
    return gettext("Index %(index)s is live with %(pictures)s from %(model)s.") % {
        "index": result["index"],
        "pictures": _pictures(result.get("pictures", 0)),
        "model": result.get("model") or gettext("the model"),
    }


def _imported(result: Mapping[str, Any]) -> str:
    parts = [gettext("%(pictures)s added") % {"pictures": _pictures(result.get("added", 0))}]
    if known := result.get("already there"):
        parts.append(_counted(gettext("%(count)s already there"), known))
    if failed := result.get("failed"):
        parts.append(_counted(gettext("%(count)s refused"), failed))
    if captions := result.get("captions"):
        parts.append(gettext("%(captions)s read") % {"captions": _captions(captions)})
    return ", ".join(parts) + "."


def _trained(result: Mapping[str, Any]) -> str:
    if "name" not in result:
        return _list_result(result)
    sentences = [
        gettext("%(model)s was trained on %(pictures)s with %(captions)s.")
        % {
            "model": result["name"],
            "pictures": _pictures(result.get("pictures", 0)),
            "captions": _captions(result.get("captions", 0)),
        }
    ]
    if left_out := result.get("left out"):
        words = gettext("%(count)s were left out, as they look like held-out ones.")
        sentences.append(_counted(words, left_out))
    if best := result.get("best epoch"):
        sentences.append(gettext("The best epoch was %(epoch)s.") % {"epoch": best})
    if result.get("gate") == "passed":
        return " ".join([*sentences, gettext("It passed the gate and can go live.")])
    reasons = map(str, result.get("reasons", ()))
    return " ".join([*sentences, gettext("The gate refuses it."), *reasons])


def _evaluated(result: Mapping[str, Any]) -> str:
    if "model" not in result:
        return _list_result(result)
    figures = ", ".join(
        f"{metric_words(name)} {figure_words(result[name])}"
        for name in ("hit_rate@1", "hit_rate@5", "hit_rate@10", "mrr")
        if name in result
    )
    asked = result.get("queries", 0)
    return ngettext(
        "%(model)s, %(count)s query among %(gallery)s: %(figures)s.",
        "%(model)s, %(count)s queries among %(gallery)s: %(figures)s.",
        asked,
    ) % {
        "model": result["model"],
        "count": intcomma(asked),
        "gallery": intcomma(result.get("gallery", 0)),
        "figures": figures,
    }


def _promoted(result: Mapping[str, Any]) -> str:
    if "name" not in result:
        return _list_result(result)
    words = gettext("%(model)s is live with index %(index)s; %(pictures)s embedded anew.") % {
        "model": result["name"],
        "index": result.get("index"),
        "pictures": _pictures(result.get("embedded", 0)),
    }
    if result.get("gate") == "overridden":
        words += " " + gettext("The gate was passed over, with the reason that was given.")
    return words


def _exported(result: Mapping[str, Any]) -> str:
    if "file" not in result:
        return _list_result(result)
    words = gettext(
        "%(model)s with its index of %(pictures)s was written into a file of %(size)s, which is "
        "kept for three days."
    ) % {
        "model": result["model"],
        "pictures": _pictures(result.get("pictures", 0)),
        "size": filesizeformat(result.get("bytes", 0)),
    }
    if newer := result.get("newer"):
        left_out = gettext("%(pictures)s that came since its index was built are not in it.")
        words += " " + left_out % {"pictures": _pictures(newer)}
    return words


def _list_result(result: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in result.items()) + "."


_OUTCOMES = {
    Job.Kind.EMBED.value: _embedded,
    Job.Kind.INDEX.value: _indexed,
    Job.Kind.IMPORT.value: _imported,
    Job.Kind.TRAIN.value: _trained,
    Job.Kind.EVALUATE.value: _evaluated,
    Job.Kind.PROMOTE.value: _promoted,
    Job.Kind.EXPORT.value: _exported,
}


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
        return f"{value:.4g}"
    return intcomma(value) if isinstance(value, int) else str(value)
