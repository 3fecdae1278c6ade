"""Tells whether two pictures are one: resized, compressed, mirrored or cropped to a half or more.

One of the two is laid over the other, in all sizes and places that leave at least ``LEAST_SHARE``
of it covered, and the normalised cross-correlation of their pixels (Lewis 1995, "Fast Normalized
Cross-Correlation", by FFT) says where it fits best. That is done with some hundred pictures at
once, at the sixteen pixels of their placeholders (:func:`place`). Of the few that fit, the detail
is compared at ``DETAIL_SIDE`` pixels (:func:`shared_detail`): what stays when everything coarse is
taken away is the same in copies of one photograph, and in no two photographs, not even of one
scene. Figures: docs/evaluation.md.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels: TypeAlias = NDArray[np.float32]
"""(channels, height, width)"""

LEAST_SHARE = 0.22
"""Of the larger picture that the smaller must cover: a little less than half of each side."""
DETAIL_SIDE = 96
"""Pixels on the long side of the larger picture, at which detail is compared."""
SAME = 0.7
"""Correlation of detail from which two pictures are one."""

_STEP = 1.1
"""Between the sizes that are tried at the size of placeholders."""
_FINE_STEP, _FINE_STEPS = 1.015, 6
"""Likewise where detail is compared, and how many of them to each side."""
_NOISE = 4.0
"""Variance, in squared steps of 0 to 255, that says nothing: of a plain area, all is noise."""
_SPARE = 4
"""How many times the size of placeholders an example keeps, from which it is shrunken further."""
_BY_FFT = 2
"""Templates up to which an FFT is quicker than to multiply the pixels themselves."""
_COARSE = 4
"""Pixels around each whose mean is taken away to leave the detail."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How a picture fits an example best."""

    score: float
    """Correlation of their pixels, -1 to 1."""
    is_within: bool
    """Whether the example lies within the picture; else the picture within the example."""
    is_mirrored: bool
    width: float
    """Of the smaller one, as a share of the larger one's width."""


class _Best(NamedTuple):
    score: NDArray[np.float64]
    """(pictures, templates), over all places."""
    y: NDArray[np.int64]
    x: NDArray[np.int64]


def place(
    example: Image.Image, pictures: Sequence[Image.Image], least_share: float = LEAST_SHARE
) -> list[Placement]:
    """Find how each of many small pictures fits an example best, upright or mirrored.

    Args:
        example: 8-bit RGB, of any size.
        pictures: likewise, at most some dozens of pixels wide and high.
        least_share: of the larger one that the smaller one must cover, 0 to 1.
    """
    side = max((max(picture.size) for picture in pictures), default=1)
    example = _fitted(example, _SPARE * side)
    found = [Placement(-1.0, True, False, 1.0)] * len(pictures)
    for size, rows in _by_size(pictures).items():
        scene = _Scene(np.stack([_pixels(pictures[row]) for row in rows]))
        for width, height in _sizes(example.size, size, least_share):
            template = _pixels(_resized(example, width, height))
            best = scene.correlate(np.stack([template, template[..., ::-1]]))
            for row, scores in zip(rows, best.score.tolist(), strict=True):
                _keep(found, row, scores, True, width / size[0])
    small = _fitted(example, side)
    scene = _Scene(_pixels(small)[None])
    for size, rows in _by_size(pictures).items():
        whole = np.stack([_pixels(pictures[row]) for row in rows])
        for width, height in _sizes(size, small.size, least_share):
            # As Pillow resizes, but all at once.
            inner = _resampling(size[1], height).T @ whole @ _resampling(size[0], width)
            best = scene.correlate(np.concatenate([inner, inner[..., ::-1]]))
            pairs = best.score[0].reshape(2, -1).T.tolist()
            for row, scores in zip(rows, pairs, strict=True):
                _keep(found, row, scores, False, width / small.size[0])
    return found


def shared_detail(example: Image.Image, picture: Image.Image, placement: Placement) -> float:
    """Return the correlation, -1 to 1, of the detail of a picture and an example.

    Args:
        example: 8-bit RGB.
        picture: likewise; both are best at least ``DETAIL_SIDE`` pixels on the long side.
        placement: what :func:`place` found for them.
    """
    outer, inner = (picture, example) if placement.is_within else (example, picture)
    if placement.is_mirrored:
        inner = inner.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    outer, inner = _fitted(outer.convert("L"), DETAIL_SIDE), inner.convert("L")
    pixels = _pixels(outer)
    scene = _Scene(pixels[None])
    score, detail = -1.0, 0.0
    for width, height in _finer_sizes(inner.size, outer.size, placement.width):
        template = _pixels(_resized(inner, width, height))
        best = scene.correlate(template[None])
        if best.score[0, 0] > score:
            score = float(best.score[0, 0])
            y, x = int(best.y[0, 0]), int(best.x[0, 0])
            detail = _correlation(
                _detail(pixels[:, y : y + height, x : x + width]), _detail(template)
            )
    return detail


