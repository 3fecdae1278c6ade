"""What a person chooses about a training run, and what comes of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from mlcore.config import ImageLimits
from mlcore.errors import TrainingError
from mlcore.runtime import Precision

Tune: TypeAlias = Literal["heads", "last", "all", "lora", "text"]
"""What is trained: the projections into the common space; the last blocks of each tower with
them; everything; small factors beside the weights (LoRA) with the projections; the text tower."""

Augment: TypeAlias = Literal["none", "mirror", "crop", "mirror+crop"]
"""How a picture is changed each time it is seen."""

_NOT_IN_RECIPE = ("cache_dir", "tensorboard", "keep_checkpoints", "limits", "workers", "device")
"""What does not decide the weights on one machine, or says nothing elsewhere."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The recipe. Defaults are for the starter's heads; see :meth:`recommended` for others."""

    tune: Tune = "heads"
    start: Literal["base", "fresh"] = "base"
    """Whether the projections begin as the base has them or at random: ``fresh`` makes the
    shipped starter from its two towers."""
    last_blocks: int = 2
    """Blocks of each tower that ``last`` trains, counted from the end."""
    lora_rank: int = 8
    lora_alpha: int = 16
    """The product of the factors is multiplied by ``lora_alpha / lora_rank``."""

    epochs: int = 80
    batch_size: int = 1000
    """Pairs per step over all processes; each is a negative of all others, so more is better. At
    most all pictures."""
    micro_batch: int | None = None
    """Pairs that pass through the towers at once; the gradients are still those of the whole
    batch (GradCache, Gao et al. 2021, section 3). All at once when None."""
    gradient_checkpointing: bool = False
    """Compute activations twice and keep few, for memory; CLIP only."""

    learning_rate: float = 1e-3
    """The highest, after warm-up."""
    head_learning_rate: float | None = None
    """Of the projections where towers are trained with them; the same when None."""
    warm_up: float = 0.1
    """Share of the steps over which the rate climbs from 0; it falls along a cosine after."""
    weight_decay: float = 0.1
    """On weight matrices alone."""
    max_gradient_norm: float = 1.0

    augment: Augment = "mirror"
    """A caption that speaks of left or right never goes with a mirrored picture."""
    hard_negatives: bool = False
    """Whether each caption also brings a wrong one, minimally changed, for pictures to refuse
    (NegCLIP, Yuksekgonul et al. 2023, section 4)."""

    weight_averaging: float | None = None
    """Decay per step of a running mean of the weights, for example 0.99, which is then what is
    validated and kept."""
    robust_mixes: tuple[float, ...] = ()
    """Shares of the tuned weights, between 0 and 1, to try at the end against the base's; the best
    on the validation pictures is kept (WiSE-FT, Wortsman et al. 2022, section 3)."""
    patience: int | None = None
    """Epochs without a better validation figure after which the run ends."""
    validation_metric: Literal["hit_rate@1", "hit_rate@5", "hit_rate@10", "mrr"] = "hit_rate@5"
    validate_every: int = 1
    """Epochs between validations; the last is always validated."""

    image_dropout: float = 0.7
    text_dropout: float = 0.2
    tower_dropout: float = 0.1
    """Of the starter's text tower while it is trained."""
    dim: int = 512
    """Width of the common space of fresh heads."""
    hidden: int = 1024
    """Width of the layer within each fresh head."""
    members: int = 1
    """Pairs of fresh heads that are trained side by side, each for its part of the common space:
    an ensemble that takes no more room or time than one pair."""
    initial_logit_scale: float = 14.0
    """Of fresh heads: about 1 / 0.07, as in Radford et al. 2021, section 2.5."""

    precision: Precision = "auto"
    """Of the matrix products; weights are float32. ``auto``: bfloat16 where the device has it."""
    processes: int = 1
    """How many take part, over all machines; another number is refused at the start."""
    device: str = "auto"
    workers: int = 2
    """Threads that prepare pictures; any number gives the same pictures."""
    seed: int = 0
    cache_dir: Path | None = None
    """Where decoded pictures and outputs of frozen towers are kept between runs; in the run's
    work folder, and so not for long, when None."""
    keep_checkpoints: int = 2
    """Epochs that are kept besides the best while the run lasts."""
    tensorboard: Path | None = None
    """Where to write curves for TensorBoard, which must be installed then."""
    limits: ImageLimits = field(default_factory=ImageLimits)

    @classmethod
    def recommended(cls, kind: Literal["clip", "starter"], tune: Tune, **changes: Any) -> Self:
        """Return the recipe to start from for a kind of model and a choice of what to train.

        Args:
            kind: see :class:`mlcore.encoder.FoundModel`.
            tune: what is trained.
            changes: fields that shall differ; those that are None are passed over.
        """
        chosen = _RECOMMENDED[kind][tune] | {
            name: value for name, value in changes.items() if value is not None
        }
        return replace(cls(), tune=tune, **chosen)

    def check(self, kind: Literal["clip", "starter"]) -> None:
        """Refuse a recipe that cannot be followed.

        Raises:
            TrainingError: with the field and what it accepts.
        """
        for name in ("epochs", "batch_size", "keep_checkpoints", "workers", "validate_every"):
            _demand(getattr(self, name) >= 1, f"{name} must be at least 1")
        _demand(self.micro_batch is None or self.micro_batch >= 1, "micro_batch must be at least 1")
        _demand(self.learning_rate > 0, "learning_rate must be above 0")
        _demand(0 <= self.warm_up < 1, "warm_up is a share of the steps, from 0 to below 1")
        _demand(
            self.weight_averaging is None or 0 < self.weight_averaging < 1,
            "weight_averaging is a decay between 0 and 1, for example 0.99",
        )
        _demand(all(0 < mix <= 1 for mix in self.robust_mixes), "robust_mixes are shares up to 1")
        _demand(
            self.members >= 1 and self.dim % self.members == 0,
            "members must divide dim, the width of the common space",
        )
        if self.start == "fresh":
            _demand(kind == "starter", "start='fresh' is for the starter; CLIP starts as it is")
            _demand(
                self.tune in ("heads", "lora", "all"),
                f"start='fresh' makes new heads, and tune={self.tune!r} would not train them all; "
                "use heads, lora or all",
            )
            _demand(not self.robust_mixes, "fresh heads have no base to mix with; no robust_mixes")

    def recipe(self) -> dict[str, Any]:
        """What decides the weights, as JSON values."""
        values = asdict(self)
        for name in _NOT_IN_RECIPE:
            values.pop(name)
        values["robust_mixes"] = list(self.robust_mixes)
        return values


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What came of a run."""

    directory: Path
    """A checkpoint that :func:`mlcore.encoder.load_encoder` takes."""
    epochs: tuple[dict[str, Any], ...]
    """Per epoch: ``epoch``, ``loss`` (the mean), ``temperature``, ``seconds``, and the validation
    figures where it was validated."""
    best_epoch: int
    """Counted from 1: the one that was kept. The last where there was nothing to validate on."""
    best_value: float | None
    """Its figure of ``TrainConfig.validation_metric`` after the mix; None without validation."""
    mix: float
    """Share of the tuned weights in what was kept; 1 unless mixes were tried."""
    pictures: int
    captions: int
    dropped: int
    """Pictures left out of training because an unseen one looks the same."""
    data_sha256: str
    """Over the pictures' bytes and captions that were trained on."""
    logit_scale: float
    seconds: float
    """Of the steps and validations, over all starts of the run."""
    stopped_early: bool
    trained_parameters: int

    @property
    def losses(self) -> tuple[float, ...]:
        """Mean loss of each epoch."""
        return tuple(epoch["loss"] for epoch in self.epochs)


def _demand(condition: bool, words: str) -> None:
    if not condition:
        raise TrainingError(f"This recipe cannot be followed: {words}.")


_RECOMMENDED: dict[str, dict[Tune, dict[str, Any]]] = {
    # For CLIP these follow the papers (see docs/training.md); they were not measured here.
    "clip": {
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
    "starter": {
        "heads": {},
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
}  # fmt: skip
