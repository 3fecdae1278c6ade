"""Any number of vectors that are distributed like those of real pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix, IdVector

CHUNK = 50_000
"""Vectors made at a time."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """A smoothed bootstrap (Silverman and Young 1987) of real vectors.

    Each vector is a real one, drawn at random, plus normal noise of the real vectors' covariance,
    at length 1 again. So both the clusters of the real set and its covariance are kept. The noise's
    width is Scott's rule for so many vectors in so many dimensions (Scott 1992), about 1, and
    both are shrunk so that the covariance of the sum is that of the real vectors.
    """

    mean: NDArray[np.float64]
    offsets: NDArray[np.float32]
    """Of the real vectors from their mean."""
    root: NDArray[np.float32]
    """Of the covariance: noise is normal numbers times this."""
    width: float

    @classmethod
    def of(cls, real: FloatMatrix) -> Self:
        """Learn from real vectors, float32 of shape (n, dim), n at least 2."""
        count, dim = real.shape
        mean = real.astype(np.float64).mean(axis=0)
        offsets = real - mean
        covariance = offsets.T @ offsets / (count - 1)
        # Fewer vectors than dimensions leave directions of no width; some of the mean goes there.
        share = min(0.5, dim / (count + dim))
        covariance = (1 - share) * covariance + share * np.eye(dim) * np.trace(covariance) / dim
        root = np.linalg.cholesky(covariance).T
        return cls(
            mean, offsets.astype(np.float32), root.astype(np.float32), count ** (-1 / (dim + 4))
        )

    def chunks(self, count: int, *, seed: int = 0) -> Iterator[FloatMatrix]:
        """Yield ``count`` vectors, at most :data:`CHUNK` at a time; the same for the same seed."""
        generator = np.random.default_rng(seed)
        dim = self.offsets.shape[1]
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            rows = generator.standard_normal((size, dim), dtype=np.float32) @ self.root
            rows *= self.width
            rows += self.offsets[generator.integers(len(self.offsets), size=size)]
            rows /= np.float32(np.sqrt(1 + self.width**2))
            rows += self.mean.astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            yield rows

    def make(self, count: int, *, seed: int = 0) -> FloatMatrix:
        """Return ``count`` vectors, float32 of shape (count, dim)."""
        made = np.empty((count, self.offsets.shape[1]), dtype=np.float32)
        start = 0
        for rows in self.chunks(count, seed=seed):
            made[start : start + len(rows)] = rows
            start += len(rows)
        return made


def best_of(
    vectors: FloatMatrix, queries: FloatMatrix, k: int, among: IdVector | None = None
) -> IdVector:
    """Return the exact ``k`` best rows for each query, best first: int64 of shape (m, k).

    Args:
        vectors: float32 (n, dim); may be mapped from a file, for it is read a part at a time.
        queries: float32 (m, dim).
        k: fewer come back where there are fewer rows.
        among: row numbers, ascending; all rows where None.
    """
    count = len(vectors) if among is None else len(among)
    k = min(k, count)
    best = np.empty((len(queries), 0), dtype=np.int64)
    scores = np.empty((len(queries), 0), dtype=np.float32)
    for start in range(0, count, CHUNK):
        part = slice(start, min(start + CHUNK, count))
        rows = np.arange(part.start, part.stop) if among is None else among[part]
        found = queries @ vectors[part if among is None else rows].T
        best = np.concatenate([best, np.broadcast_to(rows, found.shape)], axis=1)
        scores = np.concatenate([scores, found], axis=1)
        top = _top(scores, k)
        best = np.take_along_axis(best, top, axis=1)
        scores = np.take_along_axis(scores, top, axis=1)
    return best


def _top(scores: NDArray[np.float32], k: int) -> IdVector:
    """Columns of the ``k`` highest scores of each row, highest first."""
    k = min(k, scores.shape[1])
    some = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1)
    return np.take_along_axis(some, order, axis=1)


def recall(found: list[list[int]], truth: IdVector) -> float:
    """Return the share of the true neighbours that were found, 0 to 1."""
    hits = sum(len(set(ours) & set(true.tolist())) for ours, true in zip(found, truth, strict=True))
    return hits / truth.size
