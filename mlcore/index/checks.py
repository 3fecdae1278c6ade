"""Checks of ids, vectors and queries. Explicit, because FAISS's own are assertions that
``python -O`` removes."""

import numpy as np

from mlcore.config import FloatMatrix, IdVector
from mlcore.errors import IndexMismatchError, InvalidQueryError

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


def check_width(vectors: FloatMatrix, dim: int, what: str) -> None:
    """Refuse vectors that are not ``dim`` wide (IndexMismatchError)."""
    if vectors.shape[1] != dim:
        raise IndexMismatchError(
            f"{what} are {vectors.shape[1]} wide, but the index holds vectors of width {dim}. Use "
            "the model that the index was built with, or rebuild the index."
        )


def _not_unit(vectors: FloatMatrix) -> tuple[int, str] | None:
    """Return the first row that is not a unit vector, and what it is instead."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # Written so that a NaN counts as wrong; a NaN or infinity in a row makes its norm one.
    wrong = ~(np.abs(norms - 1.0) <= NORM_TOLERANCE)
    if not wrong.any():
        return None
    row = int(wrong.argmax())
    if not np.isfinite(vectors[row]).all():
        return row, "holds a value that is not a finite number"
    return row, f"has length {norms[row]:.4g} instead of 1"


def check_queries(queries: FloatMatrix, k: int, dim: int) -> None:
    """Refuse queries that cannot be asked, as :meth:`VectorIndex.search` tells."""
    if k < 1:
        raise ValueError(f"k must be at least 1, but it is {k}.")
    check_matrix(queries, "queries")
    check_width(queries, dim, "The queries")
    fault = _not_unit(queries)
    if fault:
        row, what = fault
        raise InvalidQueryError(f"Query vector {row} {what}; it has no direction to search in.")


def check_ids_and_vectors(ids: IdVector, vectors: FloatMatrix) -> None:
    """Refuse what cannot be indexed, as :meth:`VectorIndex.build` tells."""
    check_ids(ids, "ids")
    check_matrix(vectors, "vectors")
    if len(ids) != len(vectors):
        raise IndexMismatchError(
            f"There are {len(ids)} ids for {len(vectors)} vectors; each vector needs its own."
        )
    if (ids < 0).any():
        raise IndexMismatchError(f"Image ids cannot be negative: {some_of(ids[ids < 0])}.")
    distinct, counts = np.unique(ids, return_counts=True)
    if len(distinct) != len(ids):
        raise IndexMismatchError(
            f"An image can be indexed once only, but these come more often: "
            f"{some_of(distinct[counts > 1])}."
        )
    fault = _not_unit(vectors)
    if fault:
        row, what = fault
        raise IndexMismatchError(
            f"The vector of image {ids[row]} {what}. Embed that image again, then rebuild."
        )


def some_of(ids: IdVector) -> str:
    """Name the first of some ids in a message."""
    shown = ", ".join(str(image_id) for image_id in ids[:5])
    return f"ids {shown}" + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
