"""Compares an index version with the embedding rows it was filled from, and repairs it.

Both sides come by ascending id and are merged, so no more than a piece of each is in memory.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from gallery.models import (
    ImageEmbedding,
    IndexVersion,
    SentenceEmbedding,
    SentenceModel,
    SquareEmbedding,
)
from gallery.models.sentence import SentenceRows
from gallery.vectors.base import IndexStore, Record
from gallery.vectors.sentences import SentenceStore
from gallery.vectors.squares import picture_of, record_ids, records_of_rows
from mlcore.config import IdVector
from mlcore.i18n import Message
from mlcore.progress import Progress

REPAIRED_AT_ONCE = 1_000
"""Records written together; 1,000 vectors of 512 are 2 MB."""

SAME = 1e-6
"""L2 distance below which two float32 vectors count as equal."""

Kind = Literal["missing", "extra", "changed"]


@dataclass(frozen=True, slots=True)
class Drift:
    """How a version differs from the rows; false when it does not. Ids ascend."""

    missing: IdVector
    """In the rows alone."""
    extra: IdVector
    """In the version alone."""
    changed: IdVector
    """In both, with another vector."""

    def __bool__(self) -> bool:
        return bool(len(self.missing) + len(self.extra) + len(self.changed))

    @property
    def message(self) -> Message:
        if not self:
            return Message("vectors.no_drift")
        return Message.of(
            "vectors.drift",
            missing=len(self.missing),
            extra=len(self.extra),
            changed=len(self.changed),
        )


def compare(store: IndexStore, index: IndexVersion, rows: Iterable[Record] | None = None) -> Drift:
    """Compare every record of a version with the rows, and change nothing.

    Args:
        store: where the version is kept.
        index: the version.
        rows: what the version should hold, by ascending id, read once; what is stored of its
            model where None.

    Raises:
        IndexMismatchError: the version holds vectors of another model.
    """
    found = _Tally()
    for kind, image_id in _differences(store, index, rows):
        found.add(kind, image_id)
    return found.drift()


def repair(store: IndexStore, index: IndexVersion, rows: Iterable[Record] | None = None) -> Drift:
    """Bring a version to what the rows say, and return what was repaired.

    Arguments and errors as :func:`compare`. While it runs, pictures may come and go: the row of
    each difference is read anew right before it is written, so that a picture which was deleted
    meanwhile does not come back, nor a new one go.
    """
    found = _Tally()
    doubtful: list[int] = []
    for kind, image_id in _differences(store, index, rows):
        found.add(kind, image_id)
        doubtful.append(image_id)
        if len(doubtful) == REPAIRED_AT_ONCE:
            _write(store, index, doubtful)
            doubtful = []
    if doubtful:
        _write(store, index, doubtful)
    return found.drift()


def compare_sentences(store: SentenceStore, index: IndexVersion, *, repairing: bool) -> Drift:
    """Compare the captions and titles in a version with the rows; where they are to be repaired,
    bring them to what the rows say. The ids of what differs are keys of sentences."""
    model = index.sentence_model
    if model is None:
        return _Tally().drift()
    found = _Tally()
    rows = SentenceEmbedding.objects.of_model(model)
    held = set()
    for some in store.sentence_records(index):
        true = rows.filter(image_id__in=some.images.tolist()).said().matrix(model.dim)
        place = {key: row for row, key in enumerate(true.keys.tolist())}
        held.update(some.keys.tolist())
        for row, key in enumerate(some.keys.tolist()):
            if key not in place:
                found.add("extra", key)
            elif (
                true.images[place[key]] != some.images[row]
                or np.linalg.norm(true.vectors[place[key]] - some.vectors[row]) > SAME
            ):
                found.add("changed", key)
    for key in rows.said().order_by("key").values_list("key", flat=True).iterator():
        if key not in held:
            found.add("missing", key)
    drift = found.drift()
    if repairing and drift:
        _write_sentences(store, index, model, drift)
    return drift


def _write_sentences(
    store: SentenceStore, index: IndexVersion, model: SentenceModel, drift: Drift
) -> None:
    doubtful = np.concatenate([drift.missing, drift.extra, drift.changed])
    for start in range(0, len(doubtful), REPAIRED_AT_ONCE):
        keys = doubtful[start : start + REPAIRED_AT_ONCE]
        rows = SentenceEmbedding.objects.of_model(model).filter(key__in=keys.tolist()).said()
        right = rows.matrix(model.dim)
        gone = np.setdiff1d(keys, right.keys)
        none = np.zeros((len(gone), model.dim), dtype=np.float32)
        store.add_sentences(
            index, SentenceRows(gone, np.zeros_like(gone), none, np.zeros(len(gone), np.bool_), 0)
        )
        store.add_sentences(index, right)


def fill(store: IndexStore, index: IndexVersion, progress: Progress) -> None:
    """Put all stored vectors of its model into a version that was made just now."""
    rows = records_of_rows(index.model_version, with_squares=True)
    repair(store, index, _reported(rows, index.count + index.square_count, progress))


def _reported(rows: Iterable[Record], total: int, progress: Progress) -> Iterator[Record]:
    """Pass rows on and say how far they are."""
    for done, row in enumerate(rows):
        if done % REPAIRED_AT_ONCE == 0:
            progress.report(1, 3, Message.of("stage.sending_vectors", done=done, total=total))
        yield row


def _write(store: IndexStore, index: IndexVersion, ids: list[int]) -> None:
    rows = ImageEmbedding.objects.of_model(index.model_version).filter(image_id__in=ids)
    right = dict(rows.by_picture()) | _right_squares(index, ids)
    if right:
        vectors = np.stack(list(right.values()))
        store.add(index, np.array(list(right), dtype=np.int64), vectors)
    wrong = [image_id for image_id in ids if image_id not in right]
    if wrong:
        store.delete(index, np.array(wrong, dtype=np.int64))


def _right_squares(index: IndexVersion, ids: list[int]) -> dict[int, NDArray[np.float32]]:
    """Read the rows of those of these records that are squares."""
    wanted = {pk for pk in ids if pk < 0}
    if not wanted or not settings.CONTEXTVISION_SQUARES:
        return {}
    pictures = {picture_of(pk) for pk in wanted}
    rows = SquareEmbedding.objects.of_model(index.model_version).filter(image_id__in=pictures)
    found, vectors, _ = rows.matrix(index.model_version.dim)
    right = zip(record_ids(found).tolist(), vectors, strict=True)
    return {pk: vector for pk, vector in right if pk in wanted}


def _differences(
    store: IndexStore, index: IndexVersion, rows: Iterable[Record] | None
) -> Iterator[tuple[Kind, int]]:
    """Yield each difference by ascending id."""
    store.check(index)
    if rows is None:
        rows = records_of_rows(index.model_version, with_squares=store.follows_rows)
    stored = store.records(index)
    held = next(stored, None)
    for image_id, vector in rows:
        while held is not None and held[0] < image_id:
            yield "extra", held[0]
            held = next(stored, None)
        if held is None or held[0] > image_id:
            yield "missing", image_id
            continue
        if held[1].shape != vector.shape or np.linalg.norm(held[1] - vector) > SAME:
            yield "changed", image_id
        held = next(stored, None)
    while held is not None:
        yield "extra", held[0]
        held = next(stored, None)


class _Tally:
    """Ids of each kind, 8 bytes apiece."""

    def __init__(self) -> None:
        self._ids: dict[Kind, array[int]] = {
            "missing": array("q"),
            "extra": array("q"),
            "changed": array("q"),
        }

    def add(self, kind: Kind, image_id: int) -> None:
        self._ids[kind].append(image_id)

    def drift(self) -> Drift:
        return Drift(**{kind: np.array(ids, dtype=np.int64) for kind, ids in self._ids.items()})
