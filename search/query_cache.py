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
        """Sentences that were found so far, of those that are counted."""
        self.misses = 0
        """Sentences that were not."""

    @property
    def asked(self) -> int:
        """Sentences that were asked for so far."""
        return self.hits + self.misses

    def get(self, fingerprint: str, text: str, *, counted: bool = True) -> FloatMatrix | None:
        """Return the vector, float32 of shape (1, dim) or more rows, if it is known.

        ``counted`` is whether this tells people how often a sentence is known: where one is asked
        for by two models, once is enough.
        """
        with self._lock:
            vector = self._vectors.get((fingerprint, text))
            if counted:
                self.hits += vector is not None
                self.misses += vector is None
            if vector is None:
                return None
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
