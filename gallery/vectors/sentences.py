"""Captions and titles, searched by their vectors: an index of them, and what was written since.

Rows of the index stand by picture, so that what is said of one picture stands together: its place
is found by bisection, and no further table is needed. The index never changes; a sentence that is
said otherwise or no more since is left out of it, and the new one is searched beside it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gallery.models import IndexVersion, SentenceEmbedding, SentenceModel, SentenceReading
from gallery.models.sentence import SentenceRows
from gallery.selectors import sample_captions
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.index import VectorIndex, choose_kind, read_array
from mlcore.index.checks import check_queries
from mlcore.index.hits import products

FOLDER = "captions"
"""Of the index of sentences in the folder of a version."""
KEYS, IMAGES = "keys.npy", "images.npy"
"""Which sentence each row is, and of which picture."""

SENT_AT_ONCE = 1_000
"""Rows sent to a store together."""

TUNED_ON = 256
"""Captions on which an index that is not exact is tuned."""

SPARE = 16
"""Rows fetched beyond twice the pictures wanted, since a picture may have several sentences."""


class CaptionHit(NamedTuple):
    """A picture found by what is said of it."""

    image_id: int
    caption_id: int | None
    """The sentence that fits best; None for the title."""
    score: float
    """Its cosine to the query."""


@dataclass(frozen=True, slots=True)
class BestSentences:
    """What is said of pictures that is nearest to a query, in the order in which they came."""

    scores: NDArray[np.float32]
    """Its cosine, (n,); NaN where nothing is said."""
    keys: IdVector
    """Id of the caption, (n,): minus the picture's id for its title, 0 where nothing is said."""


class CaptionLookup(Protocol):
    """The sentences of a version, opened to search in. Never changes: news make another one."""

    @property
    def model(self) -> SentenceModel | None:
        """By which model a query must be encoded; None where nothing has been read yet."""

    @property
    def count(self) -> int:
        """Sentences that are searched."""

    def search(
        self, query: FloatMatrix, k: int, allowed_ids: IdVector | None = None
    ) -> list[CaptionHit]:
        """Find the ``k`` pictures of which something is said that is nearest to a query.

        Args:
            query: float32 of shape (1, dim), of unit norm within 1e-3, by :attr:`model`.
            k: at least 1.
            allowed_ids: int64, in any order: only these pictures are considered. None considers
                all, an empty array none.

        Returns:
            Each picture once, with its best sentence; by score descending, then by id ascending.

        Raises:
            IndexMismatchError: the query has another width.
            InvalidQueryError: the query is not a finite unit vector.
            VectorStoreError: the place cannot answer; never an empty result instead.
        """

    def best_of(self, query: FloatMatrix, image_ids: IdVector) -> BestSentences:
        """Score pictures, int64 of shape (n,), by what is said of them: exactly, on the numbers
        that are stored. Query and errors as :meth:`search`."""

    def refreshed(self) -> Self:
        """Return one that also knows what was read since this one looked."""


@runtime_checkable
class SentenceStore(Protocol):
    """What a store brings whose versions take in what is read of captions and titles."""

    def add_sentences(self, index: IndexVersion, rows: SentenceRows) -> None:
        """Put sentences into a version, in place of what it holds under their keys, and take those
        out that are not said any more. Writing all again is safe."""

    def sentence_records(self, index: IndexVersion) -> Iterator[SentenceRows]:
        """Yield all sentences in a version, some thousands at a time, in any order."""


@dataclass(frozen=True, slots=True)
class _Table:
    """Which sentence each row is of; rows stand by picture, then by key."""

    keys: IdVector
    images: IdVector

    def rows_of(self, image_ids: IdVector) -> tuple[IdVector, IdVector]:
        """Return the rows of these pictures, and for each the place of its picture among them."""
        first = np.searchsorted(self.images, image_ids, "left")
        counts = np.searchsorted(self.images, image_ids, "right") - first
        owners = np.repeat(np.arange(len(image_ids)), counts)
        before = np.repeat(np.cumsum(counts) - counts, counts)
        return first[owners] + np.arange(len(owners)) - before, owners

    def rows_with(self, images: IdVector, keys: IdVector) -> IdVector:
        """Return the rows of these sentences, ascending, as far as they are there."""
        rows, owners = self.rows_of(images)
        return np.unique(rows[self.keys[rows] == keys[owners]])