class _Scene:
    """Pictures of one size in which templates are looked for."""

    def __init__(self, pictures: NDArray[np.float32]) -> None:
        """Take pictures, (n, channels, height, width)."""
        self._pictures = pictures
        self._shape = pictures.shape[2:]
        self._spectrum = np.fft.rfft2(pictures)
        self._sums = _integral(pictures)
        self._squares = _integral((pictures**2).sum(1))

    def correlate(self, templates: NDArray[np.float32]) -> _Best:
        """Correlate every picture with every template, (t, channels, height, width)."""
        _, channels, height, width = templates.shape
        noise = _NOISE * height * width * channels
        centred = templates - templates.mean((2, 3), keepdims=True)
        norms = np.sqrt((centred**2).sum((1, 2, 3)) + noise)
        products = self._products(centred)
        sums = _windows(self._sums, height, width)
        variance = _windows(self._squares, height, width)
        variance = variance - (sums**2).sum(1) / (height * width)
        spread = np.sqrt(np.maximum(variance, 0) + noise)
        scores = products / (spread[:, None] * norms[None, :, None, None])
        flat = scores.reshape(*scores.shape[:2], -1)
        y, x = np.divmod(flat.argmax(2), scores.shape[3])
        return _Best(flat.max(2), y, x)

    def _products(self, templates: NDArray[np.float32]) -> NDArray[np.floating]:
        """Multiply each template with each part of each picture that it covers, (n, t, y, x)."""
        height, width = templates.shape[2:]
        products: NDArray[np.floating]
        if len(templates) > _BY_FFT:
            parts = np.lib.stride_tricks.sliding_window_view(
                self._pictures, (height, width), axis=(2, 3)
            )
            products = np.tensordot(parts, templates, ((1, 4, 5), (1, 2, 3)))
            return products.transpose(0, 3, 1, 2)
        spectrum = np.fft.rfft2(templates, s=self._shape).conj()
        across = np.einsum("ncyx,tcyx->ntyx", self._spectrum, spectrum)
        # Only where the template lies within the picture, so nothing wraps around.
        products = np.fft.irfft2(across, s=self._shape)
        return products[..., : self._shape[0] - height + 1, : self._shape[1] - width + 1]


def _keep(
    found: list[Placement], row: int, scores: Sequence[float], is_within: bool, width: float
) -> None:
    score = max(scores)
    if score > found[row].score:
        found[row] = Placement(score, is_within, scores[1] > scores[0], width)


def _by_size(pictures: Sequence[Image.Image]) -> dict[tuple[int, int], list[int]]:
    rows = defaultdict(list)
    for row, picture in enumerate(pictures):
        rows[picture.size].append(row)
    return rows


def _sizes(
    inner: tuple[int, int], outer: tuple[int, int], least_share: float
) -> Iterator[tuple[int, int]]:
    """Yield the sizes at which one picture may lie within another, the largest first."""
    scale = min(outer[0] / inner[0], outer[1] / inner[1])
    least = math.sqrt(least_share * outer[0] * outer[1] / (inner[0] * inner[1]))
    last = None
    while scale >= least:
        size = _whole(inner, outer, scale)
        if size != last:
            yield size
        last = size
        scale /= _STEP


def _finer_sizes(
    inner: tuple[int, int], outer: tuple[int, int], share: float
) -> Iterator[tuple[int, int]]:
    most = min(outer[0] / inner[0], outer[1] / inner[1]) * _FINE_STEP
    middle = share * outer[0] / inner[0]
    scales = (middle * _FINE_STEP**step for step in range(-_FINE_STEPS, _FINE_STEPS + 1))
    yield from dict.fromkeys(_whole(inner, outer, scale) for scale in scales if scale <= most)


def _whole(inner: tuple[int, int], outer: tuple[int, int], scale: float) -> tuple[int, int]:
    width, height = (
        max(2, min(most, round(edge * scale))) for edge, most in zip(inner, outer, strict=True)
    )
    return width, height


@lru_cache(maxsize=256)
def _resampling(before: int, after: int) -> NDArray[np.float32]:
    """Return what one row of pixels is multiplied with to be resized, (before, after)."""
    unit = Image.fromarray(np.eye(before, dtype=np.float32))
    return np.asarray(unit.resize((after, before), Image.Resampling.BICUBIC))


def _fitted(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    width, height = (max(2, round(edge * scale)) for edge in image.size)
    return _resized(image, width, height)


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _pixels(image: Image.Image) -> Pixels:
    pixels = np.asarray(image, dtype=np.float32) - 128
    return pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]


def _integral(pictures: NDArray[np.floating]) -> NDArray[np.float64]:
    sums = np.zeros((*pictures.shape[:-2], pictures.shape[-2] + 1, pictures.shape[-1] + 1))
    sums[..., 1:, 1:] = pictures.cumsum(-1, dtype=np.float64).cumsum(-2)
    return sums


def _windows(sums: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Return the sum over every window of this size."""
    rows = sums[..., height:, :] - sums[..., :-height, :]
    windows: NDArray[np.float64] = rows[..., width:] - rows[..., :-width]
    return windows


def _detail(pixels: Pixels) -> Pixels:
    """Take the mean of what is around from each pixel."""
    size = 2 * _COARSE + 1
    edges = np.pad(pixels, ((0, 0), (_COARSE, _COARSE), (_COARSE, _COARSE)), mode="edge")
    means = _windows(_integral(edges), size, size) / size**2
    detail: Pixels = pixels - means.astype(np.float32)
    return detail


def _correlation(one: Pixels, other: Pixels) -> float:
    one, other = one - one.mean(), other - other.mean()
    noise = _NOISE * one.size
    spread = math.sqrt((float((one**2).sum()) + noise) * (float((other**2).sum()) + noise))
    return float((one * other).sum()) / spread
