"""Train a candidate on the gallery's captions."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, get_args

from django.core.management.base import BaseCommand

from gallery.management.jobs import run_in_foreground
from gallery.management.models import MODEL_HELP, expected_errors, model_named
from gallery.models import Job
from gallery.services.training import RECIPE_FIELDS, TrainingParams, check_params
from mlcore.training import Augment, Tune

METRICS = ("hit_rate@1", "hit_rate@5", "hit_rate@10", "mrr")


class Command(BaseCommand):
    help = (
        "Fine-tune a model on the captioned pictures of the gallery, and compare it with the live "
        "one on pictures that are held out. What is live does not change; 'manage.py promote' does "
        "that. The exit status is 4 where the new model did not pass."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", default="", help="of the new model")
        parser.add_argument("--base", help=f"{MODEL_HELP}; the live one otherwise")
        parser.add_argument("--collection", default="", help="learn from this collection alone")
        parser.add_argument(
            "--tune", choices=get_args(Tune), default="heads", help="what is trained (heads)"
        )
        recipe = parser.add_argument_group("recipe; what is not given is as recommended")
        recipe.add_argument("--epochs", type=int)
        recipe.add_argument("--batch-size", type=int, help="pairs per step")
        recipe.add_argument("--micro-batch", type=int, help="pairs that are in memory at once")
        recipe.add_argument("--learning-rate", type=float)
        recipe.add_argument("--head-learning-rate", type=float)
        recipe.add_argument("--warm-up", type=float, help="share of the steps")
        recipe.add_argument("--weight-decay", type=float)
        recipe.add_argument("--augment", choices=get_args(Augment))
        recipe.add_argument(
            "--hard-negatives", action="store_true", default=None,
            help="pictures also refuse minimally changed, wrong captions",
        )  # fmt: skip
        recipe.add_argument("--weight-averaging", type=float, metavar="DECAY")
        recipe.add_argument(
            "--mix", dest="robust_mixes", type=float, nargs="+", metavar="SHARE",
            help="shares of the tuned weights to try against the base's at the end (WiSE-FT)",
        )  # fmt: skip
        recipe.add_argument("--patience", type=int, metavar="EPOCHS")
        recipe.add_argument("--metric", dest="validation_metric", choices=METRICS)
        recipe.add_argument("--last-blocks", type=int, help="for --tune last")
        recipe.add_argument("--lora-rank", type=int, help="for --tune lora")
        recipe.add_argument("--gradient-checkpointing", action="store_true", default=None)
        recipe.add_argument("--seed", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        given = {name: options[name] for name in RECIPE_FIELDS if options[name] is not None}
        with expected_errors():
            base = model_named(options["base"]).pk if options["base"] else None
            params = TrainingParams(
                name=options["name"],
                base=base,
                collection=options["collection"],
                tune=options["tune"],
                recipe=given,
            )
            check_params(params)
        job = run_in_foreground(self, Job.Kind.TRAIN, asdict(params), unit="steps")
        if job.result.get("gate") == "failed":
            raise SystemExit(4)
