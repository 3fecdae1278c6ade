"""What must not be trained on, and when a run must not go on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from mlcore.errors import TrainingError
from mlcore.i18n import Message
from mlcore.progress import Progress

MIN_PAIRS = 16
"""Fewer pictures give no negatives to learn from."""

_SMOOTHING = 0.9
"""Share of the smoothed loss that stays at each step."""

_EARLY_STEPS = 10
"""Steps, besides the warm-up, during which a high loss is no sign of anything."""

_WORSE_THAN_CHANCE = 1.5
"""How often the loss of a model that knows nothing counts as divergence."""


class StoppedError(TrainingError):
    """The run was asked to stop, and did."""

    def __init__(self) -> None:
        super().__init__("training.stopped")


def stop_if_asked(progress: Progress) -> None:
    """Raise where the run was asked to stop.

    Raises:
        StoppedError: it was.
    """
    if progress.should_stop():
        raise StoppedError


class Watch:
    """Looks at the numbers of a run and stops one that has gone wrong.

    Args:
        total: steps of the whole run.
        steps_per_epoch: to name the epoch.
        learning_rate: to name it in the advice.
        warm_up_steps: during which a high loss is no sign of anything.
        chance: the loss of a model that tells nothing apart.
    """

    def __init__(
        self,
        *,
        total: int,
        steps_per_epoch: int,
        learning_rate: float,
        warm_up_steps: int,
        chance: float,
    ) -> None:
        self._total = total
        self._steps_per_epoch = steps_per_epoch
        self._learning_rate = learning_rate
        self._warm_up_steps = warm_up_steps
        self._chance = chance
        self._smoothed = chance

    def loss(self, value: float, step: int) -> None:
        """Take the loss of a step, counted from 1.

        Raises:
            TrainingError: it is not finite, or the run has long been worse than chance.
        """
        self._finite("training.loss_not_finite", value, step)
        if step <= max(self._warm_up_steps, _EARLY_STEPS):
            return
        self._smoothed = _SMOOTHING * self._smoothed + (1 - _SMOOTHING) * value
        if self._smoothed > _WORSE_THAN_CHANCE * self._chance + 0.5:
            raise TrainingError(
                "training.diverged",
                loss=f"{self._smoothed:.2f}",
                chance=f"{self._chance:.2f}",
                **self._place_and_rate(step),
            )

    def gradient(self, norm: float, step: int) -> None:
        """Take the norm of a step's gradients.

        Raises:
            TrainingError: it is not finite.
        """
        self._finite("training.gradient_not_finite", norm, step)

    def weights(self, finite: bool, step: int) -> None:
        """Take whether all weights are finite.

        Raises:
            TrainingError: they are not.
        """
        if not finite:
            raise TrainingError("training.weights_not_finite", **self._place_and_rate(step))

    def _finite(self, code: str, value: float, step: int) -> None:
        if not math.isfinite(value):
            raise TrainingError(code, value=str(value), **self._place_and_rate(step))

    def _place_and_rate(self, step: int) -> dict[str, Any]:
        return {
            "step": step,
            "total": self._total,
            "epoch": (step - 1) // self._steps_per_epoch + 1,
            "rate": f"{self._learning_rate:g}",
        }


def enough(pictures: int, source: str | Message) -> None:
    """Refuse what is too little to learn from.

    Raises:
        TrainingError: it is.
    """
    if pictures < MIN_PAIRS:
        raise TrainingError("training.too_few", source=source, number=pictures, least=MIN_PAIRS)


def batches_of(count: int, size: int) -> Iterator[Sequence[int]]:
    """Yield the numbers from 0 to ``count - 1``, ``size`` at a time."""
    for start in range(0, count, size):
        yield range(start, min(start + size, count))
