"""The starter: a small model that a fresh machine runs with no download beyond pip.

Two pretrained towers that pip packages carry stay as they are: EfficientNet-Lite2 looks at the
picture (Tan and Le 2019; trained on ImageNet) and MiniLM-L6 reads the sentence (Wang et al. 2020;
trained on sentence pairs). Two small heads, which this project trains with its contrastive loss,
bring their outputs into one space. Only the heads are shipped; see starter_heads/MODEL_CARD.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mlcore.config import FloatMatrix, Precision, RuntimeOptions
from mlcore.encoders.base import FoundModel, ModelFamily
from mlcore.encoders.batches import JointVectors, by_length, in_batches
from mlcore.encoders.checkpoints import tensors_sha256, verify_checkpoint
from mlcore.encoders.openvino.compiled import Traceable
from mlcore.encoders.openvino.encoder import IMAGE, IMAGE_HEAD, IMAGE_STEM, TEXT, About
from mlcore.encoders.openvino.packing import packed_reader
from mlcore.encoders.runtime import choose_runtime
from mlcore.encoders.starter.fingerprint import (
    IMAGE_SIZE,
    IMAGE_WIDTH,
    MAX_TOKENS,
    PIXEL_MEAN,
    PIXEL_STD,
    TEXT_TOWER_AS_SENTENCES,
    TEXT_WIDTH,
    TOWERS_ARE,
    starter_fingerprint,
)
from mlcore.encoders.starter.heads import apply_head
from mlcore.encoders.starter.image_tower import describe, later_stages, stem
from mlcore.encoders.starter.text_tower import TEXT_TOWER
from mlcore.encoders.starter.towers import FORMER_HEADS, HEADS, Towers
from mlcore.errors import ModelUnavailableError
from mlcore.i18n import gettext_noop as _

if TYPE_CHECKING:
    import torch
    from PIL import Image

STARTER = "starter"
"""The reference that names this model, and the kind of its checkpoints."""

ENGLISH = ("en",)
"""What MiniLM was taught to read."""

_IMAGE_BATCH = 16
"""Larger batches fall out of the processor's cache."""

_COMPILED_IMAGE_BATCH = 8
"""Pictures that OpenVINO encodes at once, once the first layers have seen each."""
_TEXT_BATCH = 64


