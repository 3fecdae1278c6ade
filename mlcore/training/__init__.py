"""Fine-tuning of any CLIP checkpoint and of the starter, behind one loop; see docs/training.md."""

from mlcore.training.config import Augment, TrainConfig, Tune
from mlcore.training.guards import MIN_PAIRS, StoppedError
from mlcore.training.loop import fine_tune
from mlcore.training.publishing import TRAINING
from mlcore.training.result import TrainResult
from mlcore.training.state import METRICS

__all__ = [
    "METRICS",
    "MIN_PAIRS",
    "TRAINING",
    "Augment",
    "StoppedError",
    "TrainConfig",
    "TrainResult",
    "Tune",
    "fine_tune",
]
