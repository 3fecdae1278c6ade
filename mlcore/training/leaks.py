"""Pictures that training would see and that are meant to be unseen: the same, or nearly.

Two pictures are nearly the same when their centre squares, shrunk to 16 by 16 pixels of colour,
differ by little: another size, format or compression of one photograph does, two photographs do
not. Compared with a hash of 64 bits, such a thumbnail also tells pictures apart that differ in
colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlcore.config import ImageLimits
from mlcore.datasets import CaptionDataset
from mlcore.errors import TrainingError
from mlcore.i18n import Message
from mlcore.progress import Progress
from mlcore.training.cache import content_key, kept_array
from mlcore.training.pictures import decoded

THUMBNAIL_SIDE = 16

NEAR = 4.0
"""Root mean square difference of two thumbnails, on the scale 0 to 255, up to which pictures count
as nearly the same. One photograph saved twice, at other sizes and qualities, stays below 3."""

_CHUNK = 1024
"""Rows that are compared with all others at once."""

_NAMED = 5
"""Pairs that a message names."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A picture to train on, and the unseen one that it repeats."""

    picture: int
    """Its number in the training data."""
    unseen: str
    """The name of the other."""
    same_file: bool


def find_leaks(
    data: CaptionDataset,
    unseen: Sequence[CaptionDataset],
    *,
    cache_dir: Path,
    limits: ImageLimits,
    progress: Progress,
) -> list[Leak]:
    """Find the pictures of ``data`` that an unseen dataset holds too, in order, each once."""
    found: dict[int, Leak] = {}
    for other in unseen:
        names = {digest: image.name for digest, image in zip(other.content, other, strict=True)}
        for picture, digest in enumerate(data.content):
            if digest in names:
                found.setdefault(picture, Leak(picture, names[digest], True))
    for other in unseen:
        seen, kept = (
            thumbnails(each, cache_dir=cache_dir, limits=limits, progress=progress)
            for each in (data, other)
        )
        for picture, match in near_pairs(seen, kept):
            found.setdefault(picture, Leak(picture, other[match].name, False))
    return [found[picture] for picture in sorted(found)]


def without_leaks(data: CaptionDataset, leaks: Sequence[Leak], *, drop: bool) -> CaptionDataset:
    """Return the data without the leaking pictures, if they may be dropped.

    Raises:
        TrainingError: there are leaks and they may not be dropped; names some.
        DatasetError: nothing is left.
    """
    if not leaks:
        return data
    if not drop:
        named = [
            Message.of(
                "leaks.same_file" if leak.same_file else "leaks.same_picture",
                ours=data[leak.picture].name,
                theirs=leak.unseen,
            )
            for leak in leaks[:_NAMED]
        ]
        if len(leaks) > _NAMED:
            named.append(Message.of("leaks.more", number=len(leaks) - _NAMED))
        raise TrainingError("leaks.found", count=len(leaks), leaks=named)
    leaking = {leak.picture for leak in leaks}
    return data.subset([picture for picture in range(len(data)) if picture not in leaking])


def thumbnails(
    data: CaptionDataset, *, cache_dir: Path, limits: ImageLimits, progress: Progress
) -> NDArray[np.uint8]:
    """Return uint8 (pictures, 768): every picture's centre square at 16 by 16 pixels."""

    def make() -> NDArray[np.uint8]:
        squares = decoded(
            data, THUMBNAIL_SIDE, limits, progress, Message("stage.looking_for_leaks")
        )
        return np.stack([np.asarray(square).ravel() for square in squares])

    return kept_array(cache_dir / f"thumbnails-{content_key(data)}.npy", make)


def near_pairs(ours: NDArray[np.uint8], others: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return, for each row that has one, its number and that of the nearest other row."""
    theirs = others.astype(np.float64)
    their_norms = (theirs**2).sum(1)
    limit = NEAR**2 * theirs.shape[1]
    pairs = []
    for start in range(0, len(ours), _CHUNK):
        rows = ours[start : start + _CHUNK].astype(np.float64)
        squared = (rows**2).sum(1)[:, None] + their_norms - 2 * rows @ theirs.T
        nearest = squared.argmin(1)
        close = squared[np.arange(len(rows)), nearest] <= limit
        pairs += [(start + int(row), int(nearest[row])) for row in np.flatnonzero(close)]
    return pairs
