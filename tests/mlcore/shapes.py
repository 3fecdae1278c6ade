"""Drawn shapes with captions, and a fresh CLIP that has to learn from them what it reads and sees.

``python -m tests.mlcore.shapes`` trains at full size and prints how well unseen combinations of
colour, form and place are found; it exits with 1 where that is less than 9 in 10.
"""

import io
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PIL import Image, ImageDraw

from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.encoders import load_encoder
from mlcore.evaluation import EvalConfig, evaluate_retrieval
from mlcore.progress import NoProgress, ProgressBar
from mlcore.training import TrainConfig, TrainResult, fine_tune
from tests.encoders import IN_TORCH
from tests.mlcore.clip_factory import make_clip

COLOURS = {
    "red": (220, 30, 30), "green": (30, 160, 50), "blue": (40, 70, 220), "yellow": (240, 220, 40),
    "black": (15, 15, 15), "white": (250, 250, 250),
}  # fmt: skip
FORMS = ("circle", "square", "triangle", "cross")
PLACES = ("left of", "above")
BACKGROUND = (128, 128, 128)
SIDE = 32
GOAL = 0.9

Combination = tuple[str, str, str, str, str]
"""Colour and form of the first shape, place, colour and form of the second."""


def combinations() -> list[Combination]:
    """Every combination of two shapes that differ in colour and form, in one mixed order."""
    every = [
        (one, form, place, other, second)
        for one, other in itertools.permutations(COLOURS, 2)
        for form, second in itertools.permutations(FORMS, 2)
        for place in PLACES
    ]
    random.Random(0).shuffle(every)
    return every


def caption(combination: Combination) -> str:
    one, form, place, other, second = combination
    return f"a {one} {form} {place} a {other} {second}"


def draw(combination: Combination, seed: int) -> bytes:
    """Draw a combination as a PNG; the seed moves the shapes and changes their size a little."""
    one, form, place, other, second = combination
    chance = random.Random(seed)
    image = Image.new("RGB", (SIDE, SIDE), BACKGROUND)
    canvas = ImageDraw.Draw(image)
    near, far, across = 8, 24, 16
    centres = (
        [(near, across), (far, across)] if place == "left of" else [(across, near), (across, far)]
    )
    for (x, y), colour, shape in zip(centres, (one, other), (form, second), strict=True):
        radius = chance.randint(6, 7)
        x, y = x + chance.randint(-1, 1), y + chance.randint(-2, 2)
        _shape(canvas, shape, x, y, radius, COLOURS[colour])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def dataset(chosen: Sequence[Combination], *, copies: int = 1) -> CaptionDataset:
    """Make a dataset of these combinations, each drawn ``copies`` times."""
    return CaptionDataset(
        (
            CaptionedImage(
                f"{caption(one)} {copy}", (caption(one),), partial(draw, one, number * 100 + copy)
            )
            for number, one in enumerate(chosen)
            for copy in range(copies)
        ),
        source="the drawn shapes",
    )


def fresh_clip(
    folder: Path, *, width: int = 64, layers: int = 2, dim: int = 32, patch: int = 8
) -> Path:
    """Save a CLIP of the real architecture with random weights that knows the captions' words."""
    size = {
        "hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers,
        "num_attention_heads": 4,
    }  # fmt: skip
    words = {word for one in combinations() for word in caption(one).split()}
    return make_clip(
        folder,
        dim=dim,
        text=size | {"max_position_embeddings": 16},
        vision=size | {"image_size": SIDE, "patch_size": patch},
        merges=merges_for(sorted(words)),
        spread=False,
    )


def merges_for(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return the merges of byte pairs after which each word is one token (Sennrich 2016)."""
    split = [[*word[:-1], f"{word[-1]}</w>"] for word in words]
    merges: list[tuple[str, str]] = []
    while True:
        pairs = Counter(pair for parts in split for pair in itertools.pairwise(parts))
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for parts in split:
            for place in range(len(parts) - 1):
                if tuple(parts[place : place + 2]) == best:
                    parts[place : place + 2] = ["".join(best)]


def learn(
    folder: Path, *, train: CaptionDataset, validation: CaptionDataset | None, config: TrainConfig,
    show: bool = False, **clip: int,
) -> TrainResult:  # fmt: skip
    """Train a fresh CLIP on drawn shapes."""
    base = fresh_clip(folder / "fresh", **clip)
    watcher = ProgressBar() if show else NoProgress()
    return fine_tune(
        base, train, config, out_dir=folder / "trained", validation=validation, progress=watcher
    )


def first_found(model: Path, data: CaptionDataset) -> float:
    """Share of captions whose picture comes first among all of the dataset."""
    metrics = evaluate_retrieval(load_encoder(model, options=IN_TORCH), data, EvalConfig(ks=(1,)))
    return metrics.text_to_image.hit_rate[1]


FULL = TrainConfig(
    tune="all", epochs=100, batch_size=288, learning_rate=3e-3, warm_up=0.1, weight_decay=0.05,
    augment="none", validate_every=10,
)  # fmt: skip


def main() -> int:
    started = time.monotonic()
    every = combinations()
    held, kept = every[:144], every[144:]
    unseen, train = dataset(held), dataset(kept, copies=3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = first_found(fresh_clip(folder / "before"), unseen)
        result = learn(folder, train=train, validation=None, config=FULL, show=True)
        after = first_found(result.directory, unseen)
    sys.stdout.write(
        f"{len(train)} pictures of {len(kept)} combinations; {len(held)} combinations unseen.\n"
        f"R@1 before {before:.3f}, after {after:.3f} (chance {1 / len(held):.3f}, goal {GOAL}); "
        f"last loss {result.losses[-1]:.3f}; {time.monotonic() - started:.0f} s.\n"
    )
    return 0 if after >= GOAL else 1


def _shape(
    canvas: ImageDraw.ImageDraw,
    form: str,
    x: int,
    y: int,
    radius: int,
    colour: tuple[int, int, int],
) -> None:
    box = (x - radius, y - radius, x + radius, y + radius)
    if form == "circle":
        canvas.ellipse(box, fill=colour)
    elif form == "square":
        canvas.rectangle(box, fill=colour)
    elif form == "triangle":
        corners = [(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)]
        canvas.polygon(corners, fill=colour)
    else:
        arm = radius // 3
        canvas.rectangle((x - radius, y - arm, x + radius, y + arm), fill=colour)
        canvas.rectangle((x - arm, y - radius, x + arm, y + radius), fill=colour)


if __name__ == "__main__":
    sys.exit(main())
