"""What a protocol asks with: the vectors of captions and pictures, and whose is whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.evaluation.ranking import best_rows, relevant_ranks
from mlcore.evaluation.results import EvalConfig, QueryOutcome

if TYPE_CHECKING:
    from mlcore.datasets import CaptionDataset

SHOWN = 10
"""Pictures kept of what each query found."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Captions and pictures with their vectors, and how they are asked."""

    data: CaptionDataset
    config: EvalConfig
    images: FloatMatrix
    texts: FloatMatrix
    beside: FloatMatrix
    """Pictures that are nobody's answer."""
    beside_names: Sequence[str]

    @property
    def owner(self) -> NDArray[np.int64]:
        """Which picture each caption belongs to."""
        return np.repeat(np.arange(len(self.data)), [len(image.captions) for image in self.data])

    @property
    def captions_of(self) -> list[NDArray[np.int64]]:
        """The captions of each picture."""
        owner = self.owner
        return np.split(np.arange(len(owner)), np.flatnonzero(np.diff(owner)) + 1)

    def gallery(self, rows: Sequence[int] | None = None) -> tuple[FloatMatrix, list[str]]:
        """Some pictures of the data, all when None, and those beside them; with their names."""
        chosen = range(len(self.data)) if rows is None else rows
        names = [self.data[row].name for row in chosen] + list(self.beside_names)
        images = self.images if rows is None else self.images[list(rows)]
        if not len(self.beside):
            return images, names
        return np.concatenate([images, self.beside]), names


def outcomes_of(
    asked: Asked,
    captions: Sequence[int],
    gallery: FloatMatrix,
    names: Sequence[str],
    relevant: NDArray[np.integer[Any]],
) -> tuple[QueryOutcome, ...]:
    """Say what each of these captions found; ``relevant``: (n, 1), rows of the gallery."""
    texts = asked.texts[list(captions)]
    words = asked.data.captions
    ranks = relevant_ranks(texts, gallery, relevant)[:, 0]
    found = best_rows(texts, gallery, SHOWN)
    return tuple(
        QueryOutcome(
            words[caption],
            tuple(names[row] for row in right),
            int(rank),
            tuple(names[row] for row in top),
        )
        for caption, right, rank, top in zip(captions, relevant, ranks, found, strict=True)
    )
