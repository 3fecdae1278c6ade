"""The symmetric contrastive loss that pulls pictures and their captions together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MAX_LOGIT_SCALE = 100.0
"""Cosines are multiplied by at most this; Radford et al. clip there to keep training stable."""


def clip_contrastive_loss(
    image_features: Tensor,
    text_features: Tensor,
    logit_scale: Tensor | float,
    *,
    same: Tensor | None = None,
    wrong_features: Tensor | None = None,
    not_wrong: Tensor | None = None,
) -> Tensor:
    """Return ½ (cross-entropy over images + cross-entropy over texts) of one batch of pairs.

    Row ``i`` of both inputs is one pair; every other row of the batch is a negative for it. This
    is InfoNCE in both directions, as in Radford et al. 2021, "Learning Transferable Visual Models
    From Natural Language Supervision", section 2.3 and figure 3.

    Args:
        image_features: float tensor (n, dim) of any norm; rows are normalised here.
        text_features: float tensor (n, dim), row ``i`` being the caption of image ``i``.
        logit_scale: the factor on the cosines, the inverse of the temperature; above 0. Values
            above 100 count as 100. A learned scale is passed after ``exp``.
        same: optional bool tensor (n, n), true where image ``i`` and caption ``j`` belong to
            pairs that say or show the same. Such pairs off the diagonal are left out of the
            sums, neither positive nor negative. The diagonal is ignored.
        wrong_features: optional float tensor (m, dim) of texts that are true of no picture. Every
            picture has to refuse them too; they look for no picture themselves (NegCLIP,
            Yuksekgonul et al. 2023, section 4).
        not_wrong: optional bool tensor (n, m), true where wrong text ``j`` is left out for image
            ``i``, because it is true of it or because it is no text at all.

    Returns:
        A scalar tensor, at least 0; ln(n) when the features tell nothing apart.

    Raises:
        ValueError: the two inputs are not matrices of one shape, are empty, or a mask does not
            fit them.
    """
    import torch
    from torch.nn import functional

    if image_features.ndim != 2 or image_features.shape != text_features.shape:
        raise ValueError(
            "image and text features must be two matrices of one shape, not "
            f"{tuple(image_features.shape)} and {tuple(text_features.shape)}"
        )
    count = image_features.shape[0]
    if count == 0:
        raise ValueError("a batch of pairs must not be empty")

    scale = torch.as_tensor(logit_scale, device=image_features.device).clamp(max=MAX_LOGIT_SCALE)
    images = functional.normalize(image_features, dim=1)
    texts = functional.normalize(text_features, dim=1)
    logits = scale * images @ texts.T
    if same is not None:
        if same.shape != logits.shape:
            raise ValueError(f"the mask must be {count} by {count}, not {tuple(same.shape)}")
        diagonal = torch.eye(count, dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(same.to(logits.device) & ~diagonal, float("-inf"))
    target = torch.arange(count, device=logits.device)
    refused = logits
    if wrong_features is not None:
        wrong = scale * images @ functional.normalize(wrong_features, dim=1).T
        if not_wrong is not None:
            if not_wrong.shape != wrong.shape:
                raise ValueError(
                    f"the mask of wrong texts must be {tuple(wrong.shape)}, not "
                    f"{tuple(not_wrong.shape)}"
                )
            wrong = wrong.masked_fill(not_wrong.to(logits.device), float("-inf"))
        refused = torch.cat([logits, wrong], dim=1)
    over_texts = functional.cross_entropy(refused, target)
    over_images = functional.cross_entropy(logits.T, target)
    return (over_texts + over_images) / 2
