"""A model of sentences for tests in which it is not what is tested: a bag of words, in numpy."""

import hashlib
from collections.abc import Sequence

import numpy as np

from mlcore.config import FloatMatrix


class WordsEncoder:
    """A true :class:`~mlcore.encoders.sentences.SentenceEncoder`: sentences with the same words are
    near each other, and the more words they share, the nearer."""

    runtime = "numpy"
    dim = 64

    def __init__(self, name: str = "words") -> None:
        self.name = name
        self.fingerprint = hashlib.sha256(name.encode()).hexdigest()

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        rows = [self._vector(text) for text in texts]
        return np.stack(rows) if rows else np.empty((0, self.dim), dtype=np.float32)

    def encode_queries(self, texts: Sequence[str]) -> FloatMatrix:
        return self.encode_texts(texts)

    def is_truncated(self, text: str) -> bool:
        return len(text.split()) > 50

    def _vector(self, text: str) -> FloatMatrix:
        words = text.lower().split() or [""]
        seeds = [hashlib.sha256((self.name + word).encode()).digest()[:4] for word in words]
        rows = [
            np.random.default_rng(int.from_bytes(seed)).standard_normal(self.dim) for seed in seeds
        ]
        total = np.sum(rows, axis=0)
        return np.asarray(total / np.linalg.norm(total), dtype=np.float32)
