"""The work folder of a run: what an interrupted one goes on from.

Beside the checkpoint that will be, under its name with ``.partial``: the recipe, the curve, and a
folder for each epoch. An epoch's folder is written under another name and then renamed, so it is
whole or absent. All draws are functions of the seed and the step, so no state of random numbers
need be kept.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.encoders.checkpoints import read_json, save_tensors
from mlcore.errors import TrainingError
from mlcore.i18n import Message

if TYPE_CHECKING:
    import torch

METRICS = "metrics.jsonl"
_RECIPE = "recipe.json"
_STATE = "state.json"
_WEIGHTS = "weights.safetensors"
_AVERAGE = "average.safetensors"
_OPTIMISER = "optimiser.safetensors"


@dataclass(slots=True)
class RunState:
    """How far a run is."""

    epoch: int = 0
    """Epochs that are finished."""
    step: int = 0
    """Steps that are finished."""
    best_epoch: int = 0
    best_value: float | None = None
    seconds: float = 0.0
    epochs: tuple[dict[str, Any], ...] = ()
    """What was measured in each."""

    def stale(self) -> int:
        """Validated epochs since the best."""
        return sum(1 for row in self.epochs[self.best_epoch :] if "mrr" in row)


class WorkFolder:
    """The folder of one run; see the module.

    Args:
        out_dir: the checkpoint that the run is to make.
    """

    def __init__(self, out_dir: Path) -> None:
        self.path = out_dir.with_name(out_dir.name + ".partial")

    @property
    def metrics(self) -> Path:
        return self.path / METRICS

    def open(self, recipe: Mapping[str, Any], *, resume: bool) -> None:
        """Make the folder, or go on with the one of an interrupted run.

        Raises:
            TrainingError: a run with another recipe, base or data was interrupted there.
        """
        if not resume:
            self.remove()
        path = self.path / _RECIPE
        text = json.dumps(recipe, indent=2, sort_keys=True) + "\n"
        if not path.is_file():
            self.remove()
            self.path.mkdir(parents=True)
            path.write_text(text, encoding="utf-8")
            return
        before = read_json(path)
        now = json.loads(text)
        other = sorted(
            name for name in {*before, *now} if before.get(name, "") != now.get(name, "")
        )
        if other:
            named = [
                Message.of(
                    "training.differs",
                    name=name,
                    there=repr(before.get(name)),
                    now=repr(now.get(name)),
                )
                for name in other
            ]
            raise TrainingError("training.other_run", path=str(self.path), differences=named)

    def save(
        self,
        state: RunState,
        weights: Mapping[str, torch.Tensor],
        average: Mapping[str, torch.Tensor] | None,
        optimiser: torch.optim.Optimizer,
    ) -> None:
        """Keep an epoch that has just been finished."""
        folder = self._folder(state.epoch)
        partial = folder.with_suffix(".tmp")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        save_tensors(weights, partial / _WEIGHTS)
        if average is not None:
            save_tensors(average, partial / _AVERAGE)
        save_tensors(_optimiser_tensors(optimiser), partial / _OPTIMISER)
        values = {
            "epoch": state.epoch, "step": state.step, "best_epoch": state.best_epoch,
            "best_value": state.best_value, "seconds": state.seconds, "epochs": list(state.epochs),
        }  # fmt: skip
        (partial / _STATE).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        partial.rename(folder)

    def last(self) -> RunState | None:
        """Return where the last finished epoch stood, or None at the very start."""
        numbers = self._numbers()
        if not numbers:
            return None
        values = read_json(self._folder(max(numbers)) / _STATE)
        return RunState(**values | {"epochs": tuple(values["epochs"])})

    def weights(self, epoch: int) -> dict[str, torch.Tensor]:
        """Return the trained weights as they were after an epoch."""
        return _load(self._folder(epoch) / _WEIGHTS)

    def average(self, epoch: int) -> dict[str, torch.Tensor] | None:
        """Return the running mean of the weights after an epoch, where one was kept."""
        path = self._folder(epoch) / _AVERAGE
        return _load(path) if path.is_file() else None

    def restore(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Put the optimiser back to where it was after an epoch."""
        stored = _load(self._folder(epoch) / _OPTIMISER)
        for group in optimiser.param_groups:
            for name, value in zip(group["names"], group["params"], strict=True):
                own = {
                    key.removeprefix(f"{name}|"): tensor
                    for key, tensor in stored.items()
                    if key.startswith(f"{name}|")
                }
                optimiser.state[value] = {
                    key: tensor if key == "step" else tensor.to(value.device)
                    for key, tensor in own.items()
                }

    def prune(self, keep: int, best: int) -> None:
        """Remove all epochs but the last few and the best."""
        numbers = self._numbers()
        for number in numbers[:-keep]:
            if number != best:
                shutil.rmtree(self._folder(number))

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def _folder(self, epoch: int) -> Path:
        return self.path / f"epoch-{epoch:04d}"

    def _numbers(self) -> list[int]:
        found = self.path.glob("epoch-*")
        return sorted(int(path.name.removeprefix("epoch-")) for path in found if not path.suffix)


def _optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{name}|{key}": tensor
        for group in optimiser.param_groups
        for name, value in zip(group["names"], group["params"], strict=True)
        for key, tensor in optimiser.state[value].items()
    }


def _load(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)
