"""Training: what is trained here is a pair of heads on the starter's frozen towers.

The towers see each picture and caption once and their outputs are kept, so that an epoch costs
seconds and the whole run minutes on two cores.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlcore.checkpoints import save_checkpoint
from mlcore.config import ImageLimits
from mlcore.errors import TrainingError
from mlcore.losses import MAX_LOGIT_SCALE, clip_contrastive_loss
from mlcore.progress import NoProgress, Progress
from mlcore.starter import IMAGE_SIZE, STARTER, Towers, apply_head, new_heads

if TYPE_CHECKING:
    import torch

    from mlcore.datasets import CaptionDataset

MIN_PAIRS = 16
"""Fewer pictures give no negatives to learn from."""

_IMAGE_BATCH = 16
_TEXT_BATCH = 64

_STATISTICS = ("image.mean", "image.std", "text.mean", "text.std")
"""Parts of the heads that are measured and not trained."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The recipe; its defaults are those of the heads that are shipped."""

    epochs: int = 80
    batch_size: int = 1000
    """Pairs per step; each is a negative of all others, so more is better. At most all pictures."""
    learning_rate: float = 1e-3
    """The highest, after warm-up."""
    warm_up: float = 0.1
    """Share of the steps over which the rate climbs from 0; it falls along a cosine after."""
    weight_decay: float = 0.1
    """On weight matrices alone."""
    max_gradient_norm: float = 1.0
    image_dropout: float = 0.7
    text_dropout: float = 0.2
    dim: int = 512
    """Width of the common space."""
    hidden: int = 1024
    """Width of the layer within each head."""
    initial_logit_scale: float = 14.0
    """About 1 / 0.07, as in Radford et al. 2021, section 2.5."""
    mirrored: bool = True
    """Whether each picture is also seen as in a mirror, at twice the time for the pictures."""
    seed: int = 0
    cache_dir: Path | None = None
    """Where the towers' outputs are kept between runs; nowhere when None."""
    limits: ImageLimits = field(default_factory=ImageLimits)


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What came of a run."""

    directory: Path
    """A checkpoint that :func:`mlcore.encoder.load_encoder` takes."""
    losses: tuple[float, ...]
    """Mean loss of each epoch."""
    logit_scale: float
    pictures: int
    captions: int
    seconds: float
    """Of training, without the towers."""


@dataclass(frozen=True, slots=True)
class Features:
    """The towers' outputs for a dataset."""

    images: torch.Tensor
    """float32 (views, pictures, IMAGE_WIDTH)."""
    texts: torch.Tensor
    """float32 (captions, TEXT_WIDTH), picture by picture."""
    class_texts: torch.Tensor
    """float32 (1000, TEXT_WIDTH), see :class:`mlcore.starter.Towers`."""


def fine_tune(
    base: Literal["starter"],
    data: CaptionDataset,
    config: TrainConfig,
    *,
    out_dir: Path,
    progress: Progress | None = None,
) -> TrainResult:
    """Train heads for the starter's towers and write them as a checkpoint.

    One caption per picture and epoch is drawn at random. Pictures with equal files or equal drawn
    captions are not counted as negatives of each other. With one seed, machine and number of
    threads a run gives the same weights again.

    Args:
        base: the model whose towers are taken; ``starter``.
        data: the pictures to learn from.
        config: the recipe.
        out_dir: the checkpoint folder to make; must not exist.
        progress: told of pictures, captions, then epochs; asked before each step to stop.

    Raises:
        TrainingError: the base is another model, there are too few pictures, the run was stopped,
            or the loss was no longer finite (with the step at which).
        ImageRejectedError: a picture that cannot be read.
        CheckpointError: ``out_dir`` exists or cannot be written.
        ModelUnavailableError: a tower is not there.
    """
    if base != STARTER:
        raise TrainingError(
            f"Training starts from 'starter' so far, not from {base!r}; use --base starter."
        )
    if len(data) < MIN_PAIRS:
        raise TrainingError(
            f"{data.source} has {len(data)} captioned pictures to train on; at least {MIN_PAIRS} "
            "are needed."
        )
    if out_dir.exists():
        raise TrainingError(f"{out_dir} exists already; choose a folder that does not exist.")
    progress = progress or NoProgress()
    import torch

    # Whoever calls keeps their own random numbers; dropout knows no generator but the global one.
    with torch.random.fork_rng(devices=[]):
        features = tower_features(data, config, progress)
        started = time.monotonic()
        torch.manual_seed(config.seed)
        heads, losses, logit_scale = _train_heads(data, features, config, progress)
        seconds = time.monotonic() - started
    recipe = asdict(config)
    recipe.pop("cache_dir")
    recipe.pop("limits")
    save_checkpoint(
        out_dir,
        kind=STARTER,
        # Half the size for a difference in cosines below 0.001.
        tensors={
            name: value.half()
            for name, value in {**heads, "class_texts": features.class_texts}.items()
        },
        config={
            "model_type": STARTER,
            "dim": config.dim,
            "logit_scale": logit_scale,
            "recipe": recipe,
            "pictures": len(data),
            "captions": len(data.captions),
            "data_sha256": _data_digest(data),
        },
    )
    return TrainResult(
        directory=out_dir,
        losses=tuple(losses),
        logit_scale=logit_scale,
        pictures=len(data),
        captions=len(data.captions),
        seconds=seconds,
    )


