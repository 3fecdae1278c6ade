"""Vectors of sentences that were asked for before."""

import threading
from collections import OrderedDict

from mlcore.config import FloatMatrix

KEPT = 10_000
"""Vectors kept in a process: 20 MB at 512 numbers each."""


class QueryVectors:
    """The vectors of the sentences asked for last, by model and sentence. Safe to share.

    A model's fingerprint is part of the key, so a vector never meets an index of another model.
    """

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._vectors: OrderedDict[tuple[str, str], FloatMatrix] = OrderedDict()
        self.hits = 0
        """Sentences that were found so far."""
        self.misses = 0
        """Sentences that had to be encoded so far."""

    @property
    def asked(self) -> int:
        """Sentences that were asked for so far."""
        return self.hits + self.misses

    def get(self, fingerprint: str, text: str) -> FloatMatrix | None:
        """Return the vector, float32 of shape (1, dim) or more rows, if it is known."""
        with self._lock:
            vector = self._vectors.get((fingerprint, text))
            if vector is None:
                self.misses += 1
                return None
            self.hits += 1
            self._vectors.move_to_end((fingerprint, text))
            return vector

    def put(self, fingerprint: str, text: str, vector: FloatMatrix) -> None:
        """Keep a vector; the one that was not asked for longest makes room."""
        kept = vector.copy()
        kept.flags.writeable = False
        with self._lock:
            self._vectors[fingerprint, text] = kept
            self._vectors.move_to_end((fingerprint, text))
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._vectors.clear()
