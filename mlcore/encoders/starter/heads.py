"""The heads: what brings the outputs of the two towers into one space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlcore.encoders.starter.fingerprint import SEEN_WIDTH, TEXT_WIDTH

if TYPE_CHECKING:
    import torch


def new_heads(
    dim: int,
    hidden: int,
    image_statistics: torch.Tensor,
    text_statistics: torch.Tensor,
    *,
    members: int = 1,
) -> dict[str, torch.Tensor]:
    """Make heads to train: what :func:`apply_head` reads, by name.

    Args:
        dim: width of the common space, a multiple of ``members``.
        hidden: width of the layer between, in each member.
        image_statistics: (2, IMAGE_WIDTH): mean and standard deviation over the training pictures.
        text_statistics: (2, TEXT_WIDTH): the same over the training captions.
        members: pairs of heads that stand side by side.
    """
    import torch
    from torch import nn

    heads = {}
    width = dim // members
    for side, statistics in (("image", image_statistics), ("text", text_statistics)):
        heads[f"{side}.mean"] = statistics[0]
        # A number that hardly varies says nothing, and dividing by nearly 0 would blow it up.
        heads[f"{side}.std"] = statistics[1].clamp(min=0.01)
        direct = nn.Linear(SEEN_WIDTH if side == "image" else TEXT_WIDTH, dim)
        inner = [nn.Linear(width, hidden) for _ in range(members)]
        heads |= {
            f"{side}.direct.weight": direct.weight.detach(),
            f"{side}.direct.bias": direct.bias.detach(),
            f"{side}.inner.weight": torch.stack([layer.weight.detach() for layer in inner]),
            f"{side}.inner.bias": torch.stack([layer.bias.detach() for layer in inner]),
            # The correction starts at nothing, so training starts from a linear map.
            f"{side}.outer.weight": torch.zeros(members, width, hidden),
            f"{side}.outer.bias": torch.zeros(members, width),
        }
    heads["image.guess"] = torch.tensor(0.5)
    return heads


def head_members(heads: Mapping[str, torch.Tensor]) -> int:
    """Return how many pairs of heads stand side by side."""
    inner = heads["text.inner.weight"]
    return 1 if inner.ndim == 2 else int(inner.shape[0])


def apply_head(
    heads: Mapping[str, torch.Tensor],
    side: str,
    features: torch.Tensor,
    *,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Bring a tower's features into the common space.

    A linear map, plus a correction that a small network reads off its normalised result. The guess
    at the end of a picture's features is made of words, so the text's head reads it, and its result
    is added with a learned weight.

    Several members side by side are an ensemble in the width of one: each gives a part of the
    vector at the same length, so that the cosine of the whole is the mean of theirs.

    Args:
        heads: the weights by name, as :func:`new_heads` makes them; those of a single member may
            lack the leading dimension.
        side: ``image`` or ``text``.
        features: float32 (n, width of that side).
        dropout: share of the numbers left out at random while training, at the input and between
            the layers, for each member others; 0 in use.

    Returns:
        float (n, dim), not normalised.
    """
    import torch
    from torch.nn import functional

    members = head_members(heads)

    def weights(side: str, layer: str, member: int) -> tuple[torch.Tensor, torch.Tensor]:
        weight, bias = heads[f"{side}.{layer}.weight"], heads[f"{side}.{layer}.bias"]
        if layer == "direct":
            return weight.chunk(members)[member], bias.chunk(members)[member]
        return (weight, bias) if weight.ndim == 2 else (weight[member], bias[member])

    def project(side: str, member: int, standard: torch.Tensor, dropout: float) -> torch.Tensor:
        direct = functional.linear(
            functional.dropout(standard, dropout), *weights(side, "direct", member)
        )
        normed = functional.layer_norm(direct, direct.shape[1:])
        inner = functional.gelu(functional.linear(normed, *weights(side, "inner", member)))
        outer = functional.linear(
            functional.dropout(inner, dropout), *weights(side, "outer", member)
        )
        return direct + outer

    standard = (features - heads[f"{side}.mean"]) / heads[f"{side}.std"]
    parts = []
    for member in range(members):
        if side == "text":
            parts.append(project("text", member, standard, dropout))
            continue
        seen, guess = standard[:, :SEEN_WIDTH], standard[:, SEEN_WIDTH:]
        # Dropout is for what the image tower saw, of which there is much; words are few.
        words = heads["image.guess"] * project("text", member, guess, 0.0)
        parts.append(project("image", member, seen, dropout) + words)
    if members == 1:
        return parts[0]
    return torch.cat([functional.normalize(part, dim=1) for part in parts], dim=1)
