"""A version of a FAISS store as one reader sees it at one moment."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix, IdVector
from mlcore.index import FreshTail, Hit, VectorIndex, merge_hits
from mlcore.index.positions import contained
from mlcore.vectorstore.filters import Conditions, Filter
from mlcore.vectorstore.journal import Changes

SPARE = 16
"""Hits asked of the base beyond k, for those that are hidden."""

READ_AT_ONCE = 2_000
"""Vectors read together; 2,000 of 512 are 4 MB."""

REMEMBERED = 32
"""Filters whose ids a view keeps; half a million ids are 4 MB."""


@dataclass(frozen=True, slots=True)
class View:
    """An index directory, what came after it, and what in it no longer counts.

    Immutable but for the ids that it remembers for filters, which are those of this moment.
    """

    base: VectorIndex
    base_change: int
    """The latest change that is in the base."""
    change: int
    """The latest change that is in the view."""
    tail: FreshTail
    """Pictures put in after the base was built."""
    hidden: IdVector
    """Ids in the base that were deleted or replaced since: int64, ascending."""
    matching: dict[Conditions, IdVector] = field(default_factory=dict)

    @classmethod
    def of(cls, base: VectorIndex, base_change: int) -> "View":
        """See a base before anything came after it."""
        nothing = np.empty(0, dtype=np.int64)
        return cls(base, base_change, base_change, FreshTail.empty(base.dim), nothing)

    def after(self, changes: Changes) -> "View":
        """See what happened since as well."""
        touched = np.concatenate([changes.ids, changes.deleted])
        tail = self.tail.without(touched)
        if len(changes.ids):
            tail = tail.extended(changes.ids, changes.vectors)
        outdated = touched[self.base.contains(touched)]
        return replace(
            self,
            change=changes.state.change,
            tail=tail,
            hidden=np.union1d(self.hidden, outdated),
            matching={},
        )

    def __len__(self) -> int:
        return len(self.base) - len(self.hidden) + len(self.tail)

    def ids(self) -> IdVector:
        """Return every id, ascending; int64."""
        return np.union1d(np.setdiff1d(self.base.ids, self.hidden), self.tail.ids)

    def vectors(self) -> Iterator[tuple[IdVector, FloatMatrix]]:
        """Yield ids, ascending, with their vectors."""
        ids = self.ids()
        order = np.argsort(self.tail.ids)
        fresh_ids, fresh_vectors = self.tail.ids[order], self.tail.vectors[order]
        for start in range(0, len(ids), READ_AT_ONCE):
            piece = ids[start : start + READ_AT_ONCE]
            fresh = contained(fresh_ids, piece)
            rows = np.empty((len(piece), self.base.dim), dtype=np.float32)
            rows[fresh] = fresh_vectors[np.searchsorted(fresh_ids, piece[fresh])]
            rows[~fresh] = self.base.vectors_of(piece[~fresh])
            yield piece, rows

    def search(
        self,
        queries: FloatMatrix,
        k: int,
        where: Filter,
        matching: Callable[[Conditions], IdVector],
    ) -> list[list[Hit]]:
        """Find the ``k`` best; arguments, order and errors as VectorBackend.search.

        ``matching`` finds the ids that meet conditions, ascending.
        """
        allowed, denied = where.allowed(), where.denied()
        if where.conditions:
            met = self._remembered(where.conditions, matching)
            if allowed is None:
                allowed = np.setdiff1d(met, denied, assume_unique=True)
            else:
                allowed = np.intersect1d(allowed, met, assume_unique=True)
        if allowed is None:
            old = self._base_hits(queries, k, np.union1d(self.hidden, denied))
            fresh = self.tail.without(denied).search(queries, k)
        else:
            shown = np.setdiff1d(allowed, self.hidden, assume_unique=True)
            old = self.base.search(queries, k, allowed_ids=shown)
            fresh = self.tail.search(queries, k, allowed_ids=allowed)
        return [merge_hits(*hits, k) for hits in zip(old, fresh, strict=True)]

    def _remembered(
        self, conditions: Conditions, matching: Callable[[Conditions], IdVector]
    ) -> IdVector:
        met = self.matching.get(conditions)
        if met is None:
            met = matching(conditions)
            if len(self.matching) >= REMEMBERED:
                self.matching.clear()
            self.matching[conditions] = met
        return met

    def _base_hits(self, queries: FloatMatrix, k: int, hidden: IdVector) -> list[list[Hit]]:
        """Search the base without what is hidden. It knows only what to allow, and that would be
        nearly everything; so more is asked for until enough is left."""
        if not len(hidden):
            return self.base.search(queries, k)
        asked = k + SPARE
        while True:
            found = self.base.search(queries, asked)
            left = [_without(hits, hidden) for hits in found]
            if all(
                len(kept) >= k or len(hits) < asked for kept, hits in zip(left, found, strict=True)
            ):
                return left
            asked *= 4


def _without(hits: list[Hit], hidden: IdVector) -> list[Hit]:
    ids = np.array([hit.image_id for hit in hits], dtype=np.int64)
    gone: NDArray[np.bool_] = contained(hidden, ids)
    return [hit for hit, is_hidden in zip(hits, gone, strict=True) if not is_hidden]
