"""How well captions find their pictures while training goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlcore.config import FloatMatrix
from mlcore.evaluation import retrieval_metrics
from mlcore.training.guards import batches_of, stop_if_asked

if TYPE_CHECKING:
    import torch

    from mlcore.progress import Progress
    from mlcore.training.processes import Processes
    from mlcore.training.trainable import Inputs, Trainable

CUT_OFFS = (1, 5, 10)
_BATCH = 64


def validate(
    model: Trainable, inputs: Inputs, processes: Processes, progress: Progress
) -> dict[str, float]:
    """Return hit rates and mean reciprocal rank of text to image, all captions being queries.

    Raises:
        StoppedError: the run was asked to stop.
    """
    import torch

    model.train(False)
    images: list[torch.Tensor] = []
    texts: list[torch.Tensor] = []
    with torch.no_grad(), processes.autocast():
        for numbers in batches_of(len(inputs.pairs.data), _BATCH):
            stop_if_asked(progress)
            part = inputs.images.plain(numbers[0], numbers[-1] + 1)
            images.append(model.image_features(part).float().cpu())
        for numbers in batches_of(inputs.pairs.caption_count, _BATCH * 4):
            stop_if_asked(progress)
            texts.append(model.text_features(inputs.some_texts(numbers)).float().cpu())
    model.train(True)
    found = retrieval_metrics(
        _unit(texts), _unit(images), inputs.pairs.relevant(), CUT_OFFS, resamples=0
    )
    figures = {f"hit_rate@{k}": found.hit_rate[k] for k in CUT_OFFS}
    return figures | {"mrr": found.mrr}


def _unit(rows: list[torch.Tensor]) -> FloatMatrix:
    import torch
    from torch.nn import functional

    matrix = functional.normalize(torch.cat(rows), dim=1)
    return np.ascontiguousarray(matrix.numpy(), dtype=np.float32)
