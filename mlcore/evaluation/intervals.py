"""How sure a figure is: the bootstrap over queries, and the score interval of a share.

The percentile bootstrap (Efron and Tibshirani 1993, sections 13.3 and 16.4): draw as many queries
as there are, with replacement, many times, and see how far the figure moves. Queries about the
same picture are not independent of each other, so they are drawn together, as one group.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000

_Z = 1.96
"""Standard deviations to each side within which 95 % of a normal distribution lie."""

_BLOCK = 8_000_000
"""Draws held at a time: 64 MB."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A difference between two means over the same queries."""

    low: float
    high: float
    """The 95 % interval of the difference."""
    p_value: float
    """Two-sided, for the difference being 0; at least 1 / (resamples + 1)."""


def mean_intervals(
    values: NDArray[np.float64],
    groups: NDArray[np.int64] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[tuple[float, float]]:
    """Return the 95 % interval of each column's mean.

    Args:
        values: (queries, figures), at least one query.
        groups: (queries,), which queries are drawn together: numbers from 0 without gaps. Each
            query is a group of its own when None.
        resamples: how many times the queries are drawn.
        seed: decides the draws.
    """
    means = _resampled_means(values, _numbered(groups, len(values)), resamples, seed)
    return _middle(means)


def median_interval(
    values: NDArray[np.float64],
    groups: NDArray[np.int64] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95 % interval of the median of ``values``, (queries,); see `mean_intervals`."""
    owner = _numbered(groups, len(values))
    order = np.argsort(values, kind="stable")
    ordered, owner_in_order = values[order], owner[order]
    medians = []
    for counts in _draws(int(owner.max()) + 1, resamples, seed, width=len(values)):
        reached = np.cumsum(counts[:, owner_in_order], axis=1)
        total = reached[:, -1:]
        # The two in the middle, which are one where the number is odd.
        lower = ordered[np.argmax(reached >= (total + 1) // 2, axis=1)]
        upper = ordered[np.argmax(reached >= total // 2 + 1, axis=1)]
        medians.append((lower + upper) / 2)
    return _middle(np.concatenate(medians)[:, None])[0]


def mean_shifts(
    differences: NDArray[np.float64],
    groups: NDArray[np.int64] | None = None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> list[Shift]:
    """Test whether each column's mean differs from 0: the paired bootstrap.

    The p-value is the share of resamples, moved so that their mean is 0, that lie as far out as
    the mean that was found (Efron and Tibshirani 1993, section 16.4; for retrieval, Smucker et
    al. 2007).

    Args:
        differences: (queries, figures): of the same query under two models.
        groups, resamples, seed: as for `mean_intervals`.
    """
    owner = _numbered(groups, len(differences))
    found = differences.mean(axis=0)
    means = _resampled_means(differences, owner, resamples, seed)
    # The last digits of a sum depend on its order; equal is as far out.
    as_far = np.abs(means - found) >= np.abs(found) * (1 - 1e-9)
    p_values = (as_far.sum(axis=0) + 1) / (resamples + 1)
    return [
        Shift(low, high, float(p_value))
        for (low, high), p_value in zip(_middle(means), p_values, strict=True)
    ]


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927); ``trials`` at least 1."""
    share, weight = hits / trials, 1 + _Z**2 / trials
    middle = (share + _Z**2 / (2 * trials)) / weight
    half = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2)) / weight
    return max(0.0, middle - half), min(1.0, middle + half)


def group_numbers(labels: Sequence[object]) -> NDArray[np.int64]:
    """Number equal labels alike, from 0 in the order in which they first come."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)


def _numbered(groups: NDArray[np.int64] | None, count: int) -> NDArray[np.int64]:
    return np.arange(count) if groups is None else groups


def _resampled_means(
    values: NDArray[np.float64], owner: NDArray[np.int64], resamples: int, seed: int
) -> NDArray[np.float64]:
    count = int(owner.max()) + 1
    sizes = np.bincount(owner, minlength=count).astype(np.float64)
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, owner, values)
    return np.concatenate(
        [
            (counts @ sums) / (counts @ sizes)[:, None]
            for counts in _draws(count, resamples, seed, width=count)
        ]
    )


def _draws(groups: int, resamples: int, seed: int, width: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each group is drawn: (some resamples, groups), all resamples in the end.

    The draws do not depend on ``width``, the columns that the caller makes of a block.
    """
    generator = np.random.default_rng(seed)
    step = max(1, _BLOCK // max(groups, width))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = generator.integers(0, groups, size=(rows, groups))
        drawn += np.arange(rows)[:, None] * groups
        counts = np.bincount(drawn.ravel(), minlength=rows * groups)
        yield counts.reshape(rows, groups).astype(np.float64)


def _middle(figures: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return between which values the middle 95 % of each column lie."""
    low, high = np.percentile(figures, (2.5, 97.5), axis=0)
    return [(float(one), float(other)) for one, other in zip(low, high, strict=True)]
