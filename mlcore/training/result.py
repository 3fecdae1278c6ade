"""What comes of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What came of a run."""

    directory: Path
    """A checkpoint that :func:`mlcore.encoders.load_encoder` takes."""
    epochs: tuple[dict[str, Any], ...]
    """Per epoch: ``epoch``, ``loss`` (the mean), ``temperature``, ``seconds``, and the validation
    figures where it was validated."""
    best_epoch: int
    """Counted from 1: the one that was kept. The last where there was nothing to validate on."""
    best_value: float | None
    """Its figure of ``TrainConfig.validation_metric`` after the mix; None without validation."""
    mix: float
    """Share of the tuned weights in what was kept; 1 unless mixes were tried."""
    pictures: int
    captions: int
    dropped: int
    """Pictures left out of training because an unseen one looks the same."""
    data_sha256: str
    """Over the pictures' bytes and captions that were trained on."""
    logit_scale: float
    seconds: float
    """Of the steps and validations, over all starts of the run."""
    stopped_early: bool
    trained_parameters: int

    @property
    def losses(self) -> tuple[float, ...]:
        """Mean loss of each epoch."""
        return tuple(epoch["loss"] for epoch in self.epochs)