_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class IndexedCaptions:
    """Implements :class:`CaptionLookup` in memory, or over files that are mapped into it."""

    model: SentenceModel
    index: VectorIndex
    """Ids are the numbers of the rows of ``table``."""
    table: _Table
    watermark: int
    """The latest row that is in index or tail."""
    tail: SentenceRows
    """What was read since, by picture and key; only what is still said."""
    dead: IdVector = field(default_factory=lambda: _NONE)
    """Rows of the index that are said otherwise or no more, ascending."""

    @classmethod
    def from_rows(cls, model: SentenceModel) -> "IndexedCaptions":
        """Make one of the stored rows, in memory."""
        index, table, watermark = build(model, IndexSpec(), lambda: None)
        return cls(model, index, table, watermark, _no_tail(model))

    @classmethod
    def load(cls, model: SentenceModel, folder: Path, watermark: int) -> "IndexedCaptions":
        """Read what :func:`build_captions` wrote.

        Raises:
            IndexFileError, IndexMismatchError: it is missing, damaged, or of another model.
        """
        index = VectorIndex.load(folder, fingerprint=model.fingerprint)
        table = _Table(read_array(folder, KEYS), read_array(folder, IMAGES))
        return cls(model, index, table, watermark, _no_tail(model))

    @property
    def count(self) -> int:
        return len(self.index) - len(self.dead) + len(self.tail.keys)

    def search(
        self, query: FloatMatrix, k: int, allowed_ids: IdVector | None = None
    ) -> list[CaptionHit]:
        check_queries(query, k, self.model.dim)
        images, keys, scores = self._indexed(query, k, allowed_ids)
        late = slice(None) if allowed_ids is None else np.isin(self.tail.images, allowed_ids)
        images = np.concatenate([images, self.tail.images[late]])
        keys = np.concatenate([keys, self.tail.keys[late]])
        scores = np.concatenate([scores, products(query[0], self.tail.vectors[late])])
        order = np.lexsort((keys, images, -scores))
        _, first = np.unique(images[order], return_index=True)
        return [
            CaptionHit(image_id, key if key > 0 else None, score)
            for image_id, key, score in zip(
                images[order[np.sort(first)[:k]]].tolist(),
                keys[order[np.sort(first)[:k]]].tolist(),
                scores[order[np.sort(first)[:k]]].tolist(),
                strict=True,
            )
        ]

    def _indexed(
        self, query: FloatMatrix, k: int, allowed_ids: IdVector | None
    ) -> tuple[IdVector, IdVector, NDArray[np.float32]]:
        """Find rows of the index until they are of ``k`` pictures, or all are found."""
        rows = None if allowed_ids is None else self.table.rows_of(np.unique(allowed_ids))[0]
        available = len(self.index) if rows is None else len(rows)
        fetched = min(available, 2 * k + SPARE)
        while fetched:
            found, scores = self.index.nearby(query, fetched, allowed_ids=rows)
            hits = len(found)
            alive = ~np.isin(found, self.dead)
            found, scores = found[alive], scores[alive]
            enough = len(np.unique(self.table.images[found])) >= k
            if enough or fetched == available or hits < fetched:
                return self.table.images[found], self.table.keys[found], scores
            fetched = min(available, 4 * fetched)
        return _NONE, _NONE, np.empty(0, dtype=np.float32)

    def best_of(self, query: FloatMatrix, image_ids: IdVector) -> BestSentences:
        check_queries(query, 1, self.model.dim)
        rows, owners = self.table.rows_of(image_ids)
        if len(self.dead):
            alive = ~np.isin(rows, self.dead)
            rows, owners = rows[alive], owners[alive]
        late, of_late = _Table(self.tail.keys, self.tail.images).rows_of(image_ids)
        keys = np.concatenate([self.table.keys[rows], self.tail.keys[late]])
        vectors = np.concatenate([self.index.vectors_of(rows), self.tail.vectors[late]])
        return best_sentences(
            len(image_ids), np.concatenate([owners, of_late]), keys, products(query[0], vectors)
        )

    def refreshed(self) -> "IndexedCaptions":
        rows = SentenceEmbedding.objects.later_than(self.model, self.watermark)
        news = rows.matrix(self.model.dim)
        if not len(news.keys):
            return self
        dead = self.table.rows_with(news.images, news.keys)
        return replace(
            self,
            tail=_extended(self.tail, news),
            watermark=news.watermark,
            dead=np.union1d(self.dead, dead),
        )


@dataclass(frozen=True)
class NoCaptions:
    """Implements :class:`CaptionLookup` where no sentence has been read yet."""

    model: None = None
    count: int = 0

    def search(
        self, query: FloatMatrix, k: int, allowed_ids: IdVector | None = None
    ) -> list[CaptionHit]:
        return []

    def best_of(self, query: FloatMatrix, image_ids: IdVector) -> BestSentences:
        return best_sentences(len(image_ids), _NONE, _NONE, np.empty(0, dtype=np.float32))

    def refreshed(self) -> Self:
        return self


def best_sentences(
    count: int, owners: IdVector, keys: IdVector, scores: NDArray[np.float32]
) -> BestSentences:
    """Choose the best sentence of each of ``count`` pictures.

    Args:
        count: pictures.
        owners: of each sentence, the number of its picture.
        keys: of each sentence.
        scores: of each sentence.
    """
    order = np.lexsort((keys, -scores, owners))
    _, first = np.unique(owners[order], return_index=True)
    chosen = order[first]
    best = np.full(count, np.nan, dtype=np.float32)
    whose = np.zeros(count, dtype=np.int64)
    best[owners[chosen]] = scores[chosen]
    whose[owners[chosen]] = keys[chosen]
    return BestSentences(best, whose)


