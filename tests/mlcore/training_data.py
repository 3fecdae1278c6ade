"""What the tests of training share: small data, a small model, and watchers."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from mlcore.config import ImageLimits
from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.encoders import find_model
from mlcore.i18n import Message
from mlcore.progress import Measurement, NoProgress
from mlcore.training import TrainConfig
from mlcore.training.processes import Processes
from mlcore.training.run import Run
from mlcore.training.state import WorkFolder
from mlcore.training.trainable import PrepareContext
from tests.mlcore.shapes import combinations, dataset, fresh_clip

COLOURS = {
    "red": (220, 20, 20), "green": (20, 160, 40), "blue": (30, 60, 220), "yellow": (240, 230, 40),
    "black": (10, 10, 10), "white": (245, 245, 245), "orange": (250, 140, 10),
    "purple": (130, 30, 180),
}  # fmt: skip
BARS = {"left": (0, 0, 20, 64), "right": (44, 0, 64, 64), "top": (0, 0, 64, 20)}

SMALL = TrainConfig(
    tune="all", epochs=3, batch_size=8, learning_rate=1e-3, augment="none", precision="float32"
)
"""A recipe for CLIP that takes a second."""


def bar(colour: str, place: str) -> Callable[[], bytes]:
    """Read a grey picture with a coloured bar, as a PNG."""

    def read() -> bytes:
        image = Image.new("RGB", (64, 64), (128, 128, 128))
        image.paste(COLOURS[colour], BARS[place])
        stream = BytesIO()
        image.save(stream, "PNG")
        return stream.getvalue()

    return read


def bars() -> CaptionDataset:
    """24 pictures with two captions each."""
    return CaptionDataset(
        CaptionedImage(
            f"{colour} {place}",
            (f"a {colour} bar on the {place}", f"the {place} is {colour}"),
            bar(colour, place),
        )
        for colour in COLOURS
        for place in BARS
    )


def shapes(start: int = 0, count: int = 24) -> CaptionDataset:
    """Some pictures of shapes; others for another start."""
    return dataset(combinations()[start : start + count])


def small_clip(folder: Path) -> Path:
    """A CLIP of three blocks a tower that trains in no time."""
    return fresh_clip(folder, width=32, layers=3, dim=16)


def prepared_run(base: str | Path, data: CaptionDataset, config: TrainConfig, folder: Path) -> Run:
    """A run that is about to make its first step."""
    processes = Processes(config.processes, config.device, config.precision)
    work = WorkFolder(folder / "run")
    if processes.is_main:
        work.open({}, resume=False)
    processes.wait()
    kitchen = PrepareContext(
        cache_dir=config.cache_dir or work.path / "cache",
        limits=ImageLimits(),
        workers=config.workers,
        progress=NoProgress(),
        processes=processes,
    )
    return Run(find_model(base), data, None, config, work, kitchen)


class Watcher(NoProgress):
    """Remembers what it was told, and asks to stop after a number of looks if that is set."""

    def __init__(self, patience: int | None = None) -> None:
        self.points: list[dict[str, Any]] = []
        self.reports: list[tuple[int, int, str]] = []
        self.asked = 0
        self._patience = patience

    def report(self, done: int, total: int, message: Message | str | None = None) -> None:
        self.reports.append((done, total, str(message or "")))

    def measured(self, values: Measurement) -> None:
        self.points.append(dict(values))

    def should_stop(self) -> bool:
        # Counted while steps are made, not while pictures are prepared.
        if self.reports and self.reports[-1][2].startswith("epoch"):
            self.asked += 1
        return self._patience is not None and self.asked > self._patience
