"""The checkpoint that a run ends with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.encoders import FoundModel, model_fingerprint
from mlcore.encoders.checkpoints import write_checkpoint
from mlcore.training.config import TrainConfig
from mlcore.training.result import TrainResult
from mlcore.training.state import METRICS, WorkFolder

if TYPE_CHECKING:
    from mlcore.training.trainable import Trainable

TRAINING = "training.json"
"""Beside a checkpoint: what it was made from and how."""


def publish(
    result: TrainResult,
    found: FoundModel,
    config: TrainConfig,
    model: Trainable,
    work: WorkFolder,
) -> None:
    """Write the checkpoint, with what it was made from and the curve beside it."""
    about = {
        "recipe": config.recipe(),
        "parent": {"name": found.name, "fingerprint": model_fingerprint(found)},
        "data": {
            "sha256": result.data_sha256,
            "pictures": result.pictures,
            "captions": result.captions,
        },
        "epochs": list(result.epochs),
        "best_epoch": result.best_epoch,
        "best_value": result.best_value,
        "mix": result.mix,
        "stopped_early": result.stopped_early,
        "trained_parameters": result.trained_parameters,
        "seconds": round(result.seconds, 1),
    }

    def write(folder: Path) -> None:
        model.checkpoint(folder)
        (folder / TRAINING).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        shutil.copyfile(work.metrics, folder / METRICS)

    write_checkpoint(result.directory, kind=found.family.name, write=write)
