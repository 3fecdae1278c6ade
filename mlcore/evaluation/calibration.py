"""Whether probabilities are what they say: of hits with 0.7, are seven in ten what was meant?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlcore.evaluation.intervals import mean_intervals, wilson
from mlcore.relevance.odds import probability_of

BINS = 10
"""Of equal mass."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions that lie next to each other."""

    count: int
    predicted: float
    """Mean of the probabilities."""
    observed: float
    """Share of them that came true."""
    low: float
    high: float
    """The 95 % score interval of ``observed`` (Wilson 1927)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far probabilities are from what came true."""

    count: int
    brier: float
    """Mean squared difference of probability and truth (Brier 1950): 0 is best, 0.25 is what one
    half for everything gives."""
    ece: float
    """Expected calibration error, 0 to 1: the mean over the bins of how far predicted and observed
    lie apart, weighed by their counts (Naeini, Cooper and Hauskrecht 2015, section 3)."""
    low: float
    high: float
    """The 95 % bootstrap interval of the Brier score."""
    bins: tuple[Bin, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values under the names of the fields."""
        return asdict(self) | {"bins": [asdict(each) for each in self.bins]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``as_dict`` wrote."""
        return cls(**{**values, "bins": tuple(Bin(**each) for each in values["bins"])})


def calibration(
    probabilities: NDArray[np.floating[Any]], truth: NDArray[np.bool_], *, bins: int = BINS
) -> Calibration:
    """Compare probabilities with what came true.

    Args:
        probabilities: (n,), 0 to 1, at least one.
        truth: (n,).
        bins: of equal mass, so that none is empty or nearly so: scores of search crowd at the ends
            (Nixon et al. 2019, "Measuring Calibration in Deep Learning", section 3).

    Raises:
        ValueError: nothing to compare, or different lengths.
    """
    if not len(probabilities) or len(probabilities) != len(truth):
        raise ValueError("calibration needs as many probabilities as truths, and at least one")
    order = np.argsort(probabilities, kind="stable")
    found = []
    for rows in np.array_split(order, min(bins, len(order))):
        predicted, hits = float(probabilities[rows].mean()), int(truth[rows].sum())
        found.append(Bin(len(rows), predicted, hits / len(rows), *wilson(hits, len(rows))))
    squared = (probabilities - truth) ** 2
    [(low, high)] = mean_intervals(squared[:, None].astype(np.float64))
    return Calibration(
        count=len(order),
        brier=float(squared.mean()),
        ece=sum(one.count * abs(one.predicted - one.observed) for one in found) / len(order),
        low=low,
        high=high,
        bins=tuple(found),
    )


def even_pairs(
    log_odds: NDArray[np.float64], own: NDArray[np.integer[Any]], *, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return probabilities at a prior of one half: each query's own picture, and one other.

    Over all pairs, of which one in many is true, any small probability looks well calibrated.

    Args:
        log_odds: (queries, pictures), of two pictures at least.
        own: (queries,): the picture that each query means.
        seed: draws the other one.
    """
    queries, pictures = log_odds.shape
    rows = np.arange(queries)
    drawn = np.random.default_rng(seed).integers(0, pictures - 1, queries)
    drawn += drawn >= own
    values = np.concatenate([log_odds[rows, own], log_odds[rows, drawn]])
    return probability_of(values), np.arange(2 * queries) < queries
