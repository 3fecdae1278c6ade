"""What a person chooses about a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args

from mlcore.config import ImageLimits, Precision
from mlcore.encoders import ModelFamily
from mlcore.errors import TrainingError
from mlcore.i18n import gettext_noop as _
from mlcore.training.options import option, options_of

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
    start: Literal["base", "fresh"] = option(
        "base",
        _("Start of the projections"),
        _(
            "Whether the projections begin as the base has them or at random: fresh makes the "
            "shipped starter from its two towers."
        ),
        choices=("base", "fresh"),
        families=("starter",),
        site=False,
    )

    epochs: int = option(
        80, _("Epochs"), _("Passes over all pictures."), least=1, most=10_000, on_page=True
    )
    batch_size: int = option(
        1000,
        _("Batch size"),
        _("Pairs compared at a time; more is better, and needs more memory."),
        least=2,
        most=100_000,
        on_page=True,
    )
    """Pairs per step over all processes; each is a negative of all others. At most all pictures."""
    learning_rate: float = option(
        1e-3,
        _("Learning rate"),
        _("How far each step goes. Too high wrecks what the model knew; the gate then refuses it."),
        above=0,
        on_page=True,
    )
    """The highest, after warm-up."""
    head_learning_rate: float | None = option(
        None,
        _("Learning rate of the projections"),
        _("Where towers are trained with them; the same rate where not given."),
        float,
        above=0,
    )
    warm_up: float = option(
        0.1,
        _("Warm-up"),
        _("Share of the steps over which the rate climbs from 0; it falls along a cosine after."),
        least=0,
        below=1,
    )
    weight_decay: float = option(
        0.1, _("Weight decay"), _("How far weight matrices shrink with each step."), least=0
    )
    max_gradient_norm: float = option(
        1.0,
        _("Largest gradient"),
        _("Gradients of a larger norm are scaled down to it."),
        above=0,
        site=False,
    )

    augment: Augment = option(
        "mirror",
        _("Augmentation"),
        _(
            "How a picture is changed each time it is seen. One whose caption speaks of left or "
            "right is never mirrored."
        ),
        choices=get_args(Augment),
    )
    hard_negatives: bool = option(
        False,
        _("Hard negatives"),
        _("Also show captions with a colour, number, place or role changed, to be refused."),
        on_page=True,
    )
    """NegCLIP, Yuksekgonul et al. 2023, section 4."""

    weight_averaging: float | None = option(
        None,
        _("Weight averaging"),
        _(
            "Decay per step of a running mean of the weights, for example 0.99, which is then what "
            "is validated and kept."
        ),
        float,
        above=0,
        below=1,
        metavar="DECAY",
    )
    robust_mixes: tuple[float, ...] = option(
        (),
        _("Mix with the old model"),
        _("Try means of old and new weights and keep the best; forgets less."),
        float,
        many=True,
        above=0,
        most=1,
        on_page=True,
        ticked=(0.25, 0.5, 0.75),
        flag="--mix",
        metavar="SHARE",
    )
    """Shares of the tuned weights to try at the end against the base's; the best on the validation
    pictures is kept (WiSE-FT, Wortsman et al. 2022, section 3)."""
    patience: int | None = option(
        None,
        _("Patience"),
        _("Stop after so many epochs without a better result; empty to run to the end."),
        int,
        least=1,
        most=10_000,
        on_page=True,
        metavar="EPOCHS",
    )
    validation_metric: Literal["hit_rate@1", "hit_rate@5", "hit_rate@10", "mrr"] = option(
        "hit_rate@5",
        _("Validation metric"),
        _("The figure on the validation pictures by which the best epoch is chosen."),
        choices=("hit_rate@1", "hit_rate@5", "hit_rate@10", "mrr"),
        flag="--metric",
    )
    validate_every: int = option(
        1,
        _("Epochs between validations"),
        _("The last epoch is always validated."),
        least=1,
        site=False,
        metavar="EPOCHS",
    )

    last_blocks: int = option(
        2,
        _("Last blocks"),
        _("Blocks of each tower that are trained, counted from the end."),
        least=1,
        tunes=("last",),
    )
    lora_rank: int = option(
        8, _("Rank of LoRA"), _("Numbers between the two factors."), least=1, tunes=("lora",)
    )
    lora_alpha: int = option(
        16,
        _("Alpha of LoRA"),
        _("The product of the factors is multiplied by alpha over rank."),
        least=1,
        tunes=("lora",),
        site=False,
    )
    image_dropout: float = option(
        0.7,
        _("Dropout of pictures"),
        _("Share of a picture's numbers left out at random at its head."),
        least=0,
        below=1,
        families=("starter",),
        site=False,
    )
    text_dropout: float = option(
        0.2,
        _("Dropout of texts"),
        _("Share of a text's numbers left out at random at its head."),
        least=0,
        below=1,
        families=("starter",),
        site=False,
    )
    tower_dropout: float = option(
        0.1,
        _("Dropout of the text tower"),
        _("Share left out within the text tower while it is trained."),
        least=0,
        below=1,
        families=("starter",),
        site=False,
    )
    dim: int = option(
        512,
        _("Width"),
        _("Width of the common space of fresh heads."),
        least=1,
        families=("starter",),
        site=False,
    )
    hidden: int = option(
        1024,
        _("Inner width"),
        _("Width of the layer within each fresh head."),
        least=1,
        families=("starter",),
        site=False,
    )
    members: int = option(
        1,
        _("Members"),
        _(
            "Pairs of fresh heads that are trained side by side, each for its part of the common "
            "space: an ensemble that takes no more room or time than one pair."
        ),
        least=1,
        families=("starter",),
        site=False,
    )
    initial_logit_scale: float = option(
        14.0,
        _("First logit scale"),
        _("Of fresh heads; about 1 / 0.07, as in Radford et al. 2021, section 2.5."),
        above=0,
        families=("starter",),
        site=False,
    )
    seed: int = option(0, _("Seed"), _("Of every draw; the same seed gives the same weights."))

    micro_batch: int | None = option(
        None,
        _("Pairs in memory"),
        _(
            "Pairs that pass through the towers at once; the gradients are still those of the "
            "whole batch (GradCache, Gao et al. 2021, section 3)."
        ),
        int,
        least=1,
        group="memory",
    )
    gradient_checkpointing: bool = option(
        False,
        _("Gradient checkpointing"),
        _("Compute activations twice and keep few, for memory."),
        families=("clip",),
        group="memory",
    )

    device: str = option(
        "auto",
        _("Device"),
        _("auto, cpu, cuda, cuda:N or mps."),
        group="machine",
        site=False,
    )
    precision: Precision = option(
        "auto",
        _("Precision"),
        _("Of the matrix products; weights are float32. auto: bfloat16 where the device has it."),
        choices=("auto", "float32", "bfloat16"),
        group="machine",
        site=False,
    )
    processes: int = option(
        1,
        _("Processes"),
        _(
            "How many take part, over all machines, as torchrun starts them; another number is "
            "refused at the start."
        ),
        least=1,
        group="machine",
        site=False,
    )
    workers: int = option(
        2,
        _("Workers"),
        _("Threads that prepare pictures; any number gives the same pictures."),
        least=1,
        group="machine",
        site=False,
    )
    cache_dir: Path | None = option(
        None,
        _("Cache"),
        _(
            "Folder where decoded pictures and outputs of frozen towers are kept between runs; in "
            "the run's work folder, and so not for long, where not given."
        ),
        Path,
        group="machine",
        site=False,
        flag="--cache",
        metavar="FOLDER",
    )
    keep_checkpoints: int = option(
        2,
        _("Epochs kept"),
        _("Epochs that are kept besides the best while the run lasts."),
        least=1,
        group="machine",
        site=False,
    )
    tensorboard: Path | None = option(
        None,
        _("TensorBoard"),
        _("Folder to write curves to for TensorBoard, which must be installed then."),
        Path,
        group="machine",
        site=False,
        metavar="FOLDER",
    )
    limits: ImageLimits = field(default_factory=ImageLimits)

    @classmethod
    def recommended(cls, family: ModelFamily, tune: Tune, **changes: Any) -> Self:
        """Return the recipe to start from for a kind of model and a choice of what to train.

        Args:
            family: of the model that is trained.
            tune: what is trained.
            changes: fields that shall differ; those that are None are passed over.
        """
        chosen = dict(family.recipes.get(tune, {})) | {
            name: tuple(value) if OPTIONS[name].many else value
            for name, value in changes.items()
            if value is not None
        }
        return replace(cls(), tune=tune, **chosen)

    def check(self, family: ModelFamily) -> None:
        """Refuse a recipe that cannot be followed.

        Raises:
            TrainingError: with the field and what it accepts.
        """
        if not family.trainable:
            raise TrainingError("recipe.no_training", family=family.label)
        for name, each in OPTIONS.items():
            each.check(name, getattr(self, name))
        if self.dim % self.members:
            raise TrainingError("recipe.members")
        if self.start != "fresh":
            return
        if family.name not in OPTIONS["start"].families:
            raise TrainingError("recipe.fresh_family")
        if self.tune not in ("heads", "lora", "all"):
            raise TrainingError("recipe.fresh_tune", tune=self.tune)
        if self.robust_mixes:
            raise TrainingError("recipe.fresh_mixes")

    def recipe(self) -> dict[str, Any]:
        """What decides the weights, as JSON values."""
        values = asdict(self)
        for name in _NOT_IN_RECIPE:
            values.pop(name)
        values["robust_mixes"] = list(self.robust_mixes)
        return values


OPTIONS = options_of(TrainConfig)
"""By the names of the fields; ``tune`` and the limits of pictures are no such options."""
