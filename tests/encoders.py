"""A model that knows colours and nothing else, for tests in which the model is not what is tested.

It is a true :class:`~mlcore.encoders.Encoder`: what it finds follows from the pixels and
the words, so a search for "red" that returns a red picture has gone through the whole product.
"""

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL.Image import Image

from mlcore.config import FloatMatrix, RuntimeOptions

IN_TORCH = RuntimeOptions(library="torch")
"""Compiling each of the many tiny models of the tests would take longer than running them."""

EXACT = RuntimeOptions(device="cpu", library="torch", precision="float32")

COLOURS = {
    "red": (220, 30, 30),
    "orange": (240, 140, 20),
    "yellow": (240, 230, 40),
    "green": (40, 180, 60),
    "cyan": (40, 200, 210),
    "blue": (40, 80, 220),
    "purple": (140, 50, 200),
    "pink": (240, 90, 180),
}
_DIM = 16


class ColourEncoder:
    name = "colours"
    dim = _DIM
    image_size = 32
    languages: Sequence[str] = ("en",)
    runtime = "numpy"

    def __init__(self, fingerprint: str = "c0" * 32) -> None:
        self.fingerprint = fingerprint
        self.image_fingerprint = fingerprint

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        rows = [self._text(text) for text in texts]
        return np.stack(rows) if rows else np.empty((0, self.dim), dtype=np.float32)

    def encode_images(self, images: Sequence[Image]) -> FloatMatrix:
        rows = [self._colour(image.resize((1, 1)).getpixel((0, 0))) for image in images]
        return np.stack(rows) if rows else np.empty((0, self.dim), dtype=np.float32)

    def is_truncated(self, text: str) -> bool:
        return len(text.split()) > 12

    def unknown_share(self, text: str) -> float:
        return 0.0

    def _text(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        named = [COLOURS[word] for word in text.lower().split() if word in COLOURS]
        rows = [self._colour(colour) for colour in named] or [self._colour((128, 128, 128))]
        return _unit(np.mean(rows, axis=0))

    def _colour(self, pixel: object) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """Place a colour on a circle of hues; grey lies apart from all of them."""
        assert isinstance(pixel, tuple)
        hue, saturation, _ = colorsys.rgb_to_hsv(*(channel / 255 for channel in pixel))
        centres = np.arange(self.dim - 1) / (self.dim - 1)
        distance = np.abs((centres - hue + 0.5) % 1 - 0.5)
        row = np.append(np.exp(-((distance / 0.08) ** 2)) * saturation, 1.2 - saturation)
        return _unit(row)


class NamedEncoder(ColourEncoder):
    """The same colours under another name, so that it counts as another model."""

    def __init__(self, name: str, *, images: str = "") -> None:
        super().__init__(fingerprint=name.encode().hex().ljust(64, "0"))
        self.name = name
        self.image_fingerprint = (images or name).encode().hex().ljust(64, "0")


def _unit(
    row: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.asarray(row / np.linalg.norm(row), dtype=np.float32)
