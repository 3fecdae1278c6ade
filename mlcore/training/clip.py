"""Any CLIP checkpoint (Radford et al. 2021) as something that is trained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.encoders import FoundModel
from mlcore.encoders.batches import pixels
from mlcore.encoders.checkpoints import (
    CONFIG,
    MANIFEST,
    WEIGHTS,
    read_json,
    save_tensors,
    tensors_sha256,
)
from mlcore.encoders.clip import load_clip
from mlcore.encoders.preprocessing import clip_preprocessing
from mlcore.encoders.runtime import Runtime
from mlcore.i18n import Message
from mlcore.training.cache import content_key, kept_tensor, key_of, texts_key
from mlcore.training.config import Augment, TrainConfig
from mlcore.training.guards import stop_if_asked
from mlcore.training.lora import add_factors, merged_state
from mlcore.training.pairs import Pairs
from mlcore.training.pictures import FeatureSource, PixelSource
from mlcore.training.trainable import (
    Inputs,
    PrepareContext,
    TextInputs,
    by_length,
    pixel_source,
    views_of_pictures,
)

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from mlcore.training.processes import Processes

_IMAGE_BATCH = 32
_TEXT_BATCH = 64

_LORA_TARGETS = r".*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"
_PROJECTIONS = re.compile(r"(visual_projection|text_projection)\.")
_LAST_NORMS = re.compile(r"(vision_model\.post_layernorm|text_model\.final_layer_norm)\.")
_BLOCK = re.compile(r"(vision|text)_model\.encoder\.layers\.(\d+)\.")
_TEXT_SIDE = re.compile(r"(text_model|text_projection)\.")


class ClipTrainable:
    """Implements :class:`mlcore.training.trainable.Trainable`."""

    members = 1

    def __init__(self, found: FoundModel, config: TrainConfig, processes: Processes) -> None:
        self._directory = found.directory
        self._tune = config.tune
        self._processes = processes
        self._runtime = Runtime(processes.device, "float32")
        self._model, self._tokenizer = load_clip(found.directory, found.name, self._runtime)
        self.side: int = self._model.config.vision_config.image_size
        preprocessing = clip_preprocessing(found.directory, self.side, name=found.name)
        self._preprocessing = preprocessing
        self._mean, self._std = preprocessing.byte_mean, preprocessing.byte_std
        self.frozen_images = config.tune in ("heads", "text")
        self.frozen_texts = config.tune == "heads"
        if config.gradient_checkpointing:
            self._model.activation_checkpointing_enable()
        if config.tune == "lora":
            add_factors(
                self._model,
                _LORA_TARGETS,
                rank=config.lora_rank,
                alpha=config.lora_alpha,
                seed=config.seed,
            )
        blocks = {
            "text": self._model.config.text_config.num_hidden_layers,
            "vision": self._model.config.vision_config.num_hidden_layers,
        }
        self.parameters: dict[str, torch.nn.Parameter] = {}
        for name, value in self._model.named_parameters():
            value.requires_grad_(is_trained(name, config, blocks))
            if value.requires_grad:
                self.parameters[name] = value
        self.heads = frozenset(
            name for name in self.parameters if _PROJECTIONS.match(name) or name == "logit_scale"
        )
        self.log_scale: torch.nn.Parameter = self._model.logit_scale

    def prepare(self, pairs: Pairs, augment: Augment, context: PrepareContext) -> Inputs:
        images: PixelSource | FeatureSource
        if self.frozen_images:
            images = FeatureSource(self._views(pairs, augment, context), augment)
        else:
            images = pixel_source(pairs, self.side, augment, context)
        rows: list[list[int]] = self._tokenizer(
            pairs.texts,
            truncation=True,
            max_length=self._model.config.text_config.max_position_embeddings,
            verbose=False,
        )["input_ids"]
        if not self.frozen_texts:
            return Inputs(pairs, images, rows)
        return Inputs(pairs, images, self._described(pairs, rows, context))

    def begin(self, inputs: Inputs, seed: int) -> None:
        return None

    def image_features(self, inputs: torch.Tensor) -> torch.Tensor:
        pooled = inputs.to(self._runtime.device)
        if not self.frozen_images:
            pooled = self._pooled_images(pooled)
        features: torch.Tensor = self._model.visual_projection(pooled)
        return features

    def text_features(self, inputs: TextInputs) -> torch.Tensor:
        import torch

        if isinstance(inputs, torch.Tensor):
            pooled = inputs.to(self._runtime.device)
        else:
            pooled = self._pooled_texts(inputs)
        features: torch.Tensor = self._model.text_projection(pooled)
        return features

    def train(self, on: bool) -> None:
        self._model.train(on)

    def checkpoint(self, folder: Path) -> None:
        model = self._model
        state = merged_state(model) if self._tune == "lora" else model.state_dict()
        save_tensors(state, folder / WEIGHTS)
        # The tokenizer and preprocessor stay the base's, byte for byte.
        for path in sorted(self._directory.iterdir()):
            kept = path.suffix in {".json", ".txt"} and not path.name.endswith(".index.json")
            if kept and path.name not in {MANIFEST, CONFIG, "training.json"}:
                (folder / path.name).write_bytes(path.read_bytes())
        config = read_json(self._directory / CONFIG)
        config.pop("torch_dtype", None)
        config["dtype"] = "float32"
        (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), "utf-8")

    def _pooled_images(self, squares: torch.Tensor) -> torch.Tensor:
        """Normalise uint8 (n, side, side, 3) and let the vision tower look at them."""
        import torch

        device = self._runtime.device
        mean, std = (torch.tensor(values, device=device) for values in (self._mean, self._std))
        grid = ((squares.float() - mean) / std).permute(0, 3, 1, 2)
        pooled: torch.Tensor = self._model.vision_model(pixel_values=grid).pooler_output
        return pooled

    def _pooled_texts(self, rows: list[list[int]]) -> torch.Tensor:
        import torch

        # Attention is causal and the text is read at its first end token: padding to the longest
        # of the batch is as good as to the model's whole length.
        longest = max(len(row) for row in rows)
        padding = self._tokenizer.pad_token_id
        ids = torch.tensor([row + [padding] * (longest - len(row)) for row in rows])
        pooled: torch.Tensor = self._model.text_model(
            input_ids=ids.to(self._runtime.device)
        ).pooler_output
        return pooled

    def _views(self, pairs: Pairs, augment: Augment, context: PrepareContext) -> torch.Tensor:
        import torch

        def describe(squares: list[Image.Image]) -> torch.Tensor:
            with torch.no_grad(), self._processes.autocast():
                grid = pixels(squares, self._mean, self._std, self._runtime)
                pooled: torch.Tensor = self._model.vision_model(pixel_values=grid).pooler_output
            return pooled

        def make() -> torch.Tensor:
            return views_of_pictures(pairs, self.side, augment, _IMAGE_BATCH, context, describe)

        about = [self._preprocessing.about(), *_deciding(self._model.config.vision_config)]
        tower = tensors_sha256(self._weights("vision_model."), about)
        precision = self._processes.runtime.precision
        key = key_of("clip", tower, content_key(pairs.data), augment, precision)
        path = context.cache_dir / f"pictures-{key}.safetensors"
        return kept_tensor(path, make, self._processes)

    def _described(
        self, pairs: Pairs, rows: list[list[int]], context: PrepareContext
    ) -> torch.Tensor:
        import torch

        def make() -> torch.Tensor:
            described = torch.empty(len(rows), self._model.config.text_config.hidden_size)
            done = 0
            for numbers in by_length(rows, _TEXT_BATCH):
                stop_if_asked(context.progress)
                with torch.no_grad(), self._processes.autocast():
                    pooled = self._pooled_texts([rows[number] for number in numbers])
                described[numbers] = pooled.float().cpu()
                done += len(numbers)
                context.progress.report(done, len(rows), Message("stage.encoding_captions"))
            return described

        about = _deciding(self._model.config.text_config)
        tower = tensors_sha256(self._weights("text_model."), about)
        precision = self._processes.runtime.precision
        tokens = key_of(*rows)
        key = key_of("clip", tower, texts_key(pairs.texts), tokens, precision)
        path = context.cache_dir / f"texts-{key}.safetensors"
        return kept_tensor(path, make, self._processes)

    def _weights(self, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
        for name, value in sorted(self._model.state_dict().items()):
            if name.startswith(prefix):
                yield name, value


def _deciding(config: Any) -> list[Any]:
    """What decides a tower's vectors beside its weights."""
    return [config.num_attention_heads, config.hidden_act, config.layer_norm_eps]


def is_trained(name: str, config: TrainConfig, blocks: dict[str, int]) -> bool:
    """Tell whether a parameter of CLIP is trained.

    Args:
        name: as transformers names it.
        config: with the choice.
        blocks: how many each tower has, by ``text`` and ``vision``.
    """
    if name == "logit_scale" or config.tune == "all":
        return True
    if config.tune == "text":
        return bool(_TEXT_SIDE.match(name))
    if _PROJECTIONS.match(name):
        return True
    if config.tune == "lora":
        return ".lora_" in name
    if config.tune == "last":
        block = _BLOCK.match(name)
        in_last = block is not None and int(block[2]) >= blocks[block[1]] - config.last_blocks
        return in_last or bool(_LAST_NORMS.match(name))
    return False
