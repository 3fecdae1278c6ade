"""Vectors of a dataset's pictures and captions, with progress and a way to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlcore.config import FloatMatrix, ImageLimits
from mlcore.errors import ContextVisionError
from mlcore.i18n import Message
from mlcore.progress import Progress

if TYPE_CHECKING:
    from PIL import Image

    from mlcore.datasets import CaptionDataset
    from mlcore.encoders import Encoder

_IMAGE_BATCH = 32
_TEXT_BATCH = 256
_PICTURES = Message.of("stage.encoding_pictures")
_CAPTIONS = Message.of("stage.encoding_captions")


class EvaluationStoppedError(ContextVisionError):
    """The evaluation was asked to stop, and did; nothing was measured."""


def encode_pictures(
    encoder: Encoder,
    data: CaptionDataset,
    limits: ImageLimits,
    progress: Progress,
    *changes: Callable[[Image.Image], Image.Image],
) -> list[FloatMatrix]:
    """Return the pictures' vectors, (n, dim), and those of each changed copy.

    Each file is read once, whatever the number of changes.

    Raises:
        EvaluationStoppedError: it was asked to stop.
        ImageRejectedError: a picture that cannot be read.
    """
    matrices = [np.empty((len(data), encoder.dim), np.float32) for _ in range(1 + len(changes))]
    done = 0
    progress.report(0, len(data), _PICTURES)
    for batch in data.batches(_IMAGE_BATCH, side=encoder.image_size, limits=limits):
        _stop_if_asked(progress)
        rows = slice(done, done + len(batch))
        matrices[0][rows] = encoder.encode_images(batch)
        for matrix, change in zip(matrices[1:], changes, strict=True):
            matrix[rows] = encoder.encode_images([change(image) for image in batch])
        done += len(batch)
        progress.report(done, len(data), _PICTURES)
    return matrices


def encode_captions(encoder: Encoder, texts: Sequence[str], progress: Progress) -> FloatMatrix:
    """Return the captions' vectors, (n, dim).

    Raises:
        EvaluationStoppedError: it was asked to stop.
    """
    matrix = np.empty((len(texts), encoder.dim), dtype=np.float32)
    progress.report(0, len(texts), _CAPTIONS)
    for start in range(0, len(texts), _TEXT_BATCH):
        _stop_if_asked(progress)
        part = texts[start : start + _TEXT_BATCH]
        matrix[start : start + len(part)] = encoder.encode_texts(part)
        progress.report(start + len(part), len(texts), _CAPTIONS)
    return matrix


def mirrored_and_cropped(image: Image.Image) -> Image.Image:
    """Return the middle four fifths of a picture, seen in a mirror."""
    from PIL import ImageOps

    width, height = image.size
    across, down = width // 10, height // 10
    return ImageOps.mirror(image.crop((across, down, width - across, height - down)))


def _stop_if_asked(progress: Progress) -> None:
    if progress.should_stop():
        raise EvaluationStoppedError("evaluation.stopped")
