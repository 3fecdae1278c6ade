"""The starter as something that is trained: its heads, and its text tower if that is chosen.

Its image tower stays as it is, so every picture is looked at once, whatever is trained.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mlcore.encoders import STARTER, FoundModel
from mlcore.encoders.checkpoints import (
    CONFIG,
    WEIGHTS,
    save_tensors,
    tensors_sha256,
    verify_checkpoint,
)
from mlcore.encoders.runtime import Runtime
from mlcore.encoders.starter.fingerprint import (
    IMAGE_SIZE,
    IMAGE_WIDTH,
    TEXT_WIDTH,
    towers_fingerprint,
)
from mlcore.encoders.starter.heads import apply_head, head_members, new_heads
from mlcore.encoders.starter.text_tower import (
    TEXT_TOWER,
    load_text_tower,
    read_texts,
    tokenize_texts,
)
from mlcore.encoders.starter.towers import Towers
from mlcore.i18n import Message
from mlcore.training.cache import content_key, kept_tensor, key_of, texts_key
from mlcore.training.config import Augment, TrainConfig
from mlcore.training.guards import stop_if_asked
from mlcore.training.lora import add_factors, factors
from mlcore.training.pairs import Pairs
from mlcore.training.pictures import FeatureSource
from mlcore.training.trainable import (
    Inputs,
    PrepareContext,
    TextInputs,
    by_length,
    views_of_pictures,
)

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from mlcore.training.processes import Processes

_IMAGE_BATCH = 16
_TEXT_BATCH = 64
_TEXTS_AT_ONCE = 64
"""Texts of like length that pass through a trained tower together."""

_STATISTICS = ("image.mean", "image.std", "text.mean", "text.std")
"""Parts of the heads that are measured and not trained."""

_STATISTICS_TEXTS = 6000
"""Captions from which statistics are measured where not all are read anyway."""

_LORA_TARGETS = r".*\.(query|key|value|dense)"
_BLOCK = re.compile(r"encoder\.layer\.(\d+)\.")
_HEAD = "head."
_TOWER = "tower."


class StarterTrainable:
    """Implements :class:`mlcore.training.trainable.Trainable`."""

    def __init__(self, found: FoundModel, config: TrainConfig, processes: Processes) -> None:
        import torch

        self._config = config
        self._processes = processes
        checkpoint = verify_checkpoint(found.directory)
        stored = checkpoint.tensors()
        self._class_texts = stored.pop("class_texts")
        self._changes = {
            name.removeprefix(TEXT_TOWER): stored.pop(name)
            for name in list(stored)
            if name.startswith(TEXT_TOWER)
        }
        if config.start == "fresh":
            self._changes = {}
        scale = float(checkpoint.config()["logit_scale"])
        if config.start == "fresh":
            scale = config.initial_logit_scale
        self.frozen_texts = config.tune == "heads"
        self._tower, self._tokenizer = load_text_tower(self._changes)
        self._tower.to(processes.device)
        self._prepare_tower()
        self.log_scale = torch.nn.Parameter(torch.tensor(scale, device=processes.device).log())
        self._heads: dict[str, torch.Tensor] = {}
        self._keep_heads({name: value.float() for name, value in stored.items()})

    def prepare(self, pairs: Pairs, augment: Augment, context: PrepareContext) -> Inputs:
        images = FeatureSource(self._views(pairs, augment, context), augment)
        rows = tokenize_texts(self._tokenizer, pairs.texts)
        if not self.frozen_texts:
            return Inputs(pairs, images, rows)
        changed = tensors_sha256(sorted(self._changes.items()))
        precision = self._processes.runtime.precision
        key = key_of(STARTER, towers_fingerprint(), changed, texts_key(pairs.texts), precision)
        path = context.cache_dir / f"texts-{key}.safetensors"
        texts = kept_tensor(path, lambda: self._described(rows, context), self._processes)
        return Inputs(pairs, images, texts)

    def begin(self, inputs: Inputs, seed: int) -> None:
        if self._config.start != "fresh":
            return
        import torch

        images = cast("FeatureSource", inputs.images)
        texts = inputs.texts
        if isinstance(texts, list):
            every = max(1, inputs.pairs.caption_count // _STATISTICS_TEXTS)
            some = texts[: inputs.pairs.caption_count : every]
            texts = torch.empty(len(some), TEXT_WIDTH)
            for numbers in by_length(some, _TEXT_BATCH):
                texts[numbers] = self._read([some[number] for number in numbers]).cpu()
        torch.manual_seed(seed)
        self._keep_heads(
            new_heads(
                self._config.dim,
                self._config.hidden,
                _statistics(images.features.flatten(0, 1)),
                _statistics(texts[: inputs.pairs.caption_count]),
                members=self._config.members,
            )
        )

    @property
    def parameters(self) -> dict[str, torch.nn.Parameter]:
        trained = {
            _TOWER + name: value
            for name, value in self._tower.named_parameters()
            if value.requires_grad
        }
        trained |= {
            _HEAD + name: value for name, value in self._heads.items() if value.requires_grad
        }
        return trained | {"logit_scale": self.log_scale}

    @property
    def members(self) -> int:
        return head_members(self._heads)

    @property
    def heads(self) -> frozenset[str]:
        return frozenset(name for name in self.parameters if not name.startswith(_TOWER))

    def image_features(self, inputs: torch.Tensor) -> torch.Tensor:
        return apply_head(
            self._heads,
            "image",
            inputs.to(self._processes.device),
            dropout=self._config.image_dropout if self._training else 0.0,
        )

    def text_features(self, inputs: TextInputs) -> torch.Tensor:
        import torch

        if isinstance(inputs, torch.Tensor):
            described = inputs.to(self._processes.device)
        else:
            batches = by_length(inputs, _TEXTS_AT_ONCE)
            rows = [read_texts(self._tower, [inputs[one] for one in each]) for each in batches]
            places = torch.tensor([number for each in batches for number in each])
            described = torch.cat(rows)[places.argsort().to(self._processes.device)]
        return apply_head(
            self._heads,
            "text",
            described,
            dropout=self._config.text_dropout if self._training else 0.0,
        )

    def train(self, on: bool) -> None:
        # Frozen heads are read as they are: what the words learn must fit them in use.
        self._training = on and self._config.tune != "text"
        self._tower.train(on and not self.frozen_texts)

    def checkpoint(self, folder: Path) -> None:
        # Half the size for a difference in cosines below 0.001.
        tensors = {
            name: value.detach().half()
            for name, value in {
                **self._heads,
                "class_texts": self._class_texts,
                **{TEXT_TOWER + name: value for name, value in self._tower_changes().items()},
            }.items()
        }
        save_tensors(tensors, folder / WEIGHTS)
        config = {
            "model_type": STARTER,
            "dim": self._heads["text.direct.bias"].shape[0],
            "logit_scale": self.log_scale.exp().item(),
        }
        (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")

    _training = False

    def _prepare_tower(self) -> None:
        """Choose what of the text tower is trained, and set its dropout."""
        config, tower = self._config, self._tower
        if config.tune == "lora":
            add_factors(
                tower,
                _LORA_TARGETS,
                rank=config.lora_rank,
                alpha=config.lora_alpha,
                seed=config.seed,
            )
        first = tower.config.num_hidden_layers - config.last_blocks
        for name, value in tower.named_parameters():
            block = _BLOCK.match(name)
            value.requires_grad_(
                config.tune in ("all", "text")
                or (config.tune == "lora" and ".lora_" in name)
                or (config.tune == "last" and block is not None and int(block[1]) >= first)
            )
        for name, module in tower.named_modules():
            if type(module).__name__ == "Dropout" and ".lora_" not in name:
                # Dropout within attention would turn off its fast path.
                module.p = 0.0 if "attention.self" in name else config.tower_dropout

    def _keep_heads(self, heads: Mapping[str, torch.Tensor]) -> None:
        self._heads = {
            name: value.detach()
            .to(self._processes.device)
            .clone()
            .requires_grad_(self._config.tune != "text" and name not in _STATISTICS)
            for name, value in heads.items()
        }

    def _tower_changes(self) -> dict[str, torch.Tensor]:
        """What the checkpoint says of the text tower; names without their common beginning."""
        import torch

        if self._config.tune == "heads":
            return self._changes
        if self._config.tune != "lora":
            whole = {
                name: value for name, value in self._tower.named_parameters() if value.requires_grad
            }
            # Factors that the base brought are within the weights that were trained on.
            within = {name.rpartition(".")[0] for name in whole}
            kept = {
                name: value
                for name, value in self._changes.items()
                if name.rpartition(".")[0] not in within
            }
            return kept | whole
        changes = dict(self._changes)
        for name, (a, b) in factors(self._tower).items():
            before = f"{name}.lora_a", f"{name}.lora_b"
            if before[0] in changes:  # the sum of two products is one product of longer factors
                a = torch.cat([changes[before[0]].float().to(a.device), a])
                b = torch.cat([changes[before[1]].float().to(b.device), b], dim=1)
            changes[before[0]], changes[before[1]] = a, b
        return changes

    def _views(self, pairs: Pairs, augment: Augment, context: PrepareContext) -> torch.Tensor:
        runtime = self._processes.runtime

        def make() -> torch.Tensor:
            towers = Towers(Runtime(runtime.device, runtime.precision), self._class_texts)

            def describe(squares: list[Image.Image]) -> torch.Tensor:
                return towers.image_features(squares)

            return views_of_pictures(pairs, IMAGE_SIZE, augment, _IMAGE_BATCH, context, describe)

        guess = tensors_sha256([("class_texts", self._class_texts)])
        key = key_of(
            STARTER, towers_fingerprint(), guess, IMAGE_WIDTH, content_key(pairs.data), augment,
            runtime.precision,
        )  # fmt: skip
        path = context.cache_dir / f"pictures-{key}.safetensors"
        return kept_tensor(path, make, self._processes)

    def _described(self, rows: list[list[int]], context: PrepareContext) -> torch.Tensor:
        import torch

        described = torch.empty(len(rows), TEXT_WIDTH)
        done = 0
        for numbers in by_length(rows, _TEXT_BATCH):
            stop_if_asked(context.progress)
            described[numbers] = self._read([rows[number] for number in numbers]).cpu()
            done += len(numbers)
            context.progress.report(done, len(rows), Message("stage.encoding_captions"))
        return described

    def _read(self, rows: list[list[int]]) -> torch.Tensor:
        import torch

        self._tower.eval()
        with torch.no_grad(), self._processes.autocast():
            return read_texts(self._tower, rows)


def _statistics(features: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.stack([features.mean(0), features.std(0)])
