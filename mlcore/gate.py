"""The gate: may a candidate take the live model's place?

Pure rules on figures that were measured elsewhere. Each check ends as one sentence, which is what
a person reads where a model is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from mlcore.errors import DatasetError

PRIMARY = "hit_rate@5"
"""The metric that is looked at, text to image."""

_WORDS = {"hit_rate": "hit rate", "ndcg": "nDCG", "mrr": "MRR"}


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

    name: str
    passed: bool | None
    """None where it was not checked, which the sentence explains."""
    live: float | None
    candidate: float | None
    limit: float | None
    """The least that the candidate had to reach."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks together."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed. What was not checked does not count against a candidate."""
        return not any(check.passed is False for check in self.checks)

    def reasons(self) -> list[str]:
        """The sentence of each check that failed."""
        return [check.sentence for check in self.checks if check.passed is False]

    def as_dict(self) -> dict[str, Any]:
        """JSON values: ``passed`` and ``checks``."""
        return {"passed": self.passed, "checks": [asdict(check) for check in self.checks]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``as_dict`` wrote; other keys are passed over."""
        return cls(tuple(Check(**check) for check in values["checks"]))


def held_out_check(live: Measured, candidate: Measured, metric: str = PRIMARY) -> Check:
    """Check that a candidate is not worse on held-out pictures than the live model's interval.

    Args:
        live, candidate: on the same queries over the same gallery; the live ones with intervals.
        metric: named as in ``DirectionMetrics.flat``; one of which more is better.

    Raises:
        DatasetError: the queries or galleries differ in number, or the live figure has no interval.
        ValueError: a metric that does not exist, or of which less is better.
    """
    before, after = _both(live, candidate, metric)
    if metric not in live.intervals:
        raise DatasetError(
            f"The live model's {_said(metric)} was measured without an interval; evaluate it again"
        )
    limit = live.intervals[metric][0]
    return _check(
        "held-out pictures",
        f"On {live.queries:,} held-out queries its {_said(metric)}",
        before,
        after,
        limit,
        "the lower end of the live model's 95 % interval",
    )


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
    what = f"On the query set “{name}” its {_said(metric)}"
    return _check(name, what, before, after, limit, f"the tolerance of {tolerance:.3f}")


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
    what = f"On the general set, which guards against forgetting, its {_said(metric)}"
    return _check("general set", what, before, after, limit, f"the margin of {margin:.3f}")


def not_checked(name: str, why: str) -> Check:
    """Say that something could not be looked at, and why: a clause without a full stop."""
    return Check(name, None, None, None, None, f"Not checked: {name} ({why.rstrip('.')}).")


def _both(live: Measured, candidate: Measured, metric: str) -> tuple[float, float]:
    if metric == "median_rank":
        raise ValueError("the gate compares metrics of which more is better")
    if metric not in live.flat() or metric not in candidate.flat():
        raise ValueError(f"there is no metric {metric}")
    if (live.queries, live.gallery) != (candidate.queries, candidate.gallery):
        raise DatasetError(
            f"The live model was asked {live.queries} queries among {live.gallery} pictures and "
            f"the candidate {candidate.queries} among {candidate.gallery}; evaluate both on the "
            "same ones"
        )
    return live.flat()[metric], candidate.flat()[metric]


def _amount(value: float) -> float:
    if not value >= 0:
        raise ValueError("a tolerance is 0 or more")
    return value


def _check(
    name: str, what: str, live: float, candidate: float, limit: float, because: str
) -> Check:
    # Not "candidate < limit": a figure that is not a number must not pass. The billionth is for
    # limits such as 0.5 - 0.1, which no computer holds exactly.
    passed = candidate >= limit - 1e-9
    words = "at least" if passed else "less than"
    sentence = (
        f"{what} is {candidate:.3f}, {words} {limit:.3f}: the live model has {live:.3f}, and "
        f"{because} sets the limit."
    )
    return Check(name, passed, live, candidate, limit, sentence)


def _said(metric: str) -> str:
    name, _, k = metric.partition("@")
    words = _WORDS.get(name, name)
    return f"{words} at {k}" if k else words
