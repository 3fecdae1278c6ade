"""One step's loss and gradients, whatever the batch is parted into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlcore.training.losses import clip_contrastive_loss
from mlcore.training.pairs import drawn

if TYPE_CHECKING:
    import torch

    from mlcore.training.processes import Processes
    from mlcore.training.trainable import TextInputs, Trainable


@dataclass(frozen=True, slots=True)
class Batch:
    """This process's pairs of one step."""

    images: torch.Tensor
    texts: TextInputs
    wrong: TextInputs | None
    """As many wrong captions as pairs, if they are used."""
    same: torch.Tensor
    """bool (n, n) over the pairs of all processes; see ``clip_contrastive_loss``."""
    not_wrong: torch.Tensor | None
    """bool (n, n) over the pairs of all processes and all wrong captions."""


def loss_and_gradients(
    model: Trainable,
    batch: Batch,
    processes: Processes,
    *,
    micro_batch: int | None = None,
    seed: tuple[int, ...] = (0,),
) -> torch.Tensor:
    """Add the gradients of one step to the model's parameters and return the loss.

    The negatives of each pair are the pairs of all processes, and gradients flow to all of them:
    what every process holds after the call are the gradients of the loss over the global batch.

    With ``micro_batch`` the towers run over small parts twice, first for the features alone, then,
    once the loss has said what each feature's gradient is, part by part with gradients. Memory is
    that of one part, and the gradients are those of the whole (GradCache, Gao et al. 2021,
    "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", section 3).

    Args:
        model: what is trained; its gradients are added to.
        batch: this process's share.
        processes: who takes part.
        micro_batch: pairs in a part; all at once when None.
        seed: of dropout, the same for the two runs over one part.

    Returns:
        A scalar without gradient, the same in every process.
    """
    import torch

    sides: list[tuple[Callable[[Any], torch.Tensor], Any]] = [
        (model.image_features, batch.images),
        (model.text_features, batch.texts),
    ]
    if batch.wrong is not None:
        sides.append((model.text_features, batch.wrong))
    size = micro_batch or len(batch.images)
    parts = [
        (side, encode, inputs[start : start + size], start)
        for side, (encode, inputs) in enumerate(sides)
        for start in range(0, len(inputs), size)
    ]

    def features_of(side: int, encode: Any, inputs: Any, start: int) -> torch.Tensor:
        torch.manual_seed(drawn(2**62, *seed, processes.rank, side, start))
        with processes.autocast():
            encoded: torch.Tensor = encode(inputs)
        return encoded.float()

    whole = size >= len(batch.images)
    with torch.set_grad_enabled(whole):
        encoded = [features_of(*part) for part in parts]
    own = [
        torch.cat([rows for rows, part in zip(encoded, parts, strict=True) if part[0] == side])
        for side in range(len(sides))
    ]
    if not whole:
        own = [rows.detach().requires_grad_() for rows in own]

    members = [_with_others(rows, processes).chunk(model.members, dim=1) for rows in own]
    losses = [
        clip_contrastive_loss(
            images,
            texts,
            model.log_scale.exp(),
            same=batch.same,
            wrong_features=wrong[0] if wrong else None,
            not_wrong=batch.not_wrong,
        )
        # Each member by itself: members that shared one loss would lean on each other.
        for images, texts, *wrong in zip(*members, strict=True)
    ]
    loss = torch.stack(losses).mean()
    torch.autograd.backward(loss)
    if not whole:
        for part in parts:
            side, _, inputs, start = part
            again = features_of(*part)
            gradient = own[side].grad
            if again.requires_grad and gradient is not None:
                torch.autograd.backward(again, gradient[start : start + len(inputs)])
    _add_over_processes(model, processes)
    return loss.detach()


def _with_others(own: torch.Tensor, processes: Processes) -> torch.Tensor:
    """Put every process's rows in order; gradients flow to this process's own alone."""
    import torch

    if processes.count == 1:
        return own
    rows = processes.gather(own.detach())
    start = processes.rank * len(own)
    return torch.cat([rows[:start], own, rows[start + len(own) :]])


def _add_over_processes(model: Trainable, processes: Processes) -> None:
    """Sum the gradients; the temperature's is whole in every process already."""
    if processes.count == 1:
        return
    for value in model.parameters.values():
        if value.grad is not None and value is not model.log_scale:
            value.grad = processes.sum(value.grad)
