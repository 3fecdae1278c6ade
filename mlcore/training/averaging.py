"""Means of weights: over the steps of a run, and between the base and what was tuned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class RunningMean:
    """An exponential moving mean of weights (Polyak averaging).

    Args:
        weights: where it starts.
        decay: share of the mean that stays at each step. Early steps keep less, so that the start
            does not weigh on for long.
    """

    def __init__(self, weights: Mapping[str, torch.Tensor], decay: float) -> None:
        self.decay = decay
        self.mean = {name: value.detach().clone() for name, value in weights.items()}

    def add(self, weights: Mapping[str, torch.Tensor], step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        decay = min(self.decay, step / (step + 9))
        for name, value in weights.items():
            self.mean[name].lerp_(value.detach(), 1 - decay)


def mixed(
    base: Mapping[str, torch.Tensor], tuned: Mapping[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Return ``(1 - share) base + share tuned`` (WiSE-FT, Wortsman et al. 2022, section 3).

    Of the two factors of LoRA only the second, which starts at 0, is scaled: their product is what
    is added to the base.
    """
    return {
        name: value.clone() if ".lora_A." in name else base[name].lerp(value, share)
        for name, value in tuned.items()
    }


@contextmanager
def in_place(
    parameters: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]
) -> Iterator[None]:
    """Put other weights into the parameters for a while."""
    own = {name: value.detach().clone() for name, value in parameters.items()}
    put(parameters, weights)
    try:
        yield
    finally:
        put(parameters, own)


def put(parameters: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]) -> None:
    """Overwrite the parameters' numbers."""
    import torch

    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(weights[name])
