"""What encoding in another precision, or by another library, costs in the vectors.

``python -m tools.precision`` compares the encoder that this machine would use with torch in
float32, on the Flickr8k dev pictures and their captions; it exits with 1 where a bar is missed.
With ``--model vit-b-32`` it measures a CLIP ViT-B/32 of true size, with random weights.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from mlcore.config import FloatMatrix, ImageLimits, Precision, RuntimeOptions
from mlcore.datasets import CaptionDataset
from mlcore.encoders import Encoder, load_encoder
from mlcore.layouts import open_source
from tests.mlcore.clip_factory import make_clip
from tests.services import flickr8k_path
from tools.vit_memory import TEXT, VISION

LEAST_COSINE = 0.999
"""Of every vector to the one that torch makes in float32."""
LEAST_OVERLAP = 0.97
"""Of the ten best, on average over the searches."""
BEST = 10
TOGETHER = 64

SPREAD = 0.036
"""About 1 / sqrt(768): a layer neither lengthens what passes nor shortens it. Were weights far
larger, each attention would look at one place alone, and rounding grow from layer to layer."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How near vectors are to those of torch in float32."""

    runtime: str
    pictures: FloatMatrix
    """Cosine of each picture's two vectors."""
    texts: FloatMatrix
    """Of each caption's."""
    overlap: float
    """Share of the ten best pictures for a caption that both find, on average."""

    @property
    def reaches_the_bar(self) -> bool:
        least = min(self.pictures.min(), self.texts.min())
        return bool(least >= LEAST_COSINE and self.overlap >= LEAST_OVERLAP)

    def __str__(self) -> str:
        def told(cosines: FloatMatrix) -> str:
            return f"least {cosines.min():.5f}, median {np.median(cosines):.5f}"

        return (
            f"{self.runtime}\n"
            f"  {len(self.pictures)} pictures: {told(self.pictures)} (bar {LEAST_COSINE})\n"
            f"  {len(self.texts)} captions: {told(self.texts)} (bar {LEAST_COSINE})\n"
            f"  overlap of the ten best: {self.overlap:.4f} (bar {LEAST_OVERLAP})"
        )


@contextmanager
def dev_pictures(count: int | None = None) -> Iterator[CaptionDataset]:
    """The 1,000 dev pictures of Flickr8k, or ``count`` that are spread evenly over them."""
    with open_source(flickr8k_path()) as source:
        data = CaptionDataset.from_records(source, split="validation")
        yield data.subset(range(0, len(data), len(data) // count)[:count]) if count else data


def truth(model: str | Path) -> Encoder:
    """The encoder that others are compared with."""
    return load_encoder(
        model, options=RuntimeOptions(library="torch", device="cpu", precision="float32")
    )


def fidelity(ours: Encoder, exact: Encoder, data: CaptionDataset) -> Fidelity:
    """Compare two encoders of one model on pictures and their first two captions."""
    pictures, exact_pictures = [], []
    for batch in data.batches(TOGETHER, side=exact.image_size, limits=ImageLimits()):
        pictures.append(ours.encode_images(batch))
        exact_pictures.append(exact.encode_images(batch))
    captions = [caption for image in data for caption in image.captions[:2]]
    texts, exact_texts = ours.encode_texts(captions), exact.encode_texts(captions)
    seen, exact_seen = np.concatenate(pictures), np.concatenate(exact_pictures)
    found, right = _best(texts, seen), _best(exact_texts, exact_seen)
    shared = [len(set(mine) & set(theirs)) for mine, theirs in zip(found, right, strict=True)]
    return Fidelity(
        runtime=ours.runtime,
        pictures=(seen * exact_seen).sum(axis=1),
        texts=(texts * exact_texts).sum(axis=1),
        overlap=float(np.mean(shared)) / BEST,
    )


def _best(queries: FloatMatrix, pictures: FloatMatrix) -> list[list[int]]:
    found: list[list[int]] = np.argsort(-queries @ pictures.T, axis=1)[:, :BEST].tolist()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.precision")
    parser.add_argument("--model", default="starter", help="a reference, or vit-b-32")
    parser.add_argument("--library", choices=("openvino", "torch"))
    parser.add_argument("--precision", choices=get_args(Precision), default="auto")
    parser.add_argument("--pictures", type=int, help="how many; all 1,000 by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, dev_pictures(options.pictures) as data:
        model = options.model
        if model == "vit-b-32":
            model = make_clip(
                Path(folder) / model, dim=512, text=TEXT, vision=VISION, spread=SPREAD
            )
        ours = load_encoder(
            model,
            options=RuntimeOptions(
                device="cpu", precision=options.precision, library=options.library
            ),
        )
        found = fidelity(ours, truth(model), data)
    sys.stdout.write(f"{options.model}: {found}\n")
    return 0 if found.reaches_the_bar else 1


if __name__ == "__main__":
    sys.exit(main())
