"""Compares a store with the truth it was filled from, and mends it.

Both sides come by ascending id and are merged, so no more than a piece of each is in memory.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcore.config import IdVector
from mlcore.vectorstore.base import Attributes, Record, VectorBackend, check_fingerprint

MENDED_AT_ONCE = 1_000
"""Records written together; 1,000 vectors of 512 are 2 MB."""

SAME = 1e-6
"""L2 distance below which two float32 vectors count as equal, where the store does not round."""

Kind = Literal["missing", "extra", "changed"]

TrueRow = tuple[int, NDArray[np.float32]] | tuple[int, NDArray[np.float32], Attributes]
"""Id and vector of a picture; without attributes they count as ``Attributes()``."""

LookAgain = Callable[[Sequence[int]], Iterable[TrueRow]]
"""Takes ids, returns the true records of those that exist now."""


@dataclass(frozen=True, slots=True)
class Differences:
    """How a store differs from the truth; false when it does not. Ids ascend."""

    missing: IdVector
    """In the truth alone."""
    extra: IdVector
    """In the store alone."""
    changed: IdVector
    """In both, with another vector or other attributes."""

    def __bool__(self) -> bool:
        return bool(len(self.missing) + len(self.extra) + len(self.changed))

    def __str__(self) -> str:
        if not self:
            return "no differences"
        return (
            f"{len(self.missing)} missing, {len(self.extra)} that should not be there, "
            f"{len(self.changed)} changed"
        )


def check(
    store: VectorBackend, version: str, truth: Iterable[TrueRow], *, fingerprint: str
) -> Differences:
    """Compare every record of a version with the truth, and change nothing.

    Args:
        store: the store.
        version: name of the version.
        truth: what the version should hold, by ascending id; read once.
        fingerprint: of the model that made the true vectors.

    Raises:
        ValueError: the truth is not ascending.
        IndexMismatchError: the version holds vectors of another model.
    """
    found = _Tally()
    for kind, image_id, _ in _compare(store, version, truth, fingerprint):
        found.add(kind, image_id)
    return found.differences()


def mend(
    store: VectorBackend,
    version: str,
    truth: Iterable[TrueRow],
    *,
    fingerprint: str,
    look_again: LookAgain | None = None,
) -> Differences:
    """Bring a version to the truth, and return what was mended.

    Arguments and errors as :func:`check`. While it runs, pictures may come and go; with
    ``look_again`` the truth of each difference is read anew right before it is written, so that a
    picture which was deleted meanwhile does not come back, nor a new one go.
    """
    found = _Tally()
    right: dict[int, Record] = {}
    wrong: list[int] = []

    def write() -> None:
        if look_again is not None:
            doubtful = sorted([*right, *wrong])
            right.clear()
            right.update({row.image_id: row for row in _as_records(look_again(doubtful))})
            wrong[:] = [image_id for image_id in doubtful if image_id not in right]
        if right:
            rows = list(right.values())
            store.upsert(
                version,
                np.array([row.image_id for row in rows], dtype=np.int64),
                np.stack([row.vector for row in rows]),
                [row.attributes for row in rows],
                fingerprint=fingerprint,
            )
        if wrong:
            store.delete(version, np.array(wrong, dtype=np.int64))
        right.clear()
        wrong.clear()

    for kind, image_id, true in _compare(store, version, truth, fingerprint):
        found.add(kind, image_id)
        if true is None:
            wrong.append(image_id)
        else:
            right[image_id] = true
        if len(right) + len(wrong) >= MENDED_AT_ONCE:
            write()
    if right or wrong:
        write()
    return found.differences()


def _compare(
    store: VectorBackend, version: str, truth: Iterable[TrueRow], fingerprint: str
) -> Iterator[tuple[Kind, int, Record | None]]:
    """Yield each difference by ascending id, with the true record where there is one."""
    check_fingerprint(store.info(version), fingerprint, "The true vectors")
    tolerance = max(SAME, store.rounding(version))
    stored = store.records(version)
    held = next(stored, None)
    for true in _ascending(_as_records(truth)):
        while held is not None and held.image_id < true.image_id:
            yield "extra", held.image_id, None
            held = next(stored, None)
        if held is None or held.image_id > true.image_id:
            yield "missing", true.image_id, true
            continue
        if not _equal(held, true, tolerance):
            yield "changed", true.image_id, true
        held = next(stored, None)
    while held is not None:
        yield "extra", held.image_id, None
        held = next(stored, None)


def _equal(held: Record, true: Record, tolerance: float) -> bool:
    return (
        held.attributes == true.attributes
        and held.vector.shape == true.vector.shape
        and float(np.linalg.norm(held.vector - true.vector)) <= tolerance
    )


def _as_records(rows: Iterable[TrueRow]) -> Iterator[Record]:
    for row in rows:
        yield Record(*row)


def _ascending(rows: Iterator[Record]) -> Iterator[Record]:
    last = -1
    for row in rows:
        if row.image_id <= last:
            raise ValueError(
                f"The truth must come by ascending id, but {row.image_id} follows {last}."
            )
        last = row.image_id
        yield row


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

    def differences(self) -> Differences:
        return Differences(
            **{kind: np.array(ids, dtype=np.int64) for kind, ids in self._ids.items()}
        )
