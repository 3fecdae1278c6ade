"""The metrics of one direction of retrieval, each with how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.evaluation.intervals import RESAMPLES, mean_intervals, median_interval
from mlcore.evaluation.ranking import Relevant, relevant_ranks

AT_K = ("precision", "recall", "hit_rate", "ndcg")
"""Metrics that look at the first k of a ranking."""


@dataclass(frozen=True, slots=True)
class DirectionMetrics:
    """Metrics of one direction, each a mean over the queries but the median rank."""

    queries: int
    gallery: int
    precision: dict[int, float]
    """k to the relevant share of the first k."""
    recall: dict[int, float]
    """k to the share of the relevant items that are among the first k."""
    hit_rate: dict[int, float]
    """k to the share of queries with any relevant item among the first k."""
    mrr: float
    """1 / rank of the first relevant item."""
    ndcg: dict[int, float]
    """k to the normalised discounted cumulative gain, gains being 0 or 1."""
    median_rank: float
    """Rank of the first relevant item, from 1."""
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The 95 % bootstrap interval of each metric, named as in ``flat()``; empty if not asked."""

    def flat(self) -> dict[str, float]:
        """The metrics under names such as ``hit_rate@5``."""
        named: dict[str, float] = {}
        for name in AT_K:
            named |= {f"{name}@{k}": value for k, value in getattr(self, name).items()}
        return named | {"mrr": self.mrr, "median_rank": self.median_rank}

    def as_dict(self) -> dict[str, Any]:
        """JSON values: ``queries``, ``gallery``, the metrics of ``flat()`` and ``intervals``."""
        return {
            "queries": self.queries,
            "gallery": self.gallery,
            **self.flat(),
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``as_dict`` wrote."""
        at_k: dict[str, dict[int, float]] = {name: {} for name in AT_K}
        for name, value in values.items():
            metric, at, k = name.partition("@")
            if at:
                at_k[metric][int(k)] = value
        return cls(
            queries=values["queries"],
            gallery=values["gallery"],
            mrr=values["mrr"],
            median_rank=values["median_rank"],
            intervals={
                name: (low, high) for name, (low, high) in values.get("intervals", {}).items()
            },
            **at_k,
        )


def retrieval_metrics(
    queries: FloatMatrix,
    gallery: FloatMatrix,
    relevant: Relevant,
    ks: Sequence[int],
    *,
    groups: NDArray[np.int64] | None = None,
    resamples: int = RESAMPLES,
) -> DirectionMetrics:
    """Rank a gallery for every query by dot product and score the ranking.

    Ties are broken pessimistically: among equal scores the irrelevant items come first, so a
    model that gives every item one score earns the worst figures and not lucky ones.

    Args:
        queries: float32 (n, dim).
        gallery: float32 (m, dim), m at least 1.
        relevant: for each query, the rows of ``gallery`` that answer it; at least one.
        ks: cut-offs, each at least 1.
        groups: (n,), numbers from 0: queries of one group are not independent of each other, and
            are drawn together for the intervals. Each query is its own group when None.
        resamples: of the bootstrap; 0 leaves the intervals out.

    Raises:
        ValueError: an empty input, a query with nothing relevant or with one item twice, or a
            cut-off below 1.
    """
    ranks = relevant_ranks(queries, gallery, relevant)
    counts = np.array([len(rows) for rows in relevant])
    return score_ranks(ranks, counts, len(gallery), ks, groups=groups, resamples=resamples)


def score_ranks(
    ranks: NDArray[np.float64],
    counts: NDArray[np.int64],
    gallery: int,
    ks: Sequence[int],
    *,
    groups: NDArray[np.int64] | None = None,
    resamples: int = RESAMPLES,
) -> DirectionMetrics:
    """Score rankings by the places of the relevant items.

    Args:
        ranks: (n, width) from :func:`mlcore.evaluation.ranking.relevant_ranks`.
        counts: (n,), how many relevant items each query has.
        gallery: how many items were ranked.
        ks, groups, resamples: as for `retrieval_metrics`.

    Raises:
        ValueError: a cut-off below 1, or none.
    """
    if not ks or min(ks) < 1:
        raise ValueError("cut-offs are counted from 1")
    per_query = score_each(ranks, counts, ks)
    names, values = list(per_query), np.stack(list(per_query.values()), axis=1)
    means = dict(zip(names, values.mean(axis=0).tolist(), strict=True))
    intervals: dict[str, tuple[float, float]] = {}
    if resamples:
        found = mean_intervals(values, groups, resamples=resamples)
        intervals = dict(zip(names, found, strict=True))
        intervals["median_rank"] = median_interval(ranks[:, 0], groups, resamples=resamples)
    at_k = {name: {k: means[f"{name}@{k}"] for k in ks} for name in AT_K}
    return DirectionMetrics(
        queries=len(ranks),
        gallery=gallery,
        mrr=means["mrr"],
        median_rank=float(np.median(ranks[:, 0])),
        intervals=intervals,
        **at_k,
    )


def score_each(
    ranks: NDArray[np.float64], counts: NDArray[np.int64], ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Return each query's score, (n,), under the names of ``DirectionMetrics.flat``.

    The median rank is not among them: it is no mean.
    """
    # Absent ranks are infinite, and 1 / log2(infinity) is 0.
    gains = 1.0 / np.log2(ranks + 1.0)
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, counts.max() + 2)))
    scores = {"mrr": 1.0 / ranks[:, 0]}
    for k in ks:
        within = ranks <= k
        found = within.sum(axis=1)
        scores[f"precision@{k}"] = found / k
        scores[f"recall@{k}"] = found / counts
        scores[f"hit_rate@{k}"] = (found > 0).astype(np.float64)
        gained = np.where(within, gains, 0.0).sum(axis=1)
        scores[f"ndcg@{k}"] = gained / ideal[np.minimum(counts, k) - 1]
    return scores
