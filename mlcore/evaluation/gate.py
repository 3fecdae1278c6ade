"""The gate: may a candidate take the live model's place?

Pure rules on figures that were measured elsewhere. Each check ends as one message, which is what
a person reads where a model is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, Self, TypeAlias

from mlcore.errors import DatasetError
from mlcore.evaluation.calibration import Calibration
from mlcore.evaluation.nonsense import NonsenseResult
from mlcore.i18n import Message

PRIMARY = "hit_rate@5"
"""The metric that is looked at, text to image."""

CheckKind: TypeAlias = Literal["test", "query_set", "general_set", "nonsense", "calibration"]

LESS_IS_BETTER: frozenset[CheckKind] = frozenset({"nonsense", "calibration"})
"""Checks whose figure is an error; the limit is then the most that the candidate may have."""

_METRICS = {
    "precision": "metric.precision",
    "recall": "metric.recall",
    "hit_rate": "metric.hit_rate",
    "ndcg": "metric.ndcg",
    "mrr": "metric.mrr",
}
_SETS = {
    "test": "gate.test",
    "general_set": "gate.general_set",
    "nonsense": "gate.nonsense",
    "calibration": "gate.calibration",
}

_ROUNDING = 1e-9
"""For limits such as 0.5 - 0.1, which no computer holds exactly."""


class Measured(Protocol):
    """Metrics of one direction, as :class:`mlcore.evaluation.DirectionMetrics`."""

    @property
    def queries(self) -> int: ...

    @property
    def gallery(self) -> int: ...

    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]: ...

    def flat(self) -> dict[str, float]: ...


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    kind: CheckKind
    name: str
    """Of the query set that somebody saved; for the other kinds the same as ``kind``."""
    passed: bool | None
    """None where it was not checked, which the message explains."""
    live: float | None
    candidate: float | None
    limit: float | None
    """The least that it had to reach; of ``LESS_IS_BETTER`` the most that it may have."""
    message: Message

    @property
    def better(self) -> bool:
        """Whether the candidate's figure is better than the live model's."""
        if not self.passed or self.live is None or self.candidate is None:
            return False
        gain = self.candidate - self.live
        return (-gain if self.kind in LESS_IS_BETTER else gain) > _ROUNDING

    def as_dict(self) -> dict[str, Any]:
        """JSON values under the names of the fields."""
        return asdict(self) | {"message": self.message.as_json()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``as_dict`` wrote."""
        return cls(**{**values, "message": Message.from_json(values["message"])})


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks together."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed. What was not checked does not count against a candidate."""
        return not any(check.passed is False for check in self.checks)

    @property
    def better(self) -> bool:
        """Whether anything got better; a candidate may pass because nothing got much worse."""
        return any(check.better for check in self.checks)

    @property
    def summary(self) -> Message:
        """What came of it, as one sentence."""
        if not self.passed:
            return Message("gate.summary_refused")
        return Message("gate.summary_better" if self.better else "gate.summary_not_worse")

    def reasons(self) -> list[Message]:
        """The message of each check that failed."""
        return [check.message for check in self.checks if check.passed is False]

    def as_dict(self) -> dict[str, Any]:
        """JSON values: ``passed`` and ``checks``."""
        return {"passed": self.passed, "checks": [check.as_dict() for check in self.checks]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``as_dict`` wrote; other keys are passed over."""
        return cls(tuple(Check.from_dict(check) for check in values["checks"]))


def pictures_check(live: Measured, candidate: Measured, metric: str = PRIMARY) -> Check:
    """Check that a candidate is not worse on test pictures than the live model's interval.

    Args:
        live, candidate: on the same queries over the same gallery; the live ones with intervals.
        metric: named as in ``DirectionMetrics.flat``; one of which more is better.

    Raises:
        DatasetError: the queries or galleries differ in number, or the live figure has no interval.
        ValueError: a metric that does not exist, or of which less is better.
    """
    before, after = _both(live, candidate, metric)
    if metric not in live.intervals:
        raise DatasetError("gate.no_interval", metric=_named(metric))
    limit = live.intervals[metric][0]
    passed = _reaches(after, limit)
    message = Message.of(
        "gate.test_passed" if passed else "gate.test_failed",
        queries=live.queries,
        metric=_named(metric),
        live=before,
        candidate=after,
        limit=limit,
    )
    return Check("test", "test", passed, before, after, limit, message)


def query_set_check(
    name: str, live: Measured, candidate: Measured, tolerance: float, metric: str = PRIMARY
) -> Check:
    """Check that a saved query set did not lose more than ``tolerance``, from 0 to 1.

    Raises:
        DatasetError: the queries or galleries differ in number.
        ValueError: a metric that does not exist or of which less is better, or a tolerance that
            is negative.
    """
    before, after = _both(live, candidate, metric)
    limit = before - _amount(tolerance)
    passed = _reaches(after, limit)
    message = Message.of(
        "gate.query_set_passed" if passed else "gate.query_set_failed",
        name=name,
        metric=_named(metric),
        live=before,
        candidate=after,
        limit=limit,
        tolerance=float(tolerance),
    )
    return Check("query_set", name, passed, before, after, limit, message)


def forgetting_check(
    live: Measured, candidate: Measured, margin: float, metric: str = PRIMARY
) -> Check:
    """Check that the general set did not lose more than ``margin``, from 0 to 1.

    Raises:
        DatasetError: the queries or galleries differ in number.
        ValueError: a metric that does not exist or of which less is better, or a negative margin.
    """
    before, after = _both(live, candidate, metric)
    limit = before - _amount(margin)
    passed = _reaches(after, limit)
    message = Message.of(
        "gate.general_set_passed" if passed else "gate.general_set_failed",
        metric=_named(metric),
        live=before,
        candidate=after,
        limit=limit,
        margin=float(margin),
    )
    return Check("general_set", "general_set", passed, before, after, limit, message)


def nonsense_check(live: NonsenseResult, candidate: NonsenseResult) -> Check:
    """Check that nonsense is not answered more often than the live model's interval allows.

    Args:
        live, candidate: of the same queries over the same pictures.

    Raises:
        DatasetError: they were asked different numbers of queries.
    """
    asked = (live.sensible, live.unanswerable), (candidate.sensible, candidate.unanswerable)
    if asked[0] != asked[1]:
        raise DatasetError("gate.other_nonsense")
    before, after, limit = live.unanswerable_strong, candidate.unanswerable_strong, live.high
    passed = _stays_below(after, limit)
    message = Message.of(
        "gate.nonsense_passed" if passed else "gate.nonsense_failed",
        queries=live.unanswerable,
        live=before,
        candidate=after,
        limit=limit,
    )
    return Check("nonsense", "nonsense", passed, before, after, limit, message)


def calibration_check(live: Calibration, candidate: Calibration) -> Check:
    """Check that probabilities are not further from the truth than the live model's interval.

    The Brier score is looked at: it falls for being sure and right as well, where the calibration
    error alone could be brought to 0 by always answering the same.

    Args:
        live, candidate: of the same pairs.

    Raises:
        DatasetError: they are of different numbers of pairs.
    """
    if live.count != candidate.count:
        raise DatasetError("gate.other_pairs", live=live.count, candidate=candidate.count)
    before, after, limit = live.brier, candidate.brier, live.high
    passed = _stays_below(after, limit)
    message = Message.of(
        "gate.calibration_passed" if passed else "gate.calibration_failed",
        pairs=live.count,
        live=before,
        candidate=after,
        limit=limit,
        error=candidate.ece,
    )
    return Check("calibration", "calibration", passed, before, after, limit, message)


def not_checked(kind: CheckKind, why: Message, name: str | None = None) -> Check:
    """Say that something could not be looked at, and why.

    Args:
        kind: what was to be looked at.
        why: a sentence.
        name: of the query set.
    """
    if name is None:
        message = Message.of("gate.not_checked", what=Message.of(_SETS[kind]), why=why)
    else:
        message = Message.of("gate.query_set_not_checked", name=name, why=why)
    return Check(kind, name or kind, None, None, None, None, message)


def _both(live: Measured, candidate: Measured, metric: str) -> tuple[float, float]:
    if metric == "median_rank":
        raise ValueError("the gate compares metrics of which more is better")
    if metric not in live.flat() or metric not in candidate.flat():
        raise ValueError(f"there is no metric {metric}")
    if (live.queries, live.gallery) != (candidate.queries, candidate.gallery):
        raise DatasetError(
            "gate.asked_differently",
            live_queries=live.queries,
            live_gallery=live.gallery,
            candidate_queries=candidate.queries,
            candidate_gallery=candidate.gallery,
        )
    return live.flat()[metric], candidate.flat()[metric]


def _amount(value: float) -> float:
    if not value >= 0:
        raise ValueError("a tolerance is 0 or more")
    return value


def _reaches(candidate: float, limit: float) -> bool:
    # Not "candidate < limit": a figure that is not a number must not pass.
    return candidate >= limit - _ROUNDING


def _stays_below(candidate: float, limit: float) -> bool:
    return candidate <= limit + _ROUNDING


def _named(metric: str) -> Message:
    name, _, k = metric.partition("@")
    return Message(_METRICS[name], {"k": k} if k else {})
