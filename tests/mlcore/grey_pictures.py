"""Pictures of one grey level, and encoders whose every score can be worked out by hand."""

import math
from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
from PIL import Image

from mlcore.config import FloatMatrix
from mlcore.datasets import CaptionedImage


class OneHot:
    """Sees which of ``dim`` grey levels a picture has, and reads which a text names first."""

    name = "one-hot"
    fingerprint = "1" * 64
    image_fingerprint = "1" * 64
    image_size = 16
    languages: Sequence[str] = ()
    runtime = "numpy"

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        return np.stack([self._row(int(text.split()[0])) for text in texts])

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        levels = [image.getpixel((8, 8)) for image in images]
        return np.stack([self._row(level[0]) for level in levels if isinstance(level, tuple)])

    def is_truncated(self, text: str) -> bool:
        return False

    def unknown_share(self, text: str) -> float:
        return 0.0

    def _row(self, level: int) -> FloatMatrix:
        row = np.zeros(self.dim, dtype=np.float32)
        row[level] = 1
        return row


class Scoring(OneHot):
    """Gives each text its own cosine with all pictures alike."""

    name = "scoring"

    def __init__(self, score: Callable[[str], float]) -> None:
        super().__init__(dim=2)
        self._score = score

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        scores = [self._score(text) for text in texts]
        return np.array([[s, math.sqrt(1 - s * s)] for s in scores], dtype=np.float32)

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        return np.tile(np.array([[1, 0]], dtype=np.float32), (len(images), 1))


def grey(level: int, captions: Sequence[str]) -> CaptionedImage:
    def read() -> bytes:
        stream = BytesIO()
        Image.new("RGB", (16, 16), (level, level, level)).save(stream, "PNG")
        return stream.getvalue()

    return CaptionedImage(f"{level}.png", tuple(captions), read)
