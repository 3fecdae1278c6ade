"""From image ids to their places in an index."""

import numpy as np
from numpy.typing import NDArray

from mlcore.config import IdVector

DENSE_ENOUGH = 4
"""Ids that leave at most this many places a picture get a table: half a million ids are then found
in 2 ms in place of 30."""


class PositionTable:
    """Finds the positions of ids in an ascending array of ids.

    Args:
        ids: int64, shape (n,), ascending.
    """

    def __init__(self, ids: IdVector) -> None:
        self._ids = ids
        self._table: NDArray[np.int32] | None = None
        if len(ids) and ids[0] >= 0 and ids[-1] < DENSE_ENOUGH * len(ids) + 1024:
            self._table = np.full(int(ids[-1]) + 1, -1, dtype=np.int32)
            self._table[ids] = np.arange(len(ids), dtype=np.int32)

    def of(self, wanted: IdVector) -> IdVector:
        """Return the ascending positions of those of ``wanted`` (ascending) that are there."""
        if self._table is None:
            return np.searchsorted(self._ids, wanted[contained(self._ids, wanted)])
        first, last = np.searchsorted(wanted, [0, len(self._table)])
        positions = self._table[wanted[first:last]]
        return positions[positions >= 0].astype(np.int64)


def ascends(ids: IdVector) -> bool:
    """Tell whether each id is above the one before it."""
    return bool((ids[1:] > ids[:-1]).all())


def contained(ascending: IdVector, ids: IdVector) -> NDArray[np.bool_]:
    """Tell for each of ``ids`` whether it is in ``ascending``."""
    if len(ascending) == 0:
        return np.zeros(len(ids), dtype=np.bool_)
    found = np.searchsorted(ascending, ids).clip(max=len(ascending) - 1)
    return np.asarray(ascending[found] == ids)
