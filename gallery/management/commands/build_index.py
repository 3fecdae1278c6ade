"""Build an index from the stored vectors and make it live."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gallery.management.jobs import run_in_foreground
from gallery.models import Job


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

    def handle(self, *args: Any, **options: Any) -> None:
        params = {"model": options["model"]} if options["model"] else {}
        run_in_foreground(self, Job.Kind.INDEX, params, unit="steps")
