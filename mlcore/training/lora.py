"""Small trained factors beside frozen weights (LoRA, Hu et al. 2021, section 4.1), through peft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.training.extras import require

if TYPE_CHECKING:
    import torch

_ADAPTER = "default"
"""What peft calls the factors when it is given no name."""


def add_factors(model: Any, targets: str, *, rank: int, alpha: int, seed: int) -> None:
    """Put factors beside every linear layer whose name matches; all else no longer trains.

    Args:
        model: changed in place.
        targets: a regular expression that matches whole names of modules.
        rank: numbers between the factors.
        alpha: the product is multiplied by ``alpha / rank``.
        seed: of the first factor's start; the second starts at 0, so nothing changes yet.

    Raises:
        TrainingError: peft is not installed.
    """
    require("peft")
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(seed)
    inject_adapter_in_model(
        LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=targets), model
    )


def factors(model: Any) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return, by the module's name, ``a`` (rank, in) and ``b`` (out, rank), the scale within b."""
    from peft.tuners.lora import LoraLayer

    found = {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            layer: Any = module
            a, b = layer.lora_A[_ADAPTER].weight.detach(), layer.lora_B[_ADAPTER].weight.detach()
            found[name] = a, b * layer.scaling[_ADAPTER]
    return found


def merged_state(model: Any) -> dict[str, torch.Tensor]:
    """Return the model's weights under their plain names, the factors added in."""
    state = {
        name.replace(".base_layer.", "."): value.detach().clone()
        for name, value in model.state_dict().items()
        if ".lora_" not in name
    }
    for name, (a, b) in factors(model).items():
        state[f"{name}.weight"] += b @ a
    return state
