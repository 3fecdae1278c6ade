"""Captioned pictures for training and evaluation.

A dataset is a list of pictures, each with its captions. Splits are made of pictures, never of
captions: a picture whose other caption was trained on is not an unseen one.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from mlcore.config import ImageLimits
from mlcore.errors import DatasetError, ImageRejectedError
from mlcore.i18n import Message
from mlcore.imaging.decode import decode_image, square

if TYPE_CHECKING:
    from PIL import Image

_LOOK = 16
"""Pixels on the side of a picture that is only looked at to see whether it can be read."""
UNNAMED = Message.of("dataset.unnamed")


class Record(Protocol):
    """What a dataset is made from; :mod:`mlcore.layouts` reads such records from folders."""

    @property
    def name(self) -> str: ...

    @property
    def captions(self) -> Sequence[str]: ...

    @property
    def split(self) -> str | None: ...

    def read(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """One picture, not yet read, with what people wrote about it."""

    name: str
    captions: tuple[str, ...]
    """At least one; without blanks at the ends."""
    read: Callable[[], bytes]
    """Reads the whole file."""

    def load(self, side: int, limits: ImageLimits) -> Image.Image:
        """Decode the picture, at no less than ``side`` pixels on its short side where it has them.

        Raises:
            ImageRejectedError: the file is not a picture, or breaks a limit.
        """
        return decode_image(self.read(), name=self.name, limits=limits, draft_side=side).image


class CaptionDataset(Sequence[CaptionedImage]):
    """Captioned pictures in a fixed order.

    Args:
        images: at least one, each with at least one caption.
        source: what the dataset is called in messages: a name, or a message of its own.

    Raises:
        DatasetError: no picture at all, or one without a caption.
    """

    def __init__(
        self, images: Iterable[CaptionedImage], *, source: str | Message = UNNAMED
    ) -> None:
        self._images = tuple(images)
        self.source = source
        if not self._images:
            raise DatasetError("dataset.empty", source=source)
        for image in self._images:
            if not image.captions:
                raise DatasetError(
                    "dataset.picture_without_caption", picture=image.name, source=source
                )

    @classmethod
    def from_records(
        cls, records: Iterable[Record], *, split: str | None = None, source: str | Message = UNNAMED
    ) -> CaptionDataset:
        """Take the captioned pictures of one split, or of all when ``split`` is None.

        Pictures without a caption are passed over, as are captions of nothing but blanks.

        Raises:
            DatasetError: no picture has a caption, or none of the captioned ones is in ``split``.
        """
        images = []
        splits = set()
        for record in records:
            captions = tuple(text for caption in record.captions if (text := caption.strip()))
            if not captions:
                continue
            splits.add(record.split or "")
            if split is None or record.split == split:
                images.append(CaptionedImage(record.name, captions, record.read))
        if not splits:
            raise DatasetError("dataset.no_captions", source=source)
        if not images:
            named = sorted(name for name in splits if name)
            raise DatasetError(
                "dataset.no_such_split",
                source=source,
                split=split,
                splits=named or Message.of("dataset.no_splits"),
            )
        return cls(images, source=source)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._images[index]

    @property
    def captions(self) -> list[str]:
        """Every caption, picture by picture."""
        return [caption for image in self._images for caption in image.captions]

    @cached_property
    def content(self) -> tuple[str, ...]:
        """The sha256 of each picture's file, in hexadecimal; every file is read once."""
        # One file at a time: a dataset may be larger than memory.
        return tuple(hashlib.sha256(image.read()).hexdigest() for image in self._images)

    def draw_caption(self, index: int, *, epoch: int, seed: int) -> int:
        """Choose which caption stands for picture ``index`` in an epoch.

        The choice depends on the arguments alone, so any number of workers in any order draw the
        same, and a run can be repeated. Over epochs each caption is drawn equally often.

        Returns:
            An index into ``self[index].captions``.
        """
        key = f"{seed}:{epoch}:{index}".encode()
        number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
        return number % len(self._images[index].captions)

    def hold_out(self, count: int, *, seed: int) -> tuple[CaptionDataset, CaptionDataset]:
        """Part the pictures into those to learn from and about ``count`` to validate on.

        Pictures whose files are equal stay together, so the held-out part holds ``count``
        pictures or, to keep a group whole, a few more.

        Raises:
            DatasetError: ``count`` is not between 1 and one less than the number of pictures.
        """
        if not 0 < count < len(self):
            raise DatasetError("dataset.cannot_hold_out", held_out=count, pictures=len(self))
        held: list[int] = []
        groups: dict[str, list[int]] = {}
        for index, digest in enumerate(self.content):
            groups.setdefault(digest, []).append(index)
        # Ordered by a hash, so that neither the folder's order nor a library's generator matters.
        ordered = sorted(
            groups, key=lambda digest: hashlib.sha256(f"{seed}:{digest}".encode()).digest()
        )
        for digest in ordered:
            if len(held) >= count:
                break
            held.extend(groups[digest])
        chosen = set(held)
        kept = [index for index in range(len(self)) if index not in chosen]
        if not kept:
            raise DatasetError("dataset.one_picture", source=self.source)
        return self.subset(kept), self.subset(sorted(chosen))

    def batches(self, size: int, *, side: int, limits: ImageLimits) -> Iterator[list[Image.Image]]:
        """Yield the pictures in order, ``size`` at a time, read and decoded in the background.

        At most two batches are in memory, each picture as the centre square an encoder looks at.

        Args:
            size: pictures in a batch; the last one may be smaller.
            side: pixels on each side of the square.
            limits: what a picture may measure.

        Raises:
            ImageRejectedError: a picture that cannot be read.
        """

        def load(index: int) -> Image.Image:
            return square(self._images[index].load(side, limits), side)

        with ThreadPoolExecutor(max_workers=2) as pool:
            coming = iter(range(len(self)))
            waiting: deque[Future[Image.Image]] = deque(
                pool.submit(load, index) for index in islice(coming, size)
            )
            try:
                while waiting:
                    batch = []
                    for _ in range(min(size, len(waiting))):
                        batch.append(waiting.popleft().result())
                        waiting.extend(pool.submit(load, index) for index in islice(coming, 1))
                    yield batch
            finally:
                for future in waiting:
                    future.cancel()

    def readable(
        self, tell: Callable[[ImageRejectedError], None], limits: ImageLimits | None = None
    ) -> CaptionDataset:
        """Return the pictures that can be decoded; ``tell`` hears of each of the others.

        Each is decoded once, as small as its format allows: what would stop an evaluation or a
        training in its middle is known before it begins.

        Raises:
            DatasetError: none can.
        """

        def problem(index: int) -> ImageRejectedError | None:
            try:
                self._images[index].load(_LOOK, limits or ImageLimits())
            except ImageRejectedError as error:
                return error
            return None

        with ThreadPoolExecutor(max_workers=2) as pool:
            problems = list(pool.map(problem, range(len(self))))
        for each in filter(None, problems):
            tell(each)
        kept = [index for index, each in enumerate(problems) if each is None]
        return self if len(kept) == len(self) else self.subset(kept)

    def subset(self, indices: Sequence[int]) -> CaptionDataset:
        """Return these pictures alone, in the order of ``indices``.

        Raises:
            DatasetError: there are none.
        """
        part = CaptionDataset((self._images[index] for index in indices), source=self.source)
        if "content" in self.__dict__:  # known already: the files need not be read again
            part.__dict__["content"] = tuple(self.content[index] for index in indices)
        return part

    @property
    def sha256(self) -> str:
        """The sha256 over the pictures' bytes and their captions, in order, in hexadecimal."""
        listed = [
            [digest, image.captions] for digest, image in zip(self.content, self, strict=True)
        ]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
