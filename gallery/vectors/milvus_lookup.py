"""A version on a Milvus server as searches see it: its pictures, and what is said of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from gallery.models import (
    ImageEmbedding,
    IndexVersion,
    SentenceEmbedding,
    SentenceModel,
    SentenceReading,
)
from gallery.models.square import squares_of
from gallery.selectors import stored_scores
from gallery.vectors.sentences import (
    SPARE,
    BestSentences,
    CaptionHit,
    CaptionLookup,
    best_stored,
)
from gallery.vectors.squares import SQUARES, best_squares, record_ids
from mlcore.config import FloatMatrix, IdVector
from mlcore.index import Hit
from mlcore.index.checks import check_queries

if TYPE_CHECKING:
    from gallery.vectors.milvus import MilvusStore

MOST_HITS = 16_384
"""Results that Milvus gives for one query (quotaAndLimits.limits.topK)."""
WIDER = 10
"""How many times as many results as are wanted are asked for where none shall be missed."""

IDS_AT_ONCE = 10_000
"""Ids in one expression; Milvus takes about 10 microseconds to read each."""


@dataclass(frozen=True, slots=True)
class MilvusLookup:
    """One version, searched under its own name: whatever is made live meanwhile, an answer comes
    wholly from it."""

    store: "MilvusStore"
    index: IndexVersion
    captions: CaptionLookup
    has_squares: bool = False
    """Whether wide pictures have squares in the version."""
    warning: None = None
    is_exact: bool = False

    @property
    def most_hits(self) -> int:
        return MOST_HITS // SQUARES if self.has_squares else MOST_HITS

    @property
    def fingerprint(self) -> str:
        return self.index.model_version.fingerprint

    def search(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        check_queries(query, k, self.index.model_version.dim)
        wanted, asked = k, terms("id", allowed_ids)
        if self.has_squares and settings.CONTEXTVISION_SQUARES:
            wanted = min(SQUARES * k, MOST_HITS)
            asked = terms("id", _with_squares(allowed_ids))
        elif self.has_squares and allowed_ids is None:
            asked = ["id > 0"]
        hits = [hit for term in asked for hit in self.store.hits(self.index, query, wanted, term)]
        if not hits:
            rows = ImageEmbedding.objects.of_model(self.index.model_version)
            self.store.require_none(rows.filter(pk__lte=self.index.watermark), allowed_ids)
        return best_squares(hits, k)

    def candidates(
        self, query: FloatMatrix, count: int, *, allowed_ids: IdVector | None = None
    ) -> list[int]:
        # The graph is followed as far as there are results to find.
        hits = self.search(query, count * WIDER, allowed_ids=allowed_ids)
        return [hit.image_id for hit in hits]

    def scores_of(self, query: FloatMatrix, image_ids: IdVector) -> NDArray[np.float32]:
        check_queries(query, 1, self.index.model_version.dim)
        in_squares = self.has_squares and settings.CONTEXTVISION_SQUARES
        return stored_scores(self.index.model_version, query, image_ids, in_squares=in_squares)

    def sample(self) -> FloatMatrix:
        return ImageEmbedding.objects.of_model(self.index.model_version).sample()

    def refreshed(self) -> "MilvusLookup":
        if not self.has_squares and self.store.has_squares(self.index):
            return replace(self, has_squares=True).refreshed()
        captions, index = self.captions, self.index
        model = SentenceReading.objects.current()
        if isinstance(captions, MilvusCaptions) and captions.model == model:
            return self
        index.refresh_from_db(fields=["sentence_model"])
        if index.sentence_model_id == (model.pk if model else None) or captions.model != model:
            captions = self.store.captions(index)
        else:
            captions = captions.refreshed()
        return self if captions is self.captions else replace(self, captions=captions)

    def check(self) -> None:
        self.store.check(self.index)
        self.search(any_direction(self.index.model_version.dim), 1)
        if isinstance(self.captions, MilvusCaptions):
            self.captions.search(any_direction(self.captions.model.dim), 1)


@dataclass(frozen=True, slots=True)
class MilvusCaptions:
    """Implements :class:`CaptionLookup` over the collection of sentences of a version."""

    store: "MilvusStore"
    index: IndexVersion
    model: SentenceModel

    @property
    def count(self) -> int:
        return SentenceEmbedding.objects.of_model(self.model).said().count()

    def search(
        self, query: FloatMatrix, k: int, allowed_ids: IdVector | None = None
    ) -> list[CaptionHit]:
        check_queries(query, k, self.model.dim)
        best: dict[int, CaptionHit] = {}
        for term in terms("image_id", allowed_ids):
            for image_id, key, score in self._hits(query, k, term):
                if image_id not in best or score > best[image_id].score:
                    best[image_id] = CaptionHit(image_id, key if key > 0 else None, score)
        if not best:
            rows = SentenceEmbedding.objects.of_model(self.model).said()
            until = self.index.sentence_watermark
            self.store.require_none(rows.filter(pk__lte=until), allowed_ids)
        return sorted(best.values(), key=lambda hit: (-hit.score, hit.image_id))[:k]

    def _hits(self, query: FloatMatrix, k: int, term: str) -> list[tuple[int, int, float]]:
        """Return sentences until they are of ``k`` pictures, or there are no more."""
        wanted = min(MOST_HITS, 2 * k + SPARE)
        while True:
            hits = self.store.caption_hits(self.index, query, wanted, term)
            pictures = {image_id for image_id, _, _ in hits}
            if len(pictures) >= k or len(hits) < wanted or wanted == MOST_HITS:
                return hits
            wanted = min(MOST_HITS, 4 * wanted)

    def best_of(self, query: FloatMatrix, image_ids: IdVector) -> BestSentences:
        check_queries(query, 1, self.model.dim)
        return best_stored(self.model, query, image_ids)

    def refreshed(self) -> "MilvusCaptions":
        return self


def any_direction(dim: int) -> FloatMatrix:
    return np.eye(1, dim, dtype=np.float32)


def terms(field: str, allowed_ids: IdVector | None) -> list[str]:
    """Return Milvus expressions for these ids, of which each piece is searched for itself; the best
    of all are among the best of each."""
    if allowed_ids is None:
        return [""]
    return [f"{field} in {piece}" for piece in pieces(allowed_ids)]


def _with_squares(allowed_ids: IdVector | None) -> IdVector | None:
    if allowed_ids is None:
        return None
    return np.concatenate([allowed_ids, record_ids(squares_of(allowed_ids))])


def pieces(allowed_ids: IdVector) -> Iterator[list[int]]:
    ids = np.unique(allowed_ids)
    for start in range(0, len(ids), IDS_AT_ONCE):
        yield ids[start : start + IDS_AT_ONCE].tolist()
