"""Checks of ids, vectors and queries. Explicit, because FAISS's own are assertions that
``python -O`` removes."""

import numpy as np

from mlcore.config import FloatMatrix, IdVector
from mlcore.errors import IndexMismatchError, InvalidQueryError
from mlcore.i18n import Message

NORM_TOLERANCE = 1e-3
"""How far a row's L2 norm may be from 1. bfloat16 encoders normalised in float32 stay within it."""


def check_ids(ids: IdVector, what: str) -> None:
    """Refuse ids that are not int64 of one dimension (ValueError)."""
    if ids.ndim != 1 or ids.dtype != np.int64:
        raise ValueError(
            f"{what} must be an int64 array of one dimension, but this is {ids.dtype} of shape "
            f"{ids.shape}."
        )


def check_matrix(vectors: FloatMatrix, what: str) -> None:
    """Refuse vectors that are not float32 of shape (n, width) (ValueError)."""
    if vectors.ndim != 2 or vectors.dtype != np.float32 or vectors.shape[1] == 0:
        raise ValueError(
            f"{what} must be a float32 array of shape (n, width), but this is {vectors.dtype} of "
            f"shape {vectors.shape}."
        )


def check_width(vectors: FloatMatrix, dim: int) -> None:
    """Refuse vectors that are not ``dim`` wide (IndexMismatchError)."""
    if (width := vectors.shape[1]) != dim:
        raise IndexMismatchError("index.vectors_of_other_width", width=str(width), dim=str(dim))


def _not_unit(vectors: FloatMatrix) -> tuple[int, str] | None:
    """Return the first row that is not a unit vector, and its length; "" where it has none."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # Written so that a NaN counts as wrong; a NaN or infinity in a row makes its norm one.
    wrong = ~(np.abs(norms - 1.0) <= NORM_TOLERANCE)
    if not wrong.any():
        return None
    row = int(wrong.argmax())
    if not np.isfinite(vectors[row]).all():
        return row, ""
    return row, f"{norms[row]:.4g}"


def check_queries(queries: FloatMatrix, k: int, dim: int) -> None:
    """Refuse queries that cannot be asked, as :meth:`VectorIndex.search` tells."""
    if k < 1:
        raise ValueError(f"k must be at least 1, but it is {k}.")
    check_matrix(queries, "queries")
    if (width := queries.shape[1]) != dim:
        raise IndexMismatchError("index.queries_of_other_width", width=str(width), dim=str(dim))
    fault = _not_unit(queries)
    if fault:
        row, length = fault
        if not length:
            raise InvalidQueryError("index.query_not_finite", row=str(row))
        raise InvalidQueryError("index.query_not_unit", row=str(row), length=length)


def check_ids_and_vectors(ids: IdVector, vectors: FloatMatrix) -> None:
    """Refuse what cannot be indexed, as :meth:`VectorIndex.build` tells."""
    check_ids(ids, "ids")
    check_matrix(vectors, "vectors")
    if len(ids) != len(vectors):
        raise IndexMismatchError("index.ids_and_vectors", ids=len(ids), vectors=len(vectors))
    if (ids < 0).any():
        raise IndexMismatchError("index.negative_ids", ids=some_of(ids[ids < 0]))
    distinct, counts = np.unique(ids, return_counts=True)
    if len(distinct) != len(ids):
        raise IndexMismatchError("index.repeated_ids", ids=some_of(distinct[counts > 1]))
    fault = _not_unit(vectors)
    if fault:
        row, length = fault
        image = str(ids[row])
        if not length:
            raise IndexMismatchError("index.vector_not_finite", image=image)
        raise IndexMismatchError("index.vector_not_unit", image=image, length=length)


def some_of(ids: IdVector) -> Message:
    """Name the first of some ids."""
    shown = [str(image_id) for image_id in ids[:5]]
    if len(ids) <= len(shown):
        return Message.of("index.ids", ids=shown)
    return Message.of("index.ids_and_more", ids=shown, count=len(ids) - len(shown))
