"""Pictures for training: decoded once, kept on disk, and varied each time they are seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mlcore.config import ImageLimits
from mlcore.datasets import CaptionDataset
from mlcore.errors import ImageRejectedError
from mlcore.i18n import Message
from mlcore.imaging.sandbox import get_decoder
from mlcore.progress import Progress
from mlcore.training.config import Augment
from mlcore.training.guards import stop_if_asked
from mlcore.training.pairs import drawn

if TYPE_CHECKING:
    import torch

PREPARING = Message("stage.encoding_pictures")
"""What is told while pictures are decoded, or looked at by a frozen tower."""

_CROP_MARGIN = 1.15
"""Squares that will be cropped are kept this much larger than what the model looks at."""

_LEAST_AREA = 0.6
"""Share of the square's area that a crop keeps at the least."""

_FIXED_CROPS = 3
"""Crops of each picture that a frozen tower sees, besides the whole."""

_STEPS = 2**20
"""How finely a drawn share is graded."""


@dataclass(frozen=True, slots=True)
class Variation:
    """How a square picture is changed before the model sees it."""

    mirrored: bool = False
    box: tuple[float, float, float] | None = None
    """Left, top and edge of the part that is seen, as shares of the square; all of it if None."""

    def apply(self, square: Image.Image, side: int) -> Image.Image:
        """Return ``side`` by ``side`` pixels."""
        if self.box is not None:
            left, top, edge = (share * square.width for share in self.box)
            square = square.resize(
                (side, side), Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge)
            )
        elif square.width != side:
            square = square.resize((side, side), Image.Resampling.BICUBIC)
        return ImageOps.mirror(square) if self.mirrored else square


def vary(augment: Augment, *, seed: int, epoch: int, picture: int, keep_sides: bool) -> Variation:
    """Draw how a picture is changed in an epoch; the arguments alone decide.

    Args:
        augment: what may be changed.
        seed: of the run.
        epoch: counted from 0.
        picture: its number in the dataset.
        keep_sides: whether its caption speaks of left or right, so that it may not be mirrored.
    """
    mirrored = "mirror" in augment and drawn(2, seed, epoch, picture, "mirror") == 1
    box = _box(seed, epoch, picture) if "crop" in augment else None
    return Variation(mirrored and not keep_sides, box)


def fixed_views(augment: Augment) -> list[Variation]:
    """What a frozen tower sees of every picture; where mirrored, the second half is the mirror
    image of the first."""
    views = [Variation()]
    if "crop" in augment:
        views += [Variation(box=_box("view", number)) for number in range(_FIXED_CROPS)]
    if "mirror" in augment:
        views += [Variation(mirrored=True, box=view.box) for view in views]
    return views


def draw_view(augment: Augment, *, seed: int, epoch: int, picture: int, keep_sides: bool) -> int:
    """Draw one of :func:`fixed_views`; as :func:`vary`."""
    count = len(fixed_views(augment))
    view = drawn(count, seed, epoch, picture, "view")
    return view % (count // 2) if keep_sides and "mirror" in augment else view


def stored_side(side: int, augment: Augment) -> int:
    """Pixels on each side of the squares to decode, for a model that looks at ``side``."""
    return round(side * _CROP_MARGIN) if "crop" in augment else side


def decoded(
    data: CaptionDataset, side: int, limits: ImageLimits, progress: Progress, message: Message
) -> Iterator[Image.Image]:
    """Yield the centre square of every picture, decoded in processes of their own.

    Raises:
        ImageRejectedError: a picture that cannot be read.
        TrainingError: the run was asked to stop.
    """
    progress.report(0, len(data), message)
    items = ((image.name, image.read()) for image in data)
    squares = get_decoder().squares(items, side, limits=limits)
    for done, square in enumerate(squares, start=1):
        stop_if_asked(progress)
        if isinstance(square, ImageRejectedError):
            raise square
        yield square
        progress.report(done, len(data), message)


class Squares:
    """Decoded pictures of a dataset as numbers in a file, read as they are needed.

    Args:
        path: the file; it is made where it is not there.
    """

    def __init__(
        self,
        path: Path,
        data: CaptionDataset,
        *,
        side: int,
        limits: ImageLimits,
        progress: Progress,
        make: bool = True,
    ) -> None:
        shape = (len(data), side, side, 3)
        if make and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".tmp.npy")
            rows = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
            for number, square in enumerate(decoded(data, side, limits, progress, PREPARING)):
                rows[number] = np.asarray(square)
            rows.flush()
            partial.rename(path)
        self._path = path
        self._rows: NDArray[np.uint8] | None = None

    def __getitem__(self, picture: int) -> Image.Image:
        if self._rows is None:  # opened late: the main process may still be writing
            self._rows = np.load(self._path, mmap_mode="r")
        return Image.fromarray(np.asarray(self._rows[picture]))


class PixelSource:
    """Varied pictures as a model with a trained image tower sees them."""

    def __init__(self, squares: Squares, side: int, augment: Augment, workers: int) -> None:
        self._squares = squares
        self._side = side
        self._augment = augment
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="varying")

    def batch(
        self, pictures: Sequence[int], keep_sides: Sequence[bool], *, seed: int, epoch: int
    ) -> torch.Tensor:
        """Return uint8 (n, side, side, 3)."""

        def one(picture: int, keep: bool) -> NDArray[np.uint8]:
            variation = vary(
                self._augment, seed=seed, epoch=epoch, picture=picture, keep_sides=keep
            )
            return np.asarray(variation.apply(self._squares[picture], self._side))

        return _stacked(list(self._pool.map(one, pictures, keep_sides)))

    def plain(self, start: int, stop: int) -> torch.Tensor:
        """Return pictures as they are, uint8 (stop - start, side, side, 3)."""
        whole = Variation()
        return _stacked(
            [
                np.asarray(whole.apply(self._squares[picture], self._side))
                for picture in range(start, stop)
            ]
        )

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


class FeatureSource:
    """What a frozen tower said about every view of every picture.

    Args:
        features: float32 (views, pictures, width).
        augment: whose :func:`fixed_views` these are.
    """

    def __init__(self, features: torch.Tensor, augment: Augment) -> None:
        self.features = features
        self._augment = augment

    def batch(
        self, pictures: Sequence[int], keep_sides: Sequence[bool], *, seed: int, epoch: int
    ) -> torch.Tensor:
        """Return float32 (n, width)."""
        views = [
            draw_view(self._augment, seed=seed, epoch=epoch, picture=picture, keep_sides=keep)
            for picture, keep in zip(pictures, keep_sides, strict=True)
        ]
        return self.features[views, list(pictures)]

    def plain(self, start: int, stop: int) -> torch.Tensor:
        """Return what was said about pictures as they are, float32 (stop - start, width)."""
        return self.features[0, start:stop]

    def close(self) -> None:
        return None


def _box(*key: Any) -> tuple[float, float, float]:
    def share(name: str) -> float:
        return drawn(_STEPS, *key, name) / _STEPS

    edge = (_LEAST_AREA + (1 - _LEAST_AREA) * share("area")) ** 0.5
    return share("left") * (1 - edge), share("top") * (1 - edge), edge


def _stacked(rows: list[NDArray[np.uint8]]) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.stack(rows))
