"""The points of a run's curve: to the watcher, to a file of JSON lines, to TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlcore.errors import TrainingError
from mlcore.progress import Measurement, Progress


class Curve:
    """Takes measurements and hands them on.

    Args:
        path: the file of JSON lines; lines of steps after ``step`` are dropped from it, because
            they will be measured again.
        step: how many steps an interrupted run had finished.
        progress: who watches.
        tensorboard: a folder for TensorBoard, or None.

    Raises:
        TrainingError: TensorBoard was asked for and is not installed.
    """

    def __init__(
        self, path: Path, *, step: int, progress: Progress, tensorboard: Path | None
    ) -> None:
        self._path = path
        self._progress = progress
        self._board = _board(tensorboard) if tensorboard else None
        kept = []
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
                # A killed process may have left half a line at the end.
                if line.endswith("\n") and json.loads(line)["step"] <= step:
                    kept.append(line)
        path.write_text("".join(kept), encoding="utf-8")

    def add(self, values: Measurement) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(values)) + "\n")
        self._progress.measured(values)
        if self._board is not None:
            kind, step = values["kind"], values["step"]
            for name, value in values.items():
                if isinstance(value, float):
                    self._board.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def check_tensorboard(folder: Path | None) -> None:
    """Refuse to write for TensorBoard where it is not installed.

    Raises:
        TrainingError: it is not.
    """
    if folder is not None:
        _board_writer()


def _board(folder: Path) -> Any:
    return _board_writer()(str(folder))


def _board_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError("training.no_tensorboard") from error
    return SummaryWriter
