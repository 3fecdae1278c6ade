"""Hubs: pictures that come up for everything, and what is taken from their scores.

Nearest neighbour normalisation (Chowdhury et al. 2024, "Nearest Neighbor Normalization Improves
Multimodal Retrieval", section 3): from a picture's cosine with a query goes alpha times the mean of
its k largest cosines with a bank of sentences. It is one number a picture, so it fits an index of
inner products as one more dimension. A bank that is not like what is asked does harm: it is the
gallery's own captions, and alpha is 0 where held-out captions show no gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix

ALPHAS = (0.25, 0.5, 0.75, 1.0)
NEIGHBOURS = (8, 16, 64)
"""What is tried."""

_BLOCK = 4_000_000
"""Cosines held at a time: 16 MB."""
_SURE = 1.96
"""Standard errors that a gain has to lie above 0: a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Bias:
    """How a bias is made of a bank, and what that was worth on held-out captions."""

    alpha: float
    """0 to 1; 0 for none."""
    k: int
    before: float
    """MRR of the held-out queries without a bias."""
    after: float
    """MRR with it."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureBias:
    """What is taken from the cosines of the pictures of an index with sentences."""

    k: int
    alpha: float
    """How it was made; see :func:`neighbour_bias`."""
    ids: NDArray[np.int64]
    """(n,), ascending."""
    values: NDArray[np.float32]
    """(n,)."""

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the bias of these pictures, float32 (m,); of those that came since, the mean."""
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        values: NDArray[np.float32] = np.where(
            self.ids[places] == ids, self.values[places], self.values.mean()
        )
        return values


def neighbour_bias(
    vectors: FloatMatrix,
    bank: FloatMatrix,
    k: int,
    alpha: float,
    *,
    groups: NDArray[np.int64] | None = None,
    bank_groups: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Return what is to be taken from the scores of each vector.

    Args:
        vectors: float32 (n, dim) unit rows, of pictures or of their captions.
        bank: float32 (m, dim) unit rows, of sentences as the same model reads them.
        k: how many of the nearest are looked at, at least 1; all where the bank has fewer.
        alpha: how much of their mean, 0 to 1.
        groups, bank_groups: (n,) and (m,): a sentence of the same group as a vector is not looked
            at, such as a picture's own caption.

    Returns:
        float32 (n,); 0 where alpha is 0 or nothing of the bank is left.
    """
    bias = np.zeros(len(vectors), dtype=np.float32)
    if alpha == 0 or not len(bank):
        return bias
    step = max(1, _BLOCK // len(bank))
    for start in range(0, len(vectors), step):
        rows = slice(start, start + step)
        cosines = vectors[rows] @ bank.T
        if groups is not None and bank_groups is not None:
            cosines[groups[rows, None] == bank_groups] = np.nan
        if k < len(bank):
            # NaN sorts last in what is negated, and so is never among the nearest.
            cosines = -np.partition(-cosines, k - 1, axis=1)[:, :k]
        left = ~np.isnan(cosines)
        sums = np.where(left, cosines, 0.0).sum(axis=1)
        bias[rows] = alpha * sums / np.maximum(left.sum(axis=1), 1)
    return bias


def choose_bias(
    vectors: FloatMatrix,
    bank: FloatMatrix,
    queries: FloatMatrix,
    truth: NDArray[np.int64],
    *,
    groups: NDArray[np.int64] | None = None,
    bank_groups: NDArray[np.int64] | None = None,
) -> Bias:
    """Choose alpha and k by the mean reciprocal rank of held-out queries.

    Args:
        vectors, bank, groups, bank_groups: as for :func:`neighbour_bias`.
        queries: float32 (q, dim), not of the bank.
        truth: (q,): the row of ``vectors`` that each is meant to find.

    Returns:
        The best; alpha 0 unless the 95 % interval of its gain lies above 0.
    """
    scores = queries @ vectors.T
    plain = _reciprocal_ranks(scores, truth)
    best = Bias(0.0, NEIGHBOURS[0], float(plain.mean()), float(plain.mean()))
    for k in NEIGHBOURS:
        whole = neighbour_bias(vectors, bank, k, 1.0, groups=groups, bank_groups=bank_groups)
        for alpha in ALPHAS:
            ranks = _reciprocal_ranks(scores - alpha * whole, truth)
            gain = ranks - plain
            error = float(gain.std(ddof=1)) / np.sqrt(len(gain)) if len(gain) > 1 else np.inf
            if ranks.mean() > best.after and gain.mean() > _SURE * error:
                best = Bias(alpha, k, best.before, float(ranks.mean()))
    return best


def _reciprocal_ranks(
    scores: NDArray[np.floating[Any]], truth: NDArray[np.int64]
) -> NDArray[np.float64]:
    own = scores[np.arange(len(scores)), truth]
    reciprocal: NDArray[np.float64] = 1.0 / (scores >= own[:, None]).sum(axis=1)
    return reciprocal
