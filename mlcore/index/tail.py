"""Pictures that came after the index was built, and the search over both."""

from typing import Self

import numpy as np

from mlcore.config import FloatMatrix, IdVector
from mlcore.index.checks import check_ids, check_ids_and_vectors, check_queries, check_width
from mlcore.index.hits import Hit, merge_hits, nearest
from mlcore.index.vectors import VectorIndex


class FreshTail:
    """Pictures embedded since the index was built, searched one by one.

    Immutable: :meth:`extended` returns another tail, so a search that runs meanwhile sees the
    old one whole. Meant for some thousands of vectors; a search reads all of them.
    """

    def __init__(self, ids: IdVector, vectors: FloatMatrix) -> None:
        """Copy and check the arrays; types, shapes and errors as in :meth:`VectorIndex.build`."""
        check_ids_and_vectors(ids, vectors)
        self.ids = ids.copy()
        self.vectors = np.array(vectors, order="C")
        self.ids.flags.writeable = False
        self.vectors.flags.writeable = False

    @classmethod
    def empty(cls, dim: int) -> Self:
        """Return a tail without pictures, for vectors of width ``dim``."""
        return cls(np.empty(0, dtype=np.int64), np.empty((0, dim), dtype=np.float32))

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.ids)

    def places_of(self, ids: IdVector) -> IdVector:
        """Return the place of each of ``ids``, int64 of shape (n,); -1 for one that is not here."""
        order = np.argsort(self.ids)
        if not len(order):
            return np.full(len(ids), -1, dtype=np.int64)
        near = order[np.searchsorted(self.ids[order], ids).clip(max=len(order) - 1)]
        return np.where(self.ids[near] == ids, near, -1)

    def extended(self, ids: IdVector, vectors: FloatMatrix) -> Self:
        """Return a tail with these pictures added; an id that is there already is replaced.

        Raises IndexMismatchError when the new vectors have another width, and otherwise what
        :meth:`VectorIndex.build` raises for such arrays.
        """
        check_ids_and_vectors(ids, vectors)
        check_width(vectors, self.dim)
        kept = ~np.isin(self.ids, ids)
        return type(self)(
            np.concatenate([self.ids[kept], ids]),
            np.concatenate([self.vectors[kept], vectors]),
        )

    def without(self, ids: IdVector) -> Self:
        """Return a tail that lacks ``ids``, as when an index that holds them has come into use."""
        check_ids(ids, "ids")
        kept = ~np.isin(self.ids, ids)
        return self if kept.all() else type(self)(self.ids[kept], self.vectors[kept])

    def search(
        self, queries: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[list[Hit]]:
        """Find the ``k`` best pictures.

        Arguments, order and errors as :meth:`VectorIndex.search`.
        """
        check_queries(queries, k, self.dim)
        ids, vectors = self.ids, self.vectors
        if allowed_ids is not None:
            check_ids(allowed_ids, "allowed_ids")
            allowed = np.isin(ids, allowed_ids)
            ids, vectors = ids[allowed], vectors[allowed]
        return [nearest(k, query, ids, vectors) for query in queries]


def search_with_tail(
    index: VectorIndex,
    tail: FreshTail,
    queries: FloatMatrix,
    k: int,
    *,
    allowed_ids: IdVector | None = None,
) -> list[list[Hit]]:
    """Search index and tail as if they were one index.

    Arguments, order and errors as :meth:`VectorIndex.search`. A picture in both is found once, as
    the index has it.
    """
    if not len(tail):
        return index.search(queries, k, allowed_ids=allowed_ids)
    # Left in, a picture that is outside the index's best k could come back as the tail has it.
    fresh = tail.without(tail.ids[index.contains(tail.ids)])
    return [
        merge_hits(index_hits, tail_hits, k)
        for index_hits, tail_hits in zip(
            index.search(queries, k, allowed_ids=allowed_ids),
            fresh.search(queries, k, allowed_ids=allowed_ids),
            strict=True,
        )
    ]
