"""Train a candidate on the gallery's captions."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, get_args

from django.core.management.base import BaseCommand

from gallery.management.jobs import run_in_foreground
from gallery.management.models import MODEL_HELP, expected_errors, model_named
from gallery.models import Job
from gallery.services.training import TrainingParams, check_params
from mlcore.commands.recipe import add_options, given_options
from mlcore.training import Tune


class Command(BaseCommand):
    help = (
        "Fine-tune a model on the captioned pictures of the gallery, and compare it with the live "
        "one on the test pictures. What is live does not change; 'manage.py promote' does "
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
        add_options(recipe, "recipe", "memory", site=True)

    def handle(self, *args: Any, **options: Any) -> None:
        with expected_errors():
            base = model_named(options["base"]).pk if options["base"] else None
            params = TrainingParams(
                name=options["name"],
                base=base,
                collection=options["collection"],
                tune=options["tune"],
                recipe=given_options(options),
            )
            check_params(params)
        job = run_in_foreground(self, Job.Kind.TRAIN, asdict(params), unit="steps")
        if job.result.get("gate") == "failed":
            raise SystemExit(4)
