"""Sentences filled up to the longest of a batch, as every text tower takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore.encoders.openvino.compiled import Traceable

if TYPE_CHECKING:
    import torch


def pad(texts: Sequence[list[int]]) -> dict[str, NDArray[Any]]:
    """Return the arrays that a network takes, by name and in its order.

    ``ids`` int64 (texts, longest), 0 where there is no token; ``mask`` int64 of the same shape, 1
    where there is one.
    """
    shape = len(texts), max(map(len, texts))
    ids, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return {"ids": ids, "mask": mask}


def padded_reader(tower: torch.nn.Module) -> Traceable:
    """Return a network that makes vectors of what :func:`pad` returns.

    Args:
        tower: takes ids and mask, and returns a vector for each text, (texts, dim).
    """
    import torch

    inputs = {name: torch.from_numpy(array) for name, array in pad([[0, 0, 0], [0, 0]]).items()}
    return Traceable(tower, inputs, dict.fromkeys(inputs, (0, 1)))
