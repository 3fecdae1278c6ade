"""Fine-tuning of any CLIP checkpoint and of the starter, behind one loop; see docs/training.md."""

from mlcore.training.config import Augment, TrainConfig, TrainResult, Tune
from mlcore.training.guards import MIN_PAIRS, StoppedError
from mlcore.training.loop import TRAINING, fine_tune
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
