"""Which picture goes with which caption at each step, and which pairs say or show the same.

Every draw is a function of the seed, the epoch and the picture, so that any number of workers and
processes draw the same, and a run that was interrupted goes on with the draws it would have had.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlcore.datasets import CaptionDataset

if TYPE_CHECKING:
    import torch

NOTHING = -1
"""In the place of a wrong caption's number where a caption has none."""

_SIDES = re.compile(r"\b(left|right)(most|-hand|ward|wards)?\b", re.IGNORECASE)


def drawn(below: int, *key: object) -> int:
    """Return a number from 0 to ``below - 1`` that the key alone decides."""
    text = ":".join(str(part) for part in key).encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "big") % below


@dataclass(frozen=True, slots=True)
class Draw:
    """One epoch's pairs; all tensors are int64 (pictures,), by the picture's number."""

    order: torch.Tensor
    """The pictures in the order in which they are seen."""
    captions: torch.Tensor
    """For each picture, a number in :attr:`Pairs.texts`."""
    wrong: torch.Tensor
    """For each picture, the number of a wrong caption or ``NOTHING``."""


class Pairs:
    """The texts of a dataset, with what is drawn from them.

    Args:
        data: the pictures with their captions.
        seed: of all draws.
        hard_negatives: whether wrong captions are made and drawn too.
    """

    def __init__(self, data: CaptionDataset, *, seed: int, hard_negatives: bool = False) -> None:
        import torch

        self.data = data
        self.seed = seed
        captions = data.captions
        self.texts: list[str] = list(captions)
        """Every caption, picture by picture, then every wrong one."""
        self.caption_count = len(captions)
        self._first = [0]
        for image in data:
            self._first.append(self._first[-1] + len(image.captions))
        numbers: dict[str, int] = {}
        wordings = [numbers.setdefault(text.casefold(), len(numbers)) for text in captions]
        self._wordings = torch.tensor(wordings)
        self._contents = _numbered(data.content)
        self._pictures_of: dict[int, set[int]] = defaultdict(set)
        for picture in range(len(data)):
            for caption in range(self._first[picture], self._first[picture + 1]):
                self._pictures_of[wordings[caption]].add(picture)
        self._wrong: list[list[int]] = [[] for _ in captions]
        self._true_after_all: dict[int, set[int]] = {}
        if hard_negatives:
            self._make_wrong_captions(numbers)
        self.names_side = torch.tensor([bool(_SIDES.search(text)) for text in self.texts])
        """bool (texts,): whether the text speaks of left or right."""

    def draw(self, epoch: int) -> Draw:
        """Draw the order, one caption for each picture, and one wrong caption for each of those."""
        import torch

        generator = torch.Generator().manual_seed(drawn(2**62, self.seed, epoch, "order"))
        captions = [
            self._first[picture] + self.data.draw_caption(picture, epoch=epoch, seed=self.seed)
            for picture in range(len(self.data))
        ]
        wrong = []
        for picture, caption in enumerate(captions):
            choices = self._wrong[caption]
            chosen = drawn(max(1, len(choices)), self.seed, epoch, picture, "wrong")
            wrong.append(choices[chosen] if choices else NOTHING)
        return Draw(
            torch.randperm(len(self.data), generator=generator),
            torch.tensor(captions),
            torch.tensor(wrong),
        )

    def same(self, pictures: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """Tell which pairs of one batch are no negatives of each other.

        Args:
            pictures: int64 (n,).
            captions: int64 (n,): the caption drawn for each.

        Returns:
            bool (n, n), true where pictures ``i`` and ``j`` have equal files, or caption ``j`` is,
            but for upper and lower case, one of the captions of picture ``i``.
        """
        mask = _equal(self._contents[pictures])
        place = {picture: row for row, picture in enumerate(pictures.tolist())}
        for column, wording in enumerate(self._wordings[captions].tolist()):
            for picture in self._pictures_of[wording]:
                if picture in place:
                    mask[place[picture], column] = True
        return mask

    def not_wrong(self, pictures: torch.Tensor, wrong: torch.Tensor) -> torch.Tensor:
        """Tell where a wrong caption must be left out.

        Args:
            pictures: int64 (n,).
            wrong: int64 (m,): numbers of wrong captions, or ``NOTHING``.

        Returns:
            bool (n, m), true where text ``j`` is nothing, or is a caption of picture ``i``.
        """
        import torch

        mask = (wrong == NOTHING).expand(len(pictures), len(wrong)).clone()
        place = {picture: row for row, picture in enumerate(pictures.tolist())}
        for column, text in enumerate(wrong.tolist()):
            for picture in self._true_after_all.get(text, ()):
                if picture in place:
                    mask[place[picture], column] = True
        return mask.to(torch.bool)

    def relevant(self) -> list[list[int]]:
        """For each caption the pictures that answer it: its own, and those with an equal file."""
        same_file: dict[str, list[int]] = defaultdict(list)
        for picture, digest in enumerate(self.data.content):
            same_file[digest].append(picture)
        return [
            same_file[digest]
            for digest, image in zip(self.data.content, self.data, strict=True)
            for _ in image.captions
        ]

    def _make_wrong_captions(self, numbers: dict[str, int]) -> None:
        from mlcore.evaluation.caption_changes import wrong_captions

        for caption in range(self.caption_count):
            for wrong in wrong_captions(self.texts[caption]):
                self._wrong[caption].append(len(self.texts))
                true_of = self._pictures_of.get(numbers.get(wrong.text.casefold(), NOTHING))
                if true_of:
                    self._true_after_all[len(self.texts)] = true_of
                self.texts.append(wrong.text)


def _equal(numbers: torch.Tensor) -> torch.Tensor:
    return numbers[:, None] == numbers[None, :]


def _numbered(values: Iterable[str]) -> torch.Tensor:
    """Give equal values one number."""
    import torch

    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(value, len(numbers)) for value in values])