def best_stored(model: SentenceModel, query: FloatMatrix, image_ids: IdVector) -> BestSentences:
    """As :meth:`CaptionLookup.best_of`, by the stored rows."""
    rows = SentenceEmbedding.objects.of_model(model).said()
    found = rows.filter(image_id__in=image_ids.tolist()).matrix(model.dim)
    order = np.argsort(image_ids)
    owners = order[np.searchsorted(image_ids[order], found.images)]
    return best_sentences(len(image_ids), owners, found.keys, products(query[0], found.vectors))


def later_rows(model: SentenceModel, watermark: int) -> Iterator[SentenceRows]:
    """Yield rows later than this one, some at a time, in the order in which they were committed."""
    while True:
        later = SentenceEmbedding.objects.later_than(model, watermark)
        last = list(later.values_list("pk", flat=True)[:SENT_AT_ONCE])
        if not last:
            return
        yield later.filter(pk__lte=last[-1]).matrix(model.dim)
        watermark = last[-1]


def sync_rows(store: SentenceStore, index: IndexVersion, model: SentenceModel) -> None:
    """Send a version that follows rows what was read since. Two processes that do so at once write
    the same twice."""
    watermark = index.sentence_watermark
    for rows in later_rows(model, watermark):
        store.add_sentences(index, rows)
        kept = IndexVersion.objects.filter(pk=index.pk, sentence_watermark__lte=watermark)
        kept.update(sentence_watermark=rows.watermark)
        watermark = rows.watermark


def build(
    model: SentenceModel, spec: IndexSpec, likely_queries: Callable[[], FloatMatrix | None]
) -> tuple[VectorIndex, _Table, int]:
    """Make an index of all that is said by the stored rows; with its table, and its watermark."""
    rows = SentenceEmbedding.objects.of_model(model).order_by("pk").matrix(model.dim)
    order = np.lexsort((rows.keys, rows.images))
    order = order[rows.said[order]]
    table = _Table(rows.keys[order], rows.images[order])
    index = VectorIndex.build(
        np.arange(len(order), dtype=np.int64),
        rows.vectors[order],
        spec,
        fingerprint=model.fingerprint,
        watermark=rows.watermark,
        queries=None if choose_kind(spec, len(order)).kind == "flat" else likely_queries(),
    )
    return index, table, rows.watermark


def build_captions(folder: Path, spec: IndexSpec) -> dict[str, Any]:
    """Write an index of all that is said to a new folder, whole or not at all, and return what the
    row of its version says of it; nothing where nothing was read yet.

    Raises:
        IndexFileError: it cannot be written.
    """
    model = SentenceReading.objects.current()
    if model is None:
        return {}
    index, table, watermark = build(model, spec, partial(_likely_queries, model))
    index.save(folder, beside={KEYS: table.keys, IMAGES: table.images})
    return {
        "sentence_model": model,
        "sentence_count": len(index),
        "sentence_watermark": watermark,
    }


def _likely_queries(model: SentenceModel) -> FloatMatrix | None:
    """Vectors of questions that are like what people wrote of these pictures."""
    captions = [caption.text for caption in sample_captions(TUNED_ON)]
    return model.load_encoder().encode_queries(captions) if captions else None


def open_captions(index: IndexVersion, folder: Path | None) -> CaptionLookup:
    """Open the sentences of a version: from its folder where they are by the model that reads now,
    else from the stored rows, in memory.

    Raises:
        IndexFileError: the folder is damaged.
    """
    model = SentenceReading.objects.current()
    if model is None:
        return NoCaptions()
    if folder is None or index.sentence_model != model:
        return IndexedCaptions.from_rows(model)
    return IndexedCaptions.load(model, folder / FOLDER, index.sentence_watermark).refreshed()


def kept_up(captions: CaptionLookup) -> CaptionLookup:
    """Return a lookup that knows what was read since; by another model, if another reads now."""
    model = SentenceReading.objects.current()
    if model == captions.model:
        return captions.refreshed()
    return NoCaptions() if model is None else IndexedCaptions.from_rows(model)


def _no_tail(model: SentenceModel) -> SentenceRows:
    none = np.empty((0, model.dim), dtype=np.float32)
    return SentenceRows(_NONE, _NONE, none, np.empty(0, dtype=np.bool_), 0)


def _extended(tail: SentenceRows, news: SentenceRows) -> SentenceRows:
    """Put later rows in the place of those of the same sentence, and leave out what is not said."""
    keys = np.concatenate([tail.keys, news.keys])
    images = np.concatenate([tail.images, news.images])
    said = np.concatenate([tail.said, news.said])
    # Stable, so that the last of a sentence is the latest.
    order = np.lexsort((keys, images))
    last = np.ones(len(order), dtype=np.bool_)
    last[:-1] = (np.diff(images[order]) != 0) | (np.diff(keys[order]) != 0)
    order = order[last]
    order = order[said[order]]
    vectors = np.concatenate([tail.vectors, news.vectors])[order]
    return SentenceRows(keys[order], images[order], vectors, said[order], news.watermark)
