"""The one colour that a picture is remembered by, out of a dozen that people have words for."""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ColourName: TypeAlias = Literal[
    "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown",
    "white", "grey", "black",
]  # fmt: skip

COLOUR_NAMES: tuple[ColourName, ...] = get_args(ColourName)

_SIDE = 32
"""Pixels a side that are looked at; finer ones change the answer for hardly any picture."""
_QUIET: dict[ColourName, float] = {"white": 0.45, "grey": 0.45, "black": 0.45, "brown": 0.7}
"""What a pixel of such a colour counts: shadows, walls, ground and skin fill most photographs."""

# Ottosson 2020, "A perceptual color space for image processing": linear sRGB to cone responses, and
# their cube roots to OKLab.
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)

# Where one hue ends and the next begins, in degrees of OKLCh.
_HUES: tuple[tuple[float, ColourName], ...] = (
    (8.0, "pink"),
    (42.0, "red"),
    (78.0, "orange"),
    (112.0, "yellow"),
    (162.0, "green"),
    (218.0, "teal"),
    (282.0, "blue"),
    (335.0, "purple"),
    (360.0, "pink"),
)


def dominant_colour(image: Image.Image) -> ColourName:
    """Name the colour that stands out of a picture.

    Every pixel votes for the name of its colour in OKLCh; quiet colours count less, as they do to
    the eye.

    Args:
        image: 8-bit RGB, of any size.
    """
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    names = _names(np.asarray(small, dtype=np.float64).reshape(-1, 3) / 255)
    votes = np.bincount(names, minlength=len(COLOUR_NAMES)).astype(np.float64)
    for name, weight in _QUIET.items():
        votes[COLOUR_NAMES.index(name)] *= weight
    return COLOUR_NAMES[int(votes.argmax())]


def _names(rgb: NDArray[np.float64]) -> NDArray[np.int64]:
    """Name each colour: (n, 3) of sRGB from 0 to 1 to (n,) places in ``COLOUR_NAMES``."""
    lightness, chroma, hue = _oklch(rgb)
    ends = [end for end, _ in _HUES]
    by_hue = np.array([COLOUR_NAMES.index(name) for _, name in _HUES], dtype=np.int64)
    names: NDArray[np.int64] = by_hue[
        np.searchsorted(ends, hue, side="right").clip(max=len(_HUES) - 1)
    ]
    name = COLOUR_NAMES.index
    warm = (hue >= 20) & (hue < 112)
    # Dark orange and dull yellow have a name of their own; pale red has one too.
    names[warm & (hue >= 42) & (hue < 100) & (lightness < 0.62) & (chroma < 0.15)] = name("brown")
    names[warm & (hue < 42) & (lightness < 0.5) & (chroma < 0.11)] = name("brown")
    names[warm & (chroma < 0.085) & (lightness >= 0.5) & (lightness < 0.8)] = name("brown")
    names[(hue < 42) & (lightness > 0.72) & (chroma < 0.17)] = name("pink")
    # The eye sees less colour in what is very dark or very light.
    pale = chroma < 0.035 + 0.05 * np.abs(lightness - 0.6) ** 2
    pale |= warm & (chroma < 0.06) & (lightness >= 0.8)
    names[pale] = name("grey")
    names[pale & (lightness > 0.83)] = name("white")
    names[(pale & (lightness < 0.33)) | (lightness < 0.22)] = name("black")
    return names


def _oklch(
    rgb: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lightness from 0 to 1, chroma from 0 to about 0.3, hue in degrees from 0 to 360."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lightness, a, b = (np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T).T
    return lightness, np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
