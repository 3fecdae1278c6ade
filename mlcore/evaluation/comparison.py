"""Two models on the same queries: how far apart, whether by chance, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore.errors import DatasetError
from mlcore.evaluation.intervals import group_numbers, mean_shifts
from mlcore.evaluation.metrics import score_each
from mlcore.evaluation.results import QueryOutcome, RetrievalMetrics


@dataclass(frozen=True, slots=True)
class Difference:
    """How one metric differs, text to image."""

    live: float
    candidate: float
    difference: float
    """candidate less live; more is better."""
    low: float
    high: float
    """The 95 % interval of the difference: paired bootstrap over queries."""
    p_value: float
    """Two-sided: how likely a difference this large is where the models are equally good."""


@dataclass(frozen=True, slots=True)
class QueryChange:
    """A query that the two models answer differently."""

    query: str
    relevant: tuple[str, ...]
    live_rank: int
    candidate_rank: int
    live_top: tuple[str, ...]
    """The names of the pictures that came back."""
    candidate_top: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate beside the live model."""

    metrics: dict[str, Difference]
    """``mrr``, ``hit_rate@k`` and, where every query has one relevant picture, ``ndcg@k``."""
    better: tuple[QueryChange, ...]
    """Every query whose picture moved up, by how much 1 / rank grew."""
    worse: tuple[QueryChange, ...]
    """Every query whose picture moved down, by how much 1 / rank fell."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values under the names of the fields."""
        return {
            "metrics": {name: asdict(found) for name, found in self.metrics.items()},
            "better": [_change_as_dict(change) for change in self.better],
            "worse": [_change_as_dict(change) for change in self.worse],
        }


def compare(
    live: RetrievalMetrics,
    candidate: RetrievalMetrics,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two evaluations query by query.

    The paired bootstrap draws queries, both models' answers at once, so how hard a query is does
    not blur the difference. Captions of one picture are drawn together.

    Args:
        live, candidate: with their outcomes, of the same queries over the same gallery.
        resamples: of the bootstrap; the p-value is at least 1 / (resamples + 1).
        seed: decides the resamples.

    Raises:
        DatasetError: the queries or galleries differ, or an evaluation has no outcomes.
    """
    _require_the_same(live, candidate)
    ks = sorted({*live.config.ks} & {*candidate.config.ks})
    before, after = _scores(live.outcomes, ks), _scores(candidate.outcomes, ks)
    groups = group_numbers([outcome.relevant for outcome in live.outcomes])
    differences = np.stack([after[name] - before[name] for name in before], axis=1)
    shifts = mean_shifts(differences, groups, resamples=resamples, seed=seed)
    metrics = {
        name: Difference(
            live=float(before[name].mean()),
            candidate=float(after[name].mean()),
            difference=float(differences[:, column].mean()),
            low=shift.low,
            high=shift.high,
            p_value=shift.p_value,
        )
        for column, (name, shift) in enumerate(zip(before, shifts, strict=True))
    }
    changes = [
        QueryChange(old.query, old.relevant, old.rank, new.rank, old.top, new.top)
        for old, new in zip(live.outcomes, candidate.outcomes, strict=True)
    ]
    # The sort is stable, so equal changes stay in the order of the queries.
    return Comparison(
        metrics,
        better=tuple(sorted((one for one in changes if _gain(one) > 0), key=_gain, reverse=True)),
        worse=tuple(sorted((one for one in changes if _gain(one) < 0), key=_gain)),
    )


def _scores(outcomes: Sequence[QueryOutcome], ks: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    ranks = np.array([[outcome.rank] for outcome in outcomes], dtype=np.float64)
    scores = score_each(ranks, np.ones(len(ranks), dtype=np.int64), ks)
    single = all(len(outcome.relevant) == 1 for outcome in outcomes)
    # The outcome holds the first relevant rank alone, which decides these and no other metrics.
    known = ("mrr", "hit_rate", "ndcg") if single else ("mrr", "hit_rate")
    return {name: values for name, values in scores.items() if name.startswith(known)}


def _require_the_same(live: RetrievalMetrics, candidate: RetrievalMetrics) -> None:
    if not live.outcomes or not candidate.outcomes:
        raise DatasetError("comparison.no_outcomes")
    same_queries = [(one.query, one.relevant) for one in live.outcomes] == [
        (one.query, one.relevant) for one in candidate.outcomes
    ]
    if not same_queries:
        raise DatasetError("comparison.other_queries", live=live.model, candidate=candidate.model)
    if live.text_to_image.gallery != candidate.text_to_image.gallery:
        raise DatasetError(
            "comparison.other_gallery",
            live=live.model,
            live_gallery=live.text_to_image.gallery,
            candidate=candidate.model,
            candidate_gallery=candidate.text_to_image.gallery,
        )


def _gain(change: QueryChange) -> float:
    return 1 / change.candidate_rank - 1 / change.live_rank


def _change_as_dict(change: QueryChange) -> dict[str, Any]:
    values = asdict(change)
    return values | {name: list(values[name]) for name in ("relevant", "live_top", "candidate_top")}
