"""``train``: fine-tune a model on captioned pictures."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from mlcore.commands.common import (
    add_command,
    add_source_options,
    captioned,
    opened,
    runtime_options,
)
from mlcore.commands.evaluate import write_metrics
from mlcore.commands.recipe import add_options, given_options
from mlcore.config import RuntimeOptions
from mlcore.encoders import STARTER, find_model, load_encoder
from mlcore.evaluation import EvalConfig, evaluate_retrieval
from mlcore.progress import NoProgress, ProgressBar
from mlcore.training import TrainConfig, TrainResult, Tune, fine_tune

if TYPE_CHECKING:
    from mlcore.datasets import CaptionDataset


def add(commands: Any) -> None:
    """Add the command and its options."""
    command = add_command(commands, "train", run, "Fine-tune a model on captioned pictures.")
    command.add_argument("--dataset", type=Path, required=True)
    add_source_options(command)
    command.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    command.add_argument("--base", default=STARTER, help="starter, a folder, or a name on the hub")
    command.add_argument(
        "--tune", choices=get_args(Tune), default="heads", help="what is trained (heads)"
    )
    _add_pictures(command.add_argument_group("pictures"))
    recipe = command.add_argument_group("recipe; what is not given is as recommended")
    add_options(recipe, "recipe")
    machine = command.add_argument_group("machine")
    add_options(machine, "memory", "machine")
    machine.add_argument(
        "--no-resume", action="store_true", help="do not go on with an interrupted run"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    config = _config(options)
    runtime = runtime_options(options, device=config.device)
    main = os.environ.get("RANK", "0") == "0"  # under torchrun one process speaks for all
    with opened(options) as source, ProgressBar() as bar:
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
                _evaluate(result, validation, runtime, bar)
            if test is not None:
                sys.stdout.write("On the test pictures, which nothing was chosen by:\n")
                _evaluate(result, test, runtime, bar)
    return 0


def _config(options: argparse.Namespace) -> TrainConfig:
    family = find_model(options.base).family
    return TrainConfig.recommended(family, options.tune, **given_options(options))


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


def _evaluate(
    result: TrainResult, data: CaptionDataset, runtime: RuntimeOptions, bar: ProgressBar
) -> None:
    encoder = load_encoder(result.directory, options=runtime)
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
