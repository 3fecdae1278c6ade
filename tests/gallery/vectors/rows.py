"""Embedding rows for stores to be made of, and a search that is slow and obvious."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from gallery.models import Image, ImageEmbedding, ModelVersion
from mlcore.config import FloatMatrix, IdVector

DIM = 8


def unit_rows(n: int, dim: int = DIM, seed: int = 0) -> FloatMatrix:
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def int64(*values: int) -> IdVector:
    return np.array(values, dtype=np.int64)


def make_model(name: str = "model") -> ModelVersion:
    fingerprint = hashlib.sha256(name.encode()).hexdigest()
    return ModelVersion.objects.create(
        name=name, reference=name, fingerprint=fingerprint, dim=DIM, image_size=32
    )


def add_images(count: int, ids: Sequence[int] = ()) -> list[Image]:
    """Make so many pictures, which have no files."""
    first = Image.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    keys = list(ids) or list(range(first + 1, first + 1 + count))
    digests = [hashlib.sha256(str(key).encode()).hexdigest() for key in keys]
    return Image.objects.bulk_create(
        Image(pk=key, file=digest, sha256=digest, width=1, height=1, bytes=1)
        for key, digest in zip(keys, digests, strict=True)
    )


def embed(model: ModelVersion, vectors: FloatMatrix, ids: Sequence[int] = ()) -> list[int]:
    """Keep vectors of so many new pictures, which have no files; return their ids."""
    keys = [image.pk for image in add_images(len(vectors), ids)]
    ImageEmbedding.objects.store(model, keys, vectors)
    return keys


def replace_vector(model: ModelVersion, key: int, vector: FloatMatrix) -> None:
    """Change a stored vector, as no program of ours does: a restored backup may."""
    ImageEmbedding.objects.of_model(model).filter(image_id=key).update(vector=vector.tobytes())


def held_by(model: ModelVersion) -> dict[int, list[float]]:
    """What a version of this model should hold now."""
    rows = ImageEmbedding.objects.of_model(model).by_picture()
    return {key: vector.tolist() for key, vector in rows}


def slow_search(
    model: ModelVersion, query: FloatMatrix, k: int, allowed: Sequence[int] | None = None
) -> list[int]:
    [wanted] = query.tolist()
    scores = {
        key: math.fsum(map(float.__mul__, wanted, vector))
        for key, vector in held_by(model).items()
        if allowed is None or key in allowed
    }
    return sorted(scores, key=lambda key: (-scores[key], key))[:k]
