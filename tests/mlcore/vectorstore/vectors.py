"""Vectors, and a search that is slow and obvious."""

import math

import numpy as np

from mlcore.config import FloatMatrix, IdVector
from mlcore.vectorstore import Attributes, Filter

MODEL = "sha256:0123"
DIM = 8


def unit_rows(n: int, dim: int = DIM, seed: int = 0) -> FloatMatrix:
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def int64(*values: int) -> IdVector:
    return np.array(values, dtype=np.int64)


class Oracle:
    """What a version should hold and find, one picture after the other."""

    def __init__(self) -> None:
        self.vectors: dict[int, list[float]] = {}
        self.attributes: dict[int, Attributes] = {}

    def upsert(self, ids: IdVector, vectors: FloatMatrix, attributes: list[Attributes]) -> None:
        for key, vector, each in zip(ids.tolist(), vectors.tolist(), attributes, strict=True):
            self.vectors[key] = vector
            self.attributes[key] = each

    def delete(self, ids: IdVector) -> None:
        for key in ids.tolist():
            self.vectors.pop(key, None)
            self.attributes.pop(key, None)

    def search(self, query: FloatMatrix, k: int, where: Filter | None = None) -> list[int]:
        scores = {
            key: math.fsum(map(float.__mul__, query.tolist(), vector))
            for key, vector in self.vectors.items()
            if where is None or self.passes(key, where)
        }
        return sorted(scores, key=lambda key: (-scores[key], key))[:k]

    def passes(self, key: int, where: Filter) -> bool:
        has, asked = self.attributes[key], where.conditions
        return (
            (not asked.collection or has.collection == asked.collection)
            and (not asked.split or has.split == asked.split)
            and all(tag in has.tags for tag in asked.tags)
            and (
                asked.audience is None
                or has.public
                or (asked.audience.user is not None and has.owner == asked.audience.user)
            )
            and (where.allowed_ids is None or key in where.allowed_ids.tolist())
            and (where.denied_ids is None or key not in where.denied_ids.tolist())
        )
