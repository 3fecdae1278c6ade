"""Build an index from the stored vectors and make it live."""

from argparse import ArgumentParser
from typing import Any, get_args

from django.core.management.base import BaseCommand

from gallery.management.jobs import run_in_foreground
from gallery.models import Job
from gallery.services.versions import explain_index
from mlcore.config import IndexKind


class Command(BaseCommand):
    help = (
        "Build an index from the stored vectors, beside the live one, and make it live. Searches "
        "go on meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--model",
            help="whose vectors to index; the live model's, or CONTEXTVISION_MODEL's, otherwise",
        )
        parser.add_argument(
            "--spec",
            choices=get_args(IndexKind),
            help="flat: exact; ivf_sq8: inverted lists, 8 bits a number; by the size otherwise",
        )
        parser.add_argument(
            "--explain", action="store_true", help="tell which kind would be built and why, only"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        params = {"model": options["model"], "kind": options["spec"]}
        if options["explain"]:
            self.stdout.write(explain_index(options["spec"] or "auto"))
            return
        given = {name: value for name, value in params.items() if value}
        run_in_foreground(self, Job.Kind.INDEX, given, unit="steps")