def tower_features(data: CaptionDataset, config: TrainConfig, progress: Progress) -> Features:
    """Return the towers' outputs for all pictures and captions, from the cache where they are.

    Raises:
        TrainingError: the run was stopped.
        ImageRejectedError: a picture that cannot be read.
    """
    import torch
    from PIL import ImageOps
    from safetensors.torch import load_file, save_file

    from mlcore.runtime import choose_runtime

    runtime = choose_runtime()
    towers = Towers(runtime)
    cached = None
    if config.cache_dir is not None:
        key = f"{towers.fingerprint} {_data_digest(data)} {config.mirrored} {runtime}"
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        cached = config.cache_dir / f"starter-{name}.safetensors"
        if cached.is_file():
            return Features(**load_file(cached))

    views: list[list[torch.Tensor]] = [[], []] if config.mirrored else [[]]
    done = 0
    progress.report(0, len(data), "pictures")
    for batch in data.batches(_IMAGE_BATCH, side=IMAGE_SIZE, limits=config.limits):
        _stop_if_asked(progress)
        views[0].append(towers.image_features(batch).cpu())
        if config.mirrored:
            views[1].append(towers.image_features([ImageOps.mirror(one) for one in batch]).cpu())
        done += len(batch)
        progress.report(done, len(data), "pictures")

    rows = towers.tokenize(data.captions)
    order = sorted(range(len(rows)), key=lambda position: len(rows[position]))
    texts = torch.empty(0)
    for start in range(0, len(order), _TEXT_BATCH):
        _stop_if_asked(progress)
        chosen = order[start : start + _TEXT_BATCH]
        encoded = towers.text_features([rows[position] for position in chosen]).cpu()
        if not len(texts):
            texts = torch.empty(len(rows), encoded.shape[1])
        texts[chosen] = encoded
        progress.report(min(start + _TEXT_BATCH, len(order)), len(order), "captions")

    features = Features(
        torch.stack([torch.cat(view) for view in views]), texts, towers.class_texts.cpu()
    )
    if cached is not None:
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(".tmp")
        save_file(
            {
                "images": features.images,
                "texts": features.texts,
                "class_texts": features.class_texts,
            },
            partial,
        )
        partial.rename(cached)
    return features


