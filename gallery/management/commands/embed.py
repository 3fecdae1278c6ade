"""Make the vectors that are missing."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gallery.management.jobs import run_in_foreground
from gallery.models import Job


class Command(BaseCommand):
    help = (
        "Embed every picture that has no vector yet, with the live model or the one of "
        "CONTEXTVISION_MODEL. The exit status is 3 where some pictures failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--model", help="'starter', a CLIP name on the hub, or a folder, instead"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        params = {"model": options["model"]} if options["model"] else {}
        job = run_in_foreground(self, Job.Kind.EMBED, params)
        if job.result.get("failed"):
            raise SystemExit(3)
