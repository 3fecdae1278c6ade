"""``train``: fine-tune a model on captioned pictures."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from mlcore.commands.common import add_command, captioned, positive
from mlcore.commands.evaluate import write_metrics
from mlcore.commands.recipe import add_memory_options, add_recipe_options
from mlcore.encoder import find_model, load_encoder
from mlcore.evaluation import EvalConfig, evaluate_retrieval
from mlcore.layouts import open_source
from mlcore.progress import NoProgress, ProgressBar
from mlcore.starter import STARTER
from mlcore.training import TrainConfig, TrainResult, Tune, fine_tune

if TYPE_CHECKING:
    from mlcore.datasets import CaptionDataset

_RECIPE = (
    "start", "epochs", "batch_size", "micro_batch", "learning_rate", "head_learning_rate",
    "warm_up", "weight_decay", "augment", "hard_negatives", "weight_averaging", "robust_mixes",
    "patience", "validation_metric", "validate_every", "last_blocks", "lora_rank", "hidden",
    "members", "image_dropout", "text_dropout", "tower_dropout", "precision",
    "gradient_checkpointing", "processes", "device", "workers", "seed", "cache_dir",
    "keep_checkpoints", "tensorboard",
)  # fmt: skip
"""Options that become fields of the recipe; one that is not given keeps what is recommended."""


def add(commands: Any) -> None:
    """Add the command and its options."""
    command = add_command(commands, "train", run, "Fine-tune a model on captioned pictures.")
    command.add_argument("--dataset", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    command.add_argument("--base", default=STARTER, help="starter, a folder, or a name on the hub")
    command.add_argument(
        "--tune", choices=get_args(Tune), default="heads", help="what is trained (heads)"
    )
    _add_pictures(command.add_argument_group("pictures"))
    _add_recipe(command.add_argument_group("recipe; what is not given is as recommended"))
    _add_machine(command.add_argument_group("machine"))


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    config = _config(options)
    main = os.environ.get("RANK", "0") == "0"  # under torchrun one process speaks for all
    with open_source(options.dataset) as source, ProgressBar() as bar:
        data = captioned(source, options.split, options.dataset)
        validation = test = None
        if options.validation:
            validation = captioned(source, options.validation, options.dataset)
        elif options.hold_out:
            data, validation = data.hold_out(options.hold_out, seed=config.seed)
        if options.test:
            test = captioned(source, options.test, options.dataset)
        result = fine_tune(
            options.base,
            data,
            config,
            out_dir=options.out,
            validation=validation,
            unseen=[test] if test is not None else [],
            drop_leaking=options.drop_leaking,
            progress=bar if main else NoProgress(),
            resume=not options.no_resume,
        )
        if main:
            _write_result(result, config)
            if validation is not None:
                sys.stdout.write("On the validation pictures, by which the epoch was chosen:\n")
                _evaluate(result, validation, bar)
            if test is not None:
                sys.stdout.write("On the test pictures, which nothing was chosen by:\n")
                _evaluate(result, test, bar)
    return 0


def _config(options: argparse.Namespace) -> TrainConfig:
    given = {name: getattr(options, name) for name in _RECIPE}
    if given["robust_mixes"] is not None:
        given["robust_mixes"] = tuple(given["robust_mixes"])
    return TrainConfig.recommended(find_model(options.base).kind, options.tune, **given)


def _write_result(result: TrainResult, config: TrainConfig) -> None:
    sys.stdout.write(
        f"Trained {result.trained_parameters} parameters on {result.pictures} pictures with "
        f"{result.captions} captions in {result.seconds:.0f} s; last loss "
        f"{result.losses[-1]:.3f}, logit scale {result.logit_scale:.1f}.\n"
    )
    if result.dropped:
        sys.stdout.write(f"{result.dropped} leaking picture(s) were left out of training.\n")
    if result.best_value is not None:
        early = ", stopped early" if result.stopped_early else ""
        sys.stdout.write(
            f"Kept epoch {result.best_epoch} of {len(result.epochs)}{early}: "
            f"{config.validation_metric} {result.best_value:.4f}, {result.mix:.2f} of the tuned "
            "weights.\n"
        )
    sys.stdout.write(f"The model is in {result.directory}.\n")


def _evaluate(result: TrainResult, data: CaptionDataset, bar: ProgressBar) -> None:
    encoder = load_encoder(result.directory)
    config = EvalConfig(image_to_image=False)
    write_metrics(evaluate_retrieval(encoder, data, config, progress=bar))


def _add_pictures(group: Any) -> None:
    group.add_argument("--split", default="train", help="the split to learn from (train)")
    group.add_argument(
        "--hold-out", type=int, default=0, metavar="N",
        help="set N pictures aside, choose the epoch by them and evaluate on them at the end",
    )  # fmt: skip
    group.add_argument("--validation", metavar="SPLIT", help="choose the epoch by this split")
    group.add_argument("--test", metavar="SPLIT", help="evaluate on this split at the end")
    group.add_argument(
        "--drop-leaking", action="store_true",
        help="leave pictures out that are also, or nearly, in the validation or test split",
    )  # fmt: skip


def _add_recipe(group: Any) -> None:
    group.add_argument("--start", choices=("base", "fresh"), help="fresh: the starter's new heads")
    add_recipe_options(group, count=positive)
    group.add_argument("--validate-every", type=positive, metavar="EPOCHS")
    group.add_argument(
        "--hidden", type=positive, help="inner width of each of the starter's new heads"
    )
    group.add_argument(
        "--members", type=positive, help="pairs of new heads side by side, an ensemble in one width"
    )
    for name in ("image", "text", "tower"):
        group.add_argument(f"--{name}-dropout", type=float, help="starter only")


def _add_machine(group: Any) -> None:
    group.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument("--precision", choices=("auto", "float32", "bfloat16"))
    add_memory_options(group, count=positive)
    group.add_argument("--processes", type=positive, help="how many torchrun starts, in all (1)")
    group.add_argument("--workers", type=positive, help="threads that prepare pictures")
    group.add_argument(
        "--cache", dest="cache_dir", type=Path,
        help="keep decoded pictures and outputs of frozen towers here between runs",
    )  # fmt: skip
    group.add_argument("--keep-checkpoints", type=positive, help="epochs, besides the best")
    group.add_argument("--tensorboard", type=Path, metavar="FOLDER")
    group.add_argument(
        "--no-resume", action="store_true", help="do not go on with an interrupted run"
    )
