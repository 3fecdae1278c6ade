"""AdamW with two kinds of rates, and how they climb and fall."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlcore.training.config import TrainConfig

if TYPE_CHECKING:
    import torch


def make_optimiser(
    parameters: Mapping[str, torch.nn.Parameter], heads: frozenset[str], config: TrainConfig
) -> torch.optim.AdamW:
    """Make AdamW (Loshchilov and Hutter 2019) over up to four groups.

    Weight matrices decay; biases, norms and the logit scale, all of fewer than two dimensions, do
    not: to shrink them is not regularisation.

    Args:
        parameters: what is trained, by name.
        heads: names that train at ``config.head_learning_rate``.
        config: rates and decay.
    """
    import torch

    head_rate = config.head_learning_rate or config.learning_rate
    groups = []
    for of_heads, rate in ((False, config.learning_rate), (True, head_rate)):
        for decays, decay in ((True, config.weight_decay), (False, 0.0)):
            members = [
                (name, value)
                for name, value in parameters.items()
                if (name in heads) == of_heads and (value.ndim > 1) == decays
            ]
            if members:
                groups.append(
                    {
                        "params": [value for _, value in members],
                        "names": [name for name, _ in members],
                        "lr": rate,
                        "highest": rate,
                        "weight_decay": decay,
                    }
                )
    return torch.optim.AdamW(groups)


def set_rate(optimiser: torch.optim.Optimizer, share: float) -> None:
    """Set every group to a share of its highest rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["highest"] * share


def rate_at(step: int, total: int, warm_up: float) -> float:
    """The share of the full learning rate at a step counted from 0."""
    climbing = max(1, round(warm_up * total))
    if step < climbing:
        return (step + 1) / climbing
    done = (step - climbing) / max(1, total - climbing)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
