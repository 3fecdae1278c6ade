"""Which place in the ranking the right items get, a block of queries at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix

TIE = 1e-6
"""Cosines closer than this count as equal: float32 products of equal vectors differ by as much."""

_BLOCK = 16_000_000
"""Scores held at a time: 64 MB, whatever the size of the gallery."""

Relevant: TypeAlias = Sequence[Sequence[int] | NDArray[np.int64]] | NDArray[np.integer[Any]]
"""For each query, the rows of the gallery that answer it; at least one."""


def relevant_ranks(
    queries: FloatMatrix, gallery: FloatMatrix, relevant: Relevant
) -> NDArray[np.float64]:
    """Rank a gallery for every query by dot product, and return where the relevant items stand.

    Ties are broken pessimistically: among equal scores the irrelevant items come first, so a
    model that gives every item one score earns the worst figures and not lucky ones.

    Args:
        queries: float32 (n, dim).
        gallery: float32 (m, dim), m at least 1.
        relevant: the rows of ``gallery`` that answer each query.

    Returns:
        (n, most relevant items of any query): ascending ranks from 1, filled up with infinity.

    Raises:
        ValueError: an empty input, or a query with nothing relevant or with one item twice.
    """
    if not len(queries) or not len(gallery):
        raise ValueError("metrics need at least one query and one gallery item")
    if len(relevant) != len(queries) or not all(len(rows) for rows in relevant):
        raise ValueError("every query needs at least one relevant item")
    if any(len(rows) > 1 and len(np.unique(rows)) < len(rows) for rows in relevant):
        raise ValueError("every query needs each of its relevant items once")
    width = max(len(rows) for rows in relevant)
    ranks = np.full((len(queries), width), np.inf)
    for start, block in _blocks(queries, gallery):
        wanted = np.full((len(block), width), -np.inf, dtype=np.float32)
        for row, rows in enumerate(relevant[start : start + len(block)]):
            # Highest first: the j-th of them has j - 1 relevant items before it.
            wanted[row, : len(rows)] = np.sort(block[row, rows])[::-1]
        for column in range(width):
            there = np.isfinite(wanted[:, column])
            limit = wanted[:, column, None] - TIE
            others = (block >= limit).sum(axis=1) - (wanted >= limit).sum(axis=1)
            ranks[start : start + len(block), column] = np.where(there, others + column + 1, np.inf)
    return ranks


def best_rows(queries: FloatMatrix, gallery: FloatMatrix, k: int) -> NDArray[np.int64]:
    """Return the rows that each query finds, best first: (n, at most k), equals by row."""
    k = min(k, len(gallery))
    found = np.empty((len(queries), k), dtype=np.int64)
    for start, block in _blocks(queries, gallery):
        rows = np.argpartition(block, len(gallery) - k, axis=1)[:, len(gallery) - k :]
        rows.sort(axis=1)
        order = np.argsort(-np.take_along_axis(block, rows, axis=1), axis=1, kind="stable")
        found[start : start + len(block)] = np.take_along_axis(rows, order, axis=1)
    return found


def _blocks(queries: FloatMatrix, gallery: FloatMatrix) -> Iterator[tuple[int, FloatMatrix]]:
    step = max(1, _BLOCK // len(gallery))
    for start in range(0, len(queries), step):
        yield start, queries[start : start + step] @ gallery.T
