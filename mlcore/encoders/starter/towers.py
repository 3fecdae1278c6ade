"""The two pretrained towers, which pip packages carry."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.encoders.batches import pixels
from mlcore.encoders.checkpoints import verify_checkpoint
from mlcore.encoders.runtime import Runtime
from mlcore.encoders.starter.fingerprint import (
    IMAGE_SIZE,
    PIXEL_MEAN,
    PIXEL_STD,
    towers_fingerprint,
)
from mlcore.encoders.starter.image_tower import describe, load_image_tower, run_image_tower
from mlcore.encoders.starter.text_tower import load_text_tower, read_texts, tokenize_texts
from mlcore.encoders.tokens import unknown_share, unknown_token
from mlcore.imaging.decode import square

if TYPE_CHECKING:
    import torch
    from PIL import Image

HEADS = Path(__file__).parents[1] / "starter_heads"
"""The heads that are shipped."""
FORMER_HEADS = Path(__file__).parents[1] / "former_starter_heads"
"""Folders of those that the release before shipped, where these are others."""


class Towers:
    """The two frozen towers. Safe to call from threads.

    Args:
        runtime: where they run.
        class_texts: float (1000, TEXT_WIDTH): how the text tower reads the names of ImageNet's
            classes; where it is None, as shipped with the heads.
        text_changes: what training changed in the text tower, see :func:`change_text_tower`.
    """

    def __init__(
        self,
        runtime: Runtime,
        class_texts: torch.Tensor | None = None,
        text_changes: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self.runtime = runtime
        self.image_tower = load_image_tower(runtime)
        self.text_tower, self.tokenizer = load_text_tower(text_changes)
        self.is_text_tower_changed = bool(text_changes)
        self.text_tower.to(device=runtime.device, dtype=runtime.dtype)
        # The tokenizer keeps its settings in one object; two threads at once may not touch it.
        self._tokenizer_lock = threading.Lock()
        # In float32 like the features that it reads, which are means over the whole picture.
        self._classifier = self.image_tower._fc.float()
        if class_texts is None:
            class_texts = verify_checkpoint(HEADS).tensors()["class_texts"]
        self.class_texts = class_texts.to(runtime.device).float()

    @property
    def fingerprint(self) -> str:
        """sha256 of both towers' weights and of how pictures and texts are prepared.

        What training changed in the text tower is not in it.
        """
        return towers_fingerprint()

    def image_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Describe pictures by what the tower's layers saw, on average over the picture.

        Besides the last layer's mean, which knows what is in the picture, the mean and standard
        deviation of the stages before it are kept: colour and texture are gone from the last. At
        the end stands the guess in words: the tower's 1,000 classes, each as the text tower reads
        its name, weighted by their probabilities (ConSE, Norouzi et al. 2014, section 3). It knows
        things that no caption in training spoke of.

        Args:
            images: 1 to a few dozen, upright 8-bit RGB.

        Returns:
            float32 (n, IMAGE_WIDTH) on the runtime's device.
        """
        import torch

        squares = [square(image, IMAGE_SIZE) for image in images]
        exact = Runtime(self.runtime.device, "float32")
        with torch.inference_mode():
            grid = pixels(squares, PIXEL_MEAN, PIXEL_STD, exact)
            grids = run_image_tower(self.image_tower, grid)
            return describe(grids, self._classifier, self.class_texts)

    def tokenize(self, texts: Sequence[str], *, cut: bool = True) -> list[list[int]]:
        """Return the token ids of each text, cut to ``MAX_TOKENS`` unless told otherwise."""
        with self._tokenizer_lock:
            return tokenize_texts(self.tokenizer, texts, cut=cut)

    def unknown_share(self, text: str) -> float:
        """As :meth:`mlcore.encoders.base.Encoder.unknown_share`."""
        with self._tokenizer_lock:
            tokenizer = self.tokenizer.backend_tokenizer
            return unknown_share(tokenizer, unknown_token(tokenizer), text)

    def text_features(self, rows: Sequence[list[int]]) -> torch.Tensor:
        """Describe tokenized texts by the mean over their tokens.

        Returns:
            float32 (n, TEXT_WIDTH) on the runtime's device.
        """
        import torch

        with torch.inference_mode():
            return read_texts(self.text_tower, rows)