class StarterEncoder:
    """The starter's towers with one pair of heads."""

    def __init__(
        self, *, name: str, towers: Towers, heads: Mapping[str, torch.Tensor], heads_sha256: str
    ) -> None:
        self.name = name
        self.image_size = IMAGE_SIZE
        self.languages = ENGLISH
        self.dim: int = heads["text.direct.bias"].shape[0]
        self.fingerprint = starter_fingerprint(heads_sha256)
        # A picture's vector goes through both heads: the guess in words is read by the text's.
        self.image_fingerprint = tensors_sha256(
            sorted([*heads.items(), ("class_texts", towers.class_texts)]),
            {key: value for key, value in TOWERS_ARE.items() if key != "text_tower"},
        )
        self.sentence_fingerprint = "" if towers.is_text_tower_changed else TEXT_TOWER_AS_SENTENCES
        self._towers = towers
        self._heads = {key: value.to(towers.runtime.device).float() for key, value in heads.items()}

    @classmethod
    def load(
        cls,
        directory: Path = HEADS,
        *,
        name: str = STARTER,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> Self:
        """Load the towers from their pip packages and the heads from a checkpoint folder.

        Raises:
            CheckpointError: the heads are missing or damaged.
            ModelUnavailableError: a tower's package is missing or of another version, the heads
                do not fit, or the device is not present.
        """
        checkpoint = verify_checkpoint(directory)
        if checkpoint.kind != STARTER:
            raise ModelUnavailableError(
                "starter.other_kind", path=str(directory), kind=checkpoint.kind
            )
        heads = checkpoint.tensors()
        wrong = {
            key: tuple(heads[key].shape) if key in heads else None
            for key, shape in (
                ("image.mean", (IMAGE_WIDTH,)),
                ("text.mean", (TEXT_WIDTH,)),
                ("class_texts", (1000, TEXT_WIDTH)),
            )
            if key not in heads or heads[key].shape != shape
        }
        if wrong:
            raise ModelUnavailableError("starter.other_towers", path=str(directory))
        class_texts = heads.pop("class_texts")
        changes = {
            key.removeprefix(TEXT_TOWER): heads.pop(key)
            for key in list(heads)
            if key.startswith(TEXT_TOWER)
        }
        towers = Towers(choose_runtime(device, precision), class_texts, changes)
        return cls(name=name, towers=towers, heads=heads, heads_sha256=checkpoint.weights_sha256)

    @property
    def runtime(self) -> str:
        return str(self._towers.runtime)

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        def encode(batch: Sequence[list[int]]) -> torch.Tensor:
            return apply_head(self._heads, "text", self._towers.text_features(batch))

        return by_length(self._towers.tokenize(texts), _TEXT_BATCH, self.dim, encode)

    def encode_jointly(self, texts: Sequence[str]) -> JointVectors:
        """As :class:`mlcore.encoders.base.SharedTextTower`."""
        import torch

        def encode(batch: Sequence[list[int]]) -> torch.Tensor:
            read = self._towers.text_features(batch)
            return torch.cat([apply_head(self._heads, "text", read), read], dim=1)

        rows = self._towers.tokenize(texts)
        both = by_length(rows, _TEXT_BATCH, self.dim + TEXT_WIDTH, encode)
        return JointVectors.of(both, self.dim)

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        return in_batches(
            images,
            _IMAGE_BATCH,
            self.dim,
            lambda batch: apply_head(self._heads, "image", self._towers.image_features(batch)),
        )

    def is_truncated(self, text: str) -> bool:
        return len(self._towers.tokenize([text], cut=False)[0]) > MAX_TOKENS

    def unknown_share(self, text: str) -> float:
        return self._towers.unknown_share(text)

    def about(self) -> About:
        """As :class:`mlcore.encoders.openvino.encoder.Original`."""
        return About(
            dim=self.dim,
            image_size=self.image_size,
            max_tokens=MAX_TOKENS,
            end=None,
            fingerprint=self.fingerprint,
            image_fingerprint=self.image_fingerprint,
            tokenizer=self._towers.tokenizer.backend_tokenizer.to_str(),
            image_batch=_COMPILED_IMAGE_BATCH,
            packed_texts=True,
            sentence_fingerprint=self.sentence_fingerprint,
            sentence_dim=TEXT_WIDTH,
        )

    def networks(self) -> dict[str, Traceable]:
        """As :class:`mlcore.encoders.openvino.encoder.Original`.

        What the layers saw is averaged and read in float32, as the first layers are: the small
        differences between pictures would be lost in the sums over the grids.
        """
        import torch
        from torch import nn

        towers, heads = self._towers, self._heads
        mean = torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1)
        std = torch.tensor(PIXEL_STD).view(1, 3, 1, 1)

        class Stem(nn.Module):
            def forward(self, squares: torch.Tensor) -> torch.Tensor:
                grid = squares.permute(0, 3, 1, 2).float()
                return stem(towers.image_tower, (grid - mean) / std)

        class ImageTower(nn.Module):
            def forward(self, stemmed: torch.Tensor) -> tuple[torch.Tensor, ...]:
                return tuple(later_stages(towers.image_tower, stemmed))

        class Head(nn.Module):
            def forward(self, *grids: torch.Tensor) -> torch.Tensor:
                described = describe(grids, towers.image_tower._fc, towers.class_texts)
                return apply_head(heads, "image", described)

        def text_tower(
            ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor
        ) -> torch.Tensor:
            states: torch.Tensor = towers.text_tower(
                ids, attention_mask=mask, position_ids=positions
            ).last_hidden_state
            return states

        def text_head(mean: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
            vector = apply_head(heads, "text", mean)
            return (vector, mean) if self.sentence_fingerprint else vector

        for parameter in (*towers.image_tower.parameters(), *towers.text_tower.parameters()):
            parameter.requires_grad_(False)
        squares = torch.zeros(2, IMAGE_SIZE, IMAGE_SIZE, 3, dtype=torch.uint8)
        with torch.inference_mode():
            stemmed = Stem()(squares)
            grids = ImageTower()(stemmed)
        return {
            IMAGE_STEM: Traceable(Stem(), {"squares": squares}, {"squares": (0,)}, exact=True),
            IMAGE: Traceable(
                ImageTower(), {"stemmed": stemmed.clone()}, {"stemmed": (0,)}, halved=False
            ),
            IMAGE_HEAD: Traceable(
                Head(),
                {f"grid{number}": grid.clone() for number, grid in enumerate(grids)},
                {f"grid{number}": (0,) for number in range(len(grids))},
                exact=True,
            ),
            TEXT: packed_reader(text_tower, text_head, causal=False),
        }


def _load(found: FoundModel, options: RuntimeOptions) -> StarterEncoder:
    return StarterEncoder.load(
        found.directory, name=found.name, device=options.device, precision=options.precision
    )


def _original(found: FoundModel) -> StarterEncoder:
    return StarterEncoder.load(found.directory, name=found.name, device="cpu", precision="float32")


def _fingerprint(found: FoundModel) -> str:
    checkpoint = found.checkpoint or verify_checkpoint(found.directory)
    return starter_fingerprint(checkpoint.weights_sha256)


STARTER_FAMILY = ModelFamily(
    name=STARTER,
    label=_("Starter"),
    load=_load,
    fingerprint=_fingerprint,
    languages=ENGLISH,
    shipped={STARTER: HEADS},
    former=sorted(FORMER_HEADS.glob("*")),
    original=_original,
    trainable="mlcore.training.starter:StarterTrainable",
    recipes={
        "text": {"learning_rate": 5e-5, "epochs": 10, "batch_size": 500},
        "last": {
            "learning_rate": 1e-4, "head_learning_rate": 1e-3, "epochs": 24, "batch_size": 500,
        },
        "lora": {
            "learning_rate": 5e-4, "head_learning_rate": 1e-3, "epochs": 24, "batch_size": 500,
        },
        "all": {
            "learning_rate": 1e-4, "head_learning_rate": 1e-3, "epochs": 24, "batch_size": 500,
        },
    },
)  # fmt: skip