def _train_heads(
    data: CaptionDataset, features: Features, config: TrainConfig, progress: Progress
) -> tuple[dict[str, torch.Tensor], list[float], float]:
    import torch
    from torch.nn.utils import clip_grad_norm_

    batch_size = min(config.batch_size, len(data))
    steps_per_epoch = len(data) // batch_size
    total = config.epochs * steps_per_epoch
    first_caption = _first_captions(data)
    contents = _numbered(data.content)
    wordings = _numbered(caption.casefold() for caption in data.captions)

    heads = new_heads(
        config.dim,
        config.hidden,
        _statistics(features.images.flatten(0, 1)),
        _statistics(features.texts),
    )
    trained = {
        name: value.clone().requires_grad_()
        for name, value in heads.items()
        if name not in _STATISTICS
    }
    heads |= trained
    log_scale = torch.tensor(math.log(config.initial_logit_scale), requires_grad=True)
    optimizer = _optimizer(trained, log_scale, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate(step, total, config.warm_up)
    )
    losses: list[float] = []
    step = 0
    for epoch in range(config.epochs):
        progress.report(epoch, config.epochs, "epochs")
        captions = torch.tensor(
            [
                first_caption[index] + data.draw_caption(index, epoch=epoch, seed=config.seed)
                for index in range(len(data))
            ]
        )
        summed = 0.0
        shuffled = torch.randperm(len(data))
        for start in range(0, steps_per_epoch * batch_size, batch_size):
            _stop_if_asked(progress)
            step += 1
            chosen = shuffled[start : start + batch_size]
            drawn = captions[chosen]
            view = torch.randint(len(features.images), (batch_size,))
            with _faster():
                images = apply_head(
                    heads,
                    "image",
                    features.images[view, chosen],
                    dropout=config.image_dropout,
                )
                texts = apply_head(
                    heads, "text", features.texts[drawn], dropout=config.text_dropout
                )
            loss = clip_contrastive_loss(
                images.float(),
                texts.float(),
                log_scale.exp(),
                same=_equal(contents[chosen]) | _equal(wordings[drawn]),
            )
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"The loss was no longer a finite number at step {step} of {total} (epoch "
                    f"{epoch + 1}); lower the learning rate, which is {config.learning_rate:g}."
                )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            clip_grad_norm_([*trained.values(), log_scale], config.max_gradient_norm)
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                log_scale.clamp_(max=math.log(MAX_LOGIT_SCALE))
            summed += loss.item()
        losses.append(summed / steps_per_epoch)
    progress.report(config.epochs, config.epochs, "epochs")
    finished = {name: value.detach() for name, value in heads.items()}
    if not all(torch.isfinite(value).all() for value in finished.values()):
        raise TrainingError(
            f"Weights are no longer finite after step {step} of {total}; lower the learning rate, "
            f"which is {config.learning_rate:g}."
        )
    return finished, losses, log_scale.exp().item()


def _optimizer(
    trained: Mapping[str, torch.Tensor], log_scale: torch.Tensor, config: TrainConfig
) -> torch.optim.Optimizer:
    import torch

    matrices = [value for value in trained.values() if value.ndim > 1]
    # To shrink a bias or the temperature is not regularisation.
    others = [value for value in trained.values() if value.ndim <= 1] + [log_scale]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
    )


def _rate(step: int, total: int, warm_up: float) -> float:
    """The share of the full learning rate at a step counted from 0."""
    climbing = max(1, round(warm_up * total))
    if step < climbing:
        return (step + 1) / climbing
    done = (step - climbing) / max(1, total - climbing)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _faster() -> Any:
    """bfloat16 for the matrix products, where the processor computes in it."""
    import torch

    from mlcore.runtime import choose_runtime

    enabled = choose_runtime("cpu").precision == "bfloat16"
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def _statistics(features: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.stack([features.mean(0), features.std(0)])


def _equal(numbers: torch.Tensor) -> torch.Tensor:
    return numbers[:, None] == numbers[None, :]


def _numbered(values: Any) -> torch.Tensor:
    """Give equal values one number."""
    import torch

    numbers: dict[Any, int] = {}
    return torch.tensor([numbers.setdefault(value, len(numbers)) for value in values])


def _first_captions(data: CaptionDataset) -> list[int]:
    """For each picture, where its captions begin in ``data.captions``."""
    starts = [0]
    for image in data:
        starts.append(starts[-1] + len(image.captions))
    return starts


def _stop_if_asked(progress: Progress) -> None:
    if progress.should_stop():
        raise TrainingError("Training was stopped before its end; nothing was written.")


def _data_digest(data: CaptionDataset) -> str:
    """sha256 over the pictures' bytes and the captions, in order."""
    listed = [[digest, image.captions] for digest, image in zip(data.content, data, strict=True)]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
