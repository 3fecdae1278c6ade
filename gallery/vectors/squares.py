"""Pictures that are wide or tall, searched by the squares at their ends as well as by their centre.

The similarity of a picture is that of its best square. A store that never changes keeps an index of
the squares beside that of the centres; one that follows rows keeps them among the others, by
negative ids. Where no picture is wide, neither has anything of it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from gallery.models import ImageEmbedding, IndexVersion, ModelVersion, SquareEmbedding
from gallery.models.square import ENDS, squares_of
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.index import FreshTail, Hit, VectorIndex, choose_kind, search_with_tail
from mlcore.index.hits import cosines

FOLDER = "squares"
"""Of the index of squares in the folder of a version."""
SQUARES = ENDS + 1
"""Vectors of a wide picture, the centre included."""


def best_squares(hits: Iterable[Hit], k: int) -> list[Hit]:
    """Return the ``k`` best pictures, each by its best square; best first, then by id."""
    best: dict[int, float] = {}
    for image_id, score in hits:
        best[image_id] = max(score, best.get(image_id, score))
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    return [Hit(image_id, score) for image_id, score in ranked[:k]]


@dataclass(frozen=True, slots=True)
class Squares:
    """The squares at the ends of the pictures of a version, in memory or over files mapped into it:
    an index of them, and what was embedded since. Never changes: news make another one."""

    model: ModelVersion
    index: VectorIndex
    tail: FreshTail
    watermark: int
    """The latest row that is in index or tail."""

    @classmethod
    def from_rows(cls, model: ModelVersion) -> "Squares":
        """Make one of the stored rows, in memory."""
        index = _build(model, IndexSpec(), lambda: None)
        return cls(model, index, FreshTail.empty(model.dim), index.watermark)

    @classmethod
    def load(cls, model: ModelVersion, folder: Path, watermark: int) -> "Squares":
        """Read what :func:`build_squares` wrote.

        Raises:
            IndexFileError, IndexMismatchError: it is missing, damaged, or of another model.
        """
        index = VectorIndex.load(folder, fingerprint=model.fingerprint)
        return cls(model, index, FreshTail.empty(model.dim), watermark)

    def __len__(self) -> int:
        return len(self.index) + len(self.tail)

    def search(self, query: FloatMatrix, k: int, allowed_ids: IdVector | None) -> list[Hit]:
        """Find the ``k`` pictures with the best squares; a picture may come once for each."""
        allowed = None if allowed_ids is None else squares_of(allowed_ids)
        [hits] = search_with_tail(self.index, self.tail, query, ENDS * k, allowed_ids=allowed)
        return [Hit(hit.image_id // ENDS, hit.score) for hit in hits]

    def candidates(self, query: FloatMatrix, k: int, allowed_ids: IdVector | None) -> list[int]:
        """As :meth:`search`, more surely and at more cost; ids in no order."""
        allowed = None if allowed_ids is None else squares_of(allowed_ids)
        old = self.index.nearest_of_all(query, ENDS * k, allowed_ids=allowed)
        [fresh] = self.tail.search(query, ENDS * k, allowed_ids=allowed)
        return [hit.image_id // ENDS for hit in (*old, *fresh)]

    def scores_of(self, query: FloatMatrix, image_ids: IdVector) -> NDArray[np.float32]:
        """Return the best cosine of each picture's squares, float32 (n,); NaN where it has none."""
        ids = squares_of(image_ids)
        scores = np.full(len(ids), np.nan, dtype=np.float32)
        fresh = self.tail.places_of(ids)
        late = fresh >= 0
        scores[late] = cosines(query[0], self.tail.vectors[fresh[late]])
        known = self.index.contains(ids)
        scores[known] = cosines(query[0], self.index.vectors_of(ids[known]))
        best: NDArray[np.float32] = np.fmax.reduce(scores.reshape(-1, ENDS), axis=1)
        return best

    def refreshed(self) -> "Squares":
        """Return one that also knows what was embedded since this one looked."""
        rows = SquareEmbedding.objects.later_than(self.model, self.watermark)
        ids, vectors, watermark = rows.matrix(self.model.dim)
        if not len(ids):
            return self
        return replace(self, tail=self.tail.extended(ids, vectors), watermark=watermark)


def _build(
    model: ModelVersion, spec: IndexSpec, likely_queries: Callable[[], FloatMatrix | None]
) -> VectorIndex:
    ids, vectors, watermark = SquareEmbedding.objects.of_model(model).matrix(model.dim)
    is_exact = choose_kind(spec, len(ids)).kind == "flat"
    return VectorIndex.build(
        ids,
        vectors,
        spec,
        fingerprint=model.fingerprint,
        watermark=watermark,
        queries=None if is_exact else likely_queries(),
    )


def build_squares(
    folder: Path,
    model: ModelVersion,
    spec: IndexSpec,
    likely_queries: Callable[[], FloatMatrix | None],
) -> dict[str, Any]:
    """Write an index of all squares to a new folder, whole or not at all, and return what the row
    of its version says of it; nothing, and no folder, where there are none.

    Raises:
        IndexFileError: it cannot be written.
    """
    if not settings.CONTEXTVISION_SQUARES or not SquareEmbedding.objects.of_model(model).exists():
        return {}
    index = _build(model, spec, likely_queries)
    index.save(folder)
    return {"square_count": len(index), "square_watermark": index.watermark}


def stored_squares(model: ModelVersion) -> dict[str, Any]:
    """Return what the row of a version says of squares that holds all that are stored."""
    rows = SquareEmbedding.objects.of_model(model)
    if not settings.CONTEXTVISION_SQUARES or not rows.exists():
        return {}
    last = rows.order_by("-pk").values_list("pk", flat=True)[0]
    return {"square_count": rows.count(), "square_watermark": last}


def open_squares(index: IndexVersion, folder: Path | None) -> Squares | None:
    """Open the squares of a version: from its folder, else from the stored rows, in memory; None
    where the settings want none.

    Raises:
        IndexFileError: the folder is damaged.
    """
    if not settings.CONTEXTVISION_SQUARES:
        return None
    model = index.model_version
    if folder is None or not index.square_count:
        # None when it was built: what came since is little, or an index of it is due.
        return Squares.from_rows(model)
    return Squares.load(model, folder / FOLDER, index.square_watermark).refreshed()


def record_ids(square_ids: IdVector) -> IdVector:
    """Return the ids under which a store that follows rows keeps squares: below those of pictures,
    whose ids are positive."""
    return -square_ids


def picture_of(record_id: int) -> int:
    """Return the picture that a record of a store which follows rows belongs to."""
    return record_id if record_id > 0 else -record_id // ENDS


def records_of_rows(
    model: ModelVersion, *, with_squares: bool
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield what a store should hold of a model by ascending id, the squares first."""
    pictures = ImageEmbedding.objects.of_model(model).by_picture()
    if not with_squares or not settings.CONTEXTVISION_SQUARES:
        return pictures
    squares = SquareEmbedding.objects.of_model(model).by_square()
    return chain(((-number, vector) for number, vector in squares), pictures)
