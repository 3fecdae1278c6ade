"""What the training loop needs of a model, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from mlcore.config import ImageLimits
from mlcore.progress import Progress
from mlcore.training.cache import content_key, key_of
from mlcore.training.config import Augment
from mlcore.training.pairs import Pairs
from mlcore.training.pictures import (
    PREPARING,
    FeatureSource,
    PixelSource,
    Squares,
    decoded,
    fixed_views,
    stored_side,
)

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from mlcore.training.processes import Processes

TextInputs: TypeAlias = "torch.Tensor | list[list[int]]"
"""Texts as a model takes them: what a frozen tower said of them, or their tokens."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """One dataset as a model takes it."""

    pairs: Pairs
    images: PixelSource | FeatureSource
    texts: TextInputs
    """Of every text of the pairs, by its number."""

    def some_texts(self, numbers: Sequence[int]) -> TextInputs:
        """Take some of the texts."""
        if isinstance(self.texts, list):
            return [self.texts[number] for number in numbers]
        return self.texts[list(numbers)]


@dataclass(frozen=True, slots=True)
class PrepareContext:
    """What preparing inputs takes besides the model and the data."""

    cache_dir: Path
    limits: ImageLimits
    workers: int
    progress: Progress
    processes: Processes


class Trainable(Protocol):
    """A dual encoder of which some parameters are trained."""

    log_scale: torch.nn.Parameter
    """Natural logarithm of the factor on the cosines."""

    @property
    def members(self) -> int:
        """Equal parts of a vector that are trained as encoders of their own."""

    @property
    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """What is trained, by name, the logit scale among it; float32 on the run's device."""

    @property
    def heads(self) -> frozenset[str]:
        """Names that train at the rate of the heads."""

    def prepare(self, pairs: Pairs, augment: Augment, context: PrepareContext) -> Inputs:
        """Decode, tokenize, and run what is frozen once; the cache is used."""

    def begin(self, inputs: Inputs, seed: int) -> None:
        """Make what starts at random; called once, with the data to train on."""

    def image_features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return (n, dim) of any norm for what an image source gave, with gradients if on."""

    def text_features(self, inputs: TextInputs) -> torch.Tensor:
        """Return (n, dim) of any norm for some texts, with gradients if on."""

    def train(self, on: bool) -> None:
        """Turn dropout and the like on or off."""

    def checkpoint(self, folder: Path) -> None:
        """Write the model as it stands into an empty folder that becomes a checkpoint."""


def pixel_source(pairs: Pairs, side: int, augment: Augment, context: PrepareContext) -> PixelSource:
    """Decode the pictures of a dataset to a file and read them from it."""
    stored = stored_side(side, augment)
    name = key_of(content_key(pairs.data), stored)
    squares = Squares(
        context.cache_dir / f"squares-{name}.npy",
        pairs.data,
        side=stored,
        limits=context.limits,
        progress=context.progress,
        make=context.processes.is_main,
    )
    context.processes.wait()
    return PixelSource(squares, side, augment, context.workers)


def views_of_pictures(
    pairs: Pairs, side: int, augment: Augment, batch: int, context: PrepareContext, describe: Any
) -> torch.Tensor:
    """Let a frozen tower look at every view of every picture.

    Args:
        describe: takes a list of square pictures and returns float (n, width).

    Returns:
        float32 (views, pictures, width) on the CPU.
    """
    import torch

    views = fixed_views(augment)
    described: list[list[torch.Tensor]] = [[] for _ in views]
    waiting: list[Image.Image] = []

    def look() -> None:
        for view, rows in zip(views, described, strict=True):
            rows.append(describe([view.apply(one, side) for one in waiting]).float().cpu())
        waiting.clear()

    for square in decoded(
        pairs.data, stored_side(side, augment), context.limits, context.progress, PREPARING
    ):
        waiting.append(square)
        if len(waiting) == batch:
            look()
    if waiting:
        look()
    return torch.stack([torch.cat(rows) for rows in described])


def by_length(rows: Sequence[list[int]], size: int) -> list[list[int]]:
    """Part the numbers of tokenized texts into batches of like length, to pad little."""
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    return [order[start : start + size] for start in range(0, len(order), size)]
