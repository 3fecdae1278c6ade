"""What people read about a job: how far it is, how long it takes, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from gallery.models import Job

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
        return {
            "defect": "Stopped by a defect",
            "stopping": "Stopping",
            "queued": "Waiting for a worker",
        }.get(self.state, self.job.get_status_display())

    @property
    def unit(self) -> str:
        return "steps" if self.job.kind == Job.Kind.INDEX else "pictures"

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
        if self.unit == "steps" or self.job.status != Job.Status.RUNNING:
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
            return f"{speed:.0f} {self.unit} a second"
        return f"{speed * 60:.0f} {self.unit} a minute"

    @property
    def time_left(self) -> str:
        speed = self.per_second
        if not speed or not self.job.total:
            return ""
        left = timedelta(seconds=max(0, self.job.total - self.job.done) / speed)
        return f"about {spell_duration(left)} left"

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
        return [
            (name.replace("_", " "), _shorten(value)) for name, value in self.job.params.items()
        ]


def spell_duration(duration: timedelta) -> str:
    """Say how long something takes, in the two largest units at most."""
    seconds = round(duration.total_seconds())
    if seconds < 1:
        return "under a second"
    if seconds < 60:
        return _count(seconds, "second")
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        spelled = _count(minutes, "minute")
        return f"{spelled} {seconds} s" if seconds and minutes < 10 else spelled
    hours, minutes = divmod(minutes, 60)
    return f"{_count(hours, 'hour')} {minutes} min" if minutes else _count(hours, "hour")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _embedded(result: Mapping[str, Any]) -> str:
    done = _count(result.get("embedded", 0), "picture")
    failed = result.get("failed", 0)
    model = result.get("model", "the model")
    return f"{done} embedded with {model}" + (f", {failed:,} failed." if failed else ".")


def _indexed(result: Mapping[str, Any]) -> str:
    if result.get("superseded"):
        return "Another index was made live meanwhile, so this one was put aside."
    if "index" not in result:
        return _list_result(result)
    return (
        f"Index {result['index']} is live with {_count(result.get('pictures', 0), 'picture')} "
        f"from {result.get('model', 'the model')}."
    )


def _imported(result: Mapping[str, Any]) -> str:
    parts = [f"{_count(result.get('added', 0), 'picture')} added"]
    if known := result.get("already there"):
        parts.append(f"{known:,} already there")
    if failed := result.get("failed"):
        parts.append(f"{failed:,} refused")
    if captions := result.get("captions"):
        parts.append(f"{_count(captions, 'caption')} read")
    return ", ".join(parts) + "."


def _list_result(result: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in result.items()) + "."


_OUTCOMES = {
    Job.Kind.EMBED.value: _embedded,
    Job.Kind.INDEX.value: _indexed,
    Job.Kind.IMPORT.value: _imported,
}


def _shorten(value: Any) -> str:
    if isinstance(value, list):
        if len(value) > 5:
            return f"{', '.join(map(str, value[:5]))} and {len(value) - 5:,} more"
        return ", ".join(map(str, value))
    return str(value)
