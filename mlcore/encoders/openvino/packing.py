"""Sentences side by side in a few rows, so that a network works on little but their tokens.

In 32 captions that are filled up to the longest, two places of five are empty. Here each row holds
several, and none sees another's tokens (Krell et al. 2021, "Efficient sequence packing without
cross-contamination").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore.encoders.openvino.compiled import Traceable

if TYPE_CHECKING:
    import torch

ROW = 64
"""Tokens that a row holds, more or less, unless a sentence is longer. In much longer rows,
attention to what is masked begins to cost."""

STEP = 8
"""Tokens to a multiple of which rows are filled up: a shape other than the last one's costs
OpenVINO more than a few tokens do (for a single sentence, a twelfth of its time)."""

NOBODY = -1
"""Owner of a place that no token is in."""


@dataclass(frozen=True, slots=True)
class PackedTexts:
    """Tokenized texts as a network takes them."""

    ids: NDArray[np.int64]
    """Token ids, (rows, width); 0 where there is none."""
    positions: NDArray[np.int64]
    """Place of each token in its own text, (rows, width)."""
    owners: NDArray[np.int64]
    """Number of the text that each token is of, or ``NOBODY``, (rows, width)."""
    read: NDArray[np.float32]
    """1 where a text's vector is read, else 0; (texts, rows * width). Of several places it is the
    mean."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, in the order in which a network takes them."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def pack(texts: Sequence[list[int]], end: int | None) -> PackedTexts:
    """Lay texts out in rows of one width.

    Args:
        texts: token ids of each text, at least one of each.
        end: token id at whose first place a text is read, or at its first token if it has none;
            where it is None, a text is the mean of its tokens.
    """
    rows, width = _shared_out([len(text) for text in texts])
    shape = len(rows), width
    ids, positions = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    owners = np.full(shape, NOBODY, dtype=np.int64)
    read = np.zeros((len(texts), *shape), dtype=np.float32)
    for row, members in enumerate(rows):
        start = 0
        for text in members:
            place = slice(start, start + len(texts[text]))
            ids[row, place] = texts[text]
            positions[row, place] = np.arange(len(texts[text]))
            owners[row, place] = text
            if end is None:
                read[text, row, place] = 1
            else:
                read[text, row, start + int(np.argmax(ids[row, place] == end))] = 1
            start = place.stop
    return PackedTexts(ids, positions, owners, read.reshape(len(texts), -1))


def packed_reader(
    tower: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    head: Callable[[torch.Tensor], torch.Tensor | tuple[torch.Tensor, ...]],
    *,
    causal: bool,
) -> Traceable:
    """Return a network that makes vectors of the arrays of :class:`PackedTexts`, in their order.

    Args:
        tower: takes ids, positions, and the mask of what each token may look at, bool (rows, 1,
            width, width); returns what it makes of each token, (rows, width, size).
        head: takes what was read of each text, (texts, size), and returns its vector, or several of
            different kinds.
        causal: whether a token may look at earlier ones only.
    """
    import torch

    class Reader(torch.nn.Module):
        def forward(
            self,
            ids: torch.Tensor,
            positions: torch.Tensor,
            owners: torch.Tensor,
            read: torch.Tensor,
        ) -> torch.Tensor | tuple[torch.Tensor, ...]:
            mask = owners[:, :, None] == owners[:, None, :]
            if causal:
                mask = mask & (positions[:, :, None] >= positions[:, None, :])
            tokens = tower(ids, positions, mask[:, None])
            # The sum first: 1 is exact in 16 bits, one part of many is not.
            return head(read @ tokens.flatten(0, 1) / read.sum(1, keepdim=True))

    example = pack([[0, 0, 0], [0, 0]], None)
    inputs = {name: torch.from_numpy(array) for name, array in example.arrays().items()}
    return Traceable(Reader(), inputs, dict.fromkeys(inputs, (0, 1)))


def _shared_out(lengths: Sequence[int]) -> tuple[list[list[int]], int]:
    """Return the numbers of the texts in each row, and the width of all rows.

    As many rows as the tokens would fill, and as wide as it takes to put every text into one.
    """
    total = sum(lengths)
    planned = ceil(total / ROW)
    width = _whole_steps(max(max(lengths), ceil(total / planned)))
    while len(rows := _first_fit(lengths, width)) > planned:
        width += STEP
    return rows, width


def _first_fit(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Put each text, the longest first, into the first row that has room for it."""
    rows: list[list[int]] = []
    room: list[int] = []
    for text in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        row = next((row for row, left in enumerate(room) if left >= lengths[text]), None)
        if row is None:
            rows.append([])
            room.append(width)
            row = len(rows) - 1
        rows[row].append(text)
        room[row] -= lengths[text]
    return rows


def _whole_steps(tokens: int) -> int:
    return STEP * ceil(tokens / STEP)
