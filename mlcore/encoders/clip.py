"""Checkpoints of the CLIP architecture (Radford et al. 2021), through transformers."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlcore.config import FloatMatrix, Precision, RuntimeOptions
from mlcore.encoders.base import FoundModel, ModelFamily, by_model_type
from mlcore.encoders.batches import by_length, in_batches, pixels
from mlcore.encoders.checkpoints import CONFIG, file_sha256, read_json, tensors_sha256
from mlcore.encoders.openvino.compiled import Traceable
from mlcore.encoders.openvino.encoder import IMAGE, TEXT, About
from mlcore.encoders.openvino.packing import packed_reader
from mlcore.encoders.preprocessing import Preprocessing, clip_preprocessing
from mlcore.encoders.runtime import (
    Runtime,
    choose_runtime,
    first_line,
    load_pretrained,
    load_transformers,
)
from mlcore.encoders.tokens import unknown_share, unknown_token
from mlcore.errors import ModelUnavailableError
from mlcore.i18n import gettext_noop as _
from mlcore.imaging.decode import square

if TYPE_CHECKING:
    import torch
    from PIL import Image

IMAGE_BATCH = 32
"""Pictures encoded at once: larger batches are no faster on a CPU and take more memory."""

COMPILED_IMAGE_BATCH = 16
"""Pictures that OpenVINO encodes at once."""

TEXT_BATCH = 64
"""Texts encoded at once."""

# What decides a vector beside the weights, where it is not as in Radford et al. 2021.
_USUAL = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}

ENGLISH = ("en",)
"""What CLIP was trained on (Radford et al. 2021, section 2.2)."""

_MISNAMED_END = 2
"""The token that configurations of early checkpoints, as those of OpenAI, name by mistake."""


class ClipEncoder:
    """Any checkpoint of the CLIP architecture (Radford et al. 2021), through transformers."""

    def __init__(
        self,
        *,
        name: str,
        model: Any,
        tokenizer: Any,
        preprocessing: Preprocessing,
        fingerprint: str,
        runtime: Runtime,
        directory: Path,
    ) -> None:
        self.name = name
        self.dim: int = model.config.projection_dim
        self.image_size: int = model.config.vision_config.image_size
        self.fingerprint = fingerprint
        self.languages = ENGLISH
        self._model = model
        self._tokenizer = tokenizer
        # The tokenizer keeps its settings in one object; two threads at once may not touch it.
        self._tokenizer_lock = threading.Lock()
        self._max_tokens: int = model.config.text_config.max_position_embeddings
        self._preprocessing = preprocessing
        self._directory = directory
        self._mean, self._std = preprocessing.byte_mean, preprocessing.byte_std
        self._runtime = runtime

    @classmethod
    def load(
        cls, directory: Path, *, name: str, device: str = "auto", precision: Precision = "auto"
    ) -> Self:
        """Load a folder as transformers writes it.

        Raises:
            ModelUnavailableError: the folder does not hold a whole CLIP model in safetensors, or
            its pictures are prepared in a way that is not supported.
        """
        weights = _weight_files(directory, name)
        runtime = choose_runtime(device, precision)
        model, tokenizer = load_clip(directory, name, runtime)
        side = model.config.vision_config.image_size
        preprocessing = clip_preprocessing(directory, side, name=name)
        return cls(
            name=name,
            model=model,
            tokenizer=tokenizer,
            preprocessing=preprocessing,
            fingerprint=_clip_fingerprint(directory, weights, preprocessing),
            runtime=runtime,
            directory=directory,
        )

    @cached_property
    def image_fingerprint(self) -> str:
        # Read only when asked for: it costs a look at every vision weight.
        return _clip_image_fingerprint(self._directory, self._preprocessing)

    @property
    def runtime(self) -> str:
        return str(self._runtime)

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        return by_length(self._tokenize(texts), TEXT_BATCH, self.dim, self._text_features)

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        return in_batches(images, IMAGE_BATCH, self.dim, self._image_features)

    def is_truncated(self, text: str) -> bool:
        with self._tokenizer_lock:
            tokens = self._tokenizer([text], truncation=False, verbose=False)["input_ids"][0]
        return len(tokens) > self._max_tokens

    def unknown_share(self, text: str) -> float:
        tokenizer = self._tokenizer.backend_tokenizer
        with self._tokenizer_lock:
            return unknown_share(tokenizer, unknown_token(tokenizer), text)

    def about(self) -> About:
        """As :class:`mlcore.encoders.openvino.encoder.Original`."""
        return About(
            dim=self.dim,
            image_size=self.image_size,
            max_tokens=self._max_tokens,
            end=_end_token(self._model, self._tokenizer),
            fingerprint=self.fingerprint,
            image_fingerprint=self.image_fingerprint,
            tokenizer=self._tokenizer.backend_tokenizer.to_str(),
            image_batch=COMPILED_IMAGE_BATCH,
            packed_texts=True,
        )

    def networks(self) -> dict[str, Traceable]:
        """As :class:`mlcore.encoders.openvino.encoder.Original`."""
        import torch
        from torch import nn

        model = self._model
        mean = torch.tensor(self._mean).view(1, 3, 1, 1)
        std = torch.tensor(self._std).view(1, 3, 1, 1)

        class ImageTower(nn.Module):
            def forward(self, squares: torch.Tensor) -> torch.Tensor:
                grid = (squares.permute(0, 3, 1, 2).float() - mean) / std
                output = model.get_image_features(pixel_values=grid)
                features: torch.Tensor = output.pooler_output
                return features

        def text_tower(
            ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor
        ) -> torch.Tensor:
            states: torch.Tensor = model.text_model(ids, mask, positions).last_hidden_state
            return states

        for parameter in model.parameters():
            parameter.requires_grad_(False)
        squares = torch.zeros(2, self.image_size, self.image_size, 3, dtype=torch.uint8)
        return {
            IMAGE: Traceable(
                ImageTower(),
                {"squares": squares},
                {"squares": (0,)},
                probe=(_made_up_pictures(self.image_size),),
            ),
            TEXT: packed_reader(text_tower, model.text_projection, causal=True),
        }

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        with self._tokenizer_lock:
            rows: list[list[int]] = self._tokenizer(
                list(texts), truncation=True, max_length=self._max_tokens, verbose=False
            )["input_ids"]
        return rows

    def _text_features(self, rows: Sequence[list[int]]) -> torch.Tensor:
        import torch

        # Attention is causal and the text's vector is read at its first end token, so what
        # follows changes nothing: padding to the longest of the batch is as good as to 77.
        longest = max(len(row) for row in rows)
        padding = self._tokenizer.pad_token_id
        ids = torch.tensor([row + [padding] * (longest - len(row)) for row in rows])
        with torch.inference_mode():
            output = self._model.get_text_features(input_ids=ids.to(self._runtime.device))
        features: torch.Tensor = output.pooler_output
        return features

    def _image_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        import torch

        squares = [square(image, self.image_size) for image in images]
        with torch.inference_mode():
            output = self._model.get_image_features(
                pixel_values=pixels(squares, self._mean, self._std, self._runtime)
            )
        features: torch.Tensor = output.pooler_output
        return features


def _end_token(model: Any, tokenizer: Any) -> int:
    """The token at whose first place the model reads a sentence."""
    end: int = model.config.text_config.eos_token_id
    # For those, transformers takes the highest number of a row, which is CLIP's end token.
    return tokenizer.eos_token_id if end == _MISNAMED_END else end


def _made_up_pictures(side: int) -> torch.Tensor:
    """Pictures to try a network on: stains of several sizes, uint8 (n, side, side, 3)."""
    import torch

    generator = torch.Generator().manual_seed(0)
    grains = (torch.rand(8, 3, grain, grain, generator=generator) for grain in (3, 9, 27))
    stains = [
        torch.nn.functional.interpolate(grain, size=side, mode="bicubic").clamp(0, 1)
        for grain in grains
    ]
    return (255 * torch.cat(stains)).byte().permute(0, 2, 3, 1).contiguous()


def _weight_files(directory: Path, name: str) -> list[Path]:
    """Return the files with the weights.

    Raises:
        ModelUnavailableError: there are none in safetensors.
    """
    weights = sorted(directory.glob("*.safetensors"))
    if not weights:
        raise ModelUnavailableError("model.no_safetensors", name=name)
    return weights


def load_clip(directory: Path, name: str, runtime: Runtime) -> tuple[Any, Any]:
    """Load model and tokenizer of a folder as transformers writes it.

    Raises:
        ModelUnavailableError: the folder does not hold a whole CLIP model.
    """
    transformers = load_transformers()
    try:
        model, report = load_pretrained(
            "CLIPModel", directory, dtype=runtime.dtype, output_loading_info=True
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:
        # Broken folders make transformers raise nearly anything.
        raise ModelUnavailableError(
            "clip.incomplete", name=name, reason=first_line(error)
        ) from error
    if report["missing_keys"]:
        # transformers fills what is missing with random numbers and goes on.
        raise ModelUnavailableError(
            "clip.missing_weights",
            name=name,
            number=len(report["missing_keys"]),
            example=min(report["missing_keys"]),
        )
    end = model.config.text_config.eos_token_id
    # Checkpoints from before transformers 4.31 say 2 and are pooled at the highest token instead.
    if end != 2 and end not in tokenizer("a")["input_ids"]:
        raise ModelUnavailableError("clip.other_tokenizer", name=name, token=str(end))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.eval().to(runtime.device), tokenizer


def _clip_fingerprint(
    directory: Path,
    weights: Sequence[Path],
    preprocessing: Preprocessing,
    known: Mapping[str, str] | None = None,
) -> str:
    """``known`` are sums, by file name, that need not be worked out again."""
    sums = known or {}
    tokenizer = [
        path
        for name in ("tokenizer.json", "vocab.json", "merges.txt")
        if (path := directory / name).is_file()
    ]
    made_from = {
        "files": {
            path.name: sums.get(path.name) or file_sha256(path)
            for path in [*weights, directory / CONFIG, *tokenizer]
        },
        "preprocessing": preprocessing.about(),
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _clip_image_fingerprint(directory: Path, preprocessing: Preprocessing) -> str:
    from safetensors import safe_open

    # What a stored file says of these is a row of numbers; newer files leave it out.
    def decides(name: str) -> bool:
        of_vision = name.startswith(("vision_model.", "visual_projection."))
        return of_vision and not name.endswith("position_ids")

    places: dict[str, Path] = {}
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, framework="pt") as stored:
            places |= {name: path for name in stored.keys() if decides(name)}  # noqa: SIM118

    def vision_weights() -> Iterator[tuple[str, torch.Tensor]]:
        for name in sorted(places):
            with safe_open(places[name], framework="pt") as stored:
                yield name, stored.get_tensor(name)

    config = read_json(directory / CONFIG).get("vision_config", {})
    about = {"preprocessing": preprocessing.about(), "heads": config.get("num_attention_heads")}
    about |= {key: config[key] for key in _USUAL if config.get(key, _USUAL[key]) != _USUAL[key]}
    return tensors_sha256(vision_weights(), about)


def _load(found: FoundModel, options: RuntimeOptions) -> ClipEncoder:
    return ClipEncoder.load(
        found.directory, name=found.name, device=options.device, precision=options.precision
    )


def _original(found: FoundModel) -> ClipEncoder:
    return ClipEncoder.load(found.directory, name=found.name, device="cpu", precision="float32")


def _fingerprint(found: FoundModel) -> str:
    weights = _weight_files(found.directory, found.name)
    vision = read_json(found.directory / CONFIG).get("vision_config") or {}
    side = vision.get("image_size", 224)
    preprocessing = clip_preprocessing(found.directory, side, name=found.name)
    known = found.checkpoint.files if found.checkpoint else {}
    return _clip_fingerprint(found.directory, weights, preprocessing, known)


CLIP = ModelFamily(
    name="clip",
    label=_("CLIP"),
    load=_load,
    fingerprint=_fingerprint,
    languages=ENGLISH,
    recognises=by_model_type("clip"),
    original=_original,
    trainable="mlcore.training.clip:ClipTrainable",
    # These follow the papers (see docs/training.md); they were not measured here.
    recipes={
        "heads": {"learning_rate": 1e-4, "epochs": 20, "batch_size": 1024},
        "text": {"learning_rate": 1e-5, "epochs": 10, "batch_size": 256},
        "last": {
            "learning_rate": 1e-5, "head_learning_rate": 1e-4, "epochs": 10, "batch_size": 256,
        },
        "lora": {
            "learning_rate": 2e-4, "head_learning_rate": 1e-4, "epochs": 10, "batch_size": 256,
        },
        "all": {"learning_rate": 5e-6, "epochs": 10, "batch_size": 256},
    },
)  # fmt: skip
