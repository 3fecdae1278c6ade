"""Whether two orders agree: Kendall's tau, with ties."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Tau(NamedTuple):
    """Kendall's rank correlation, -1 to 1; NaN where either order has only ties."""

    b: float
    """Ties in either order are taken out of what could be reached (Kendall 1945)."""
    c: float
    """For orders of different numbers of grades (Stuart 1953)."""


def kendall(scores: NDArray[np.floating[Any]], grades: NDArray[np.floating[Any]]) -> Tau:
    """Compare scores with grades, of which there are few different ones.

    Args:
        scores: (n,), finite.
        grades: (n,), finite; the time grows with the square of how many differ.

    Raises:
        ValueError: different lengths.
    """
    if len(scores) != len(grades):
        raise ValueError("every score needs a grade")
    levels = np.unique(grades)
    sorted_by_level = [np.sort(scores[grades == level]) for level in levels]
    surplus = 0  # of pairs in the same order over those in opposite order
    for at, low in enumerate(sorted_by_level):
        for high in sorted_by_level[at + 1 :]:
            below = np.searchsorted(low, high, side="left").sum()
            above = (len(low) - np.searchsorted(low, high, side="right")).sum()
            surplus += int(below) - int(above)
    n = len(scores)
    pairs = n * (n - 1) // 2
    counts = np.unique(scores, return_counts=True)[1].astype(np.int64)
    tied_scores = int((counts * (counts - 1) // 2).sum())
    tied_grades = sum(len(each) * (len(each) - 1) // 2 for each in sorted_by_level)
    fewest = min(len(counts), len(levels))
    if fewest < 2:
        return Tau(float("nan"), float("nan"))
    # Each factor by itself: their product may not fit into a float's 53 bits.
    reach = np.sqrt(float(pairs - tied_scores)) * np.sqrt(float(pairs - tied_grades))
    return Tau(surplus / float(reach), 2 * surplus / (n**2 * (fewest - 1) / fewest))
