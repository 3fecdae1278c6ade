"""Make a model live."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gallery.management.jobs import run_in_foreground
from gallery.management.models import MODEL_HELP, expected_errors, model_named
from gallery.models import Job


class Command(BaseCommand):
    help = (
        "Compare a model with the live one, embed every picture with it, build its index, and make "
        "it live. Searches go on meanwhile. A model that is worse is refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help=MODEL_HELP)
        parser.add_argument(
            "--override", default="", metavar="REASON",
            help="make it live although a check fails; the reason is kept",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        with expected_errors():
            model = model_named(options["model"])
        params = {"model": model.pk, "override_reason": options["override"].strip()}
        run_in_foreground(self, Job.Kind.PROMOTE, params)
