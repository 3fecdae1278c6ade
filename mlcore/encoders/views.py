"""Looking at a picture more than once: an encoder whose vectors are the mean of several views."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlcore.config import ONE_VIEW, FloatMatrix, View, Views
from mlcore.encoders.base import Encoder, SharedTextTower
from mlcore.encoders.batches import JointVectors

if TYPE_CHECKING:
    from PIL import Image

MIDDLE = 0.8
"""Share of the square's side that the view of the middle keeps."""


def seen_in(encoder: Encoder, views: Views) -> Encoder:
    """Return an encoder that gives each picture the normalised mean of its vectors by these views.

    Texts are encoded as before. Vectors of other views are not to be compared as if they were the
    same, so the fingerprints tell the views too; the centre alone is the encoder itself.
    """
    return encoder if views == ONE_VIEW else _SeenInViews(encoder, views)


def views_of(encoder: Encoder) -> Views:
    """Return how an encoder looks at pictures."""
    return encoder.views if isinstance(encoder, _SeenInViews) else ONE_VIEW


class _SeenInViews:
    """Implements :class:`~mlcore.encoders.base.Encoder` over another one."""

    def __init__(self, encoder: Encoder, views: Views) -> None:
        self._encoder = encoder
        self.views = views
        self.name = encoder.name
        self.dim = encoder.dim
        self.image_size = encoder.image_size
        self.languages = encoder.languages
        self.runtime = encoder.runtime
        self.fingerprint = with_views(encoder.fingerprint, views)
        self.image_fingerprint = with_views(encoder.image_fingerprint, views)

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        return self._encoder.encode_texts(texts)

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        each = [_view(image, view) for image in images for view in self.views]
        vectors = self._encoder.encode_images(each).reshape(len(images), len(self.views), self.dim)
        mean = vectors.mean(axis=1)
        seen: FloatMatrix = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return seen

    @property
    def sentence_fingerprint(self) -> str:
        """As :class:`~mlcore.encoders.base.SharedTextTower`: views change nothing of words."""
        encoder = self._encoder
        return encoder.sentence_fingerprint if isinstance(encoder, SharedTextTower) else ""

    def encode_jointly(self, texts: Sequence[str]) -> JointVectors:
        assert isinstance(self._encoder, SharedTextTower)  # noqa: S101 - or there is no fingerprint
        return self._encoder.encode_jointly(texts)

    def is_truncated(self, text: str) -> bool:
        return self._encoder.is_truncated(text)

    def unknown_share(self, text: str) -> float:
        return self._encoder.unknown_share(text)


def with_views(fingerprint: str, views: Views) -> str:
    """Return what an encoder's fingerprint becomes when it looks at pictures by these views."""
    if views == ONE_VIEW:
        return fingerprint
    return hashlib.sha256(f"{fingerprint} seen in {','.join(views)}".encode()).hexdigest()


def _view(image: Image.Image, view: View) -> Image.Image:
    from PIL import ImageOps

    if view == "mirror":
        return ImageOps.mirror(image)
    if view == "middle":
        width, height = image.size
        kept = round(MIDDLE * min(width, height))
        left, top = (width - kept) // 2, (height - kept) // 2
        return image.crop((left, top, left + kept, top + kept))
    return image
