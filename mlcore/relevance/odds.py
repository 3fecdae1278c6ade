"""Between log-odds and probabilities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST = 500
"""Log-odds beyond which a probability is 0 or 1 in every digit, and ``exp`` would overflow."""


def probability_of(log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return probabilities, 0 to 1, of log-odds of any shape."""
    clipped = np.clip(np.asarray(log_odds, dtype=np.float64), -_MOST, _MOST)
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-clipped))
    return probability


def log_odds_of(probability: float) -> float:
    """Return the log-odds of a probability above 0 and below 1."""
    return math.log(probability / (1 - probability))
