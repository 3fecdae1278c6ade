"""Take in a model and its index from one file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from gallery.management.models import expected_errors
from gallery.services.bundles import import_bundle
from mlcore.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Take in what 'manage.py export_bundle' wrote, without any network. Everything is verified "
        "first. What is live stays live, unless --activate is given."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--activate", action="store_true", help="make it live at once")

    def handle(self, *args: Any, **options: Any) -> None:
        with expected_errors(), ProgressBar("steps") as bar:
            done = import_bundle(options["file"], activate=options["activate"], progress=bar)
        self.stdout.write(f"Model: {done.model}")
        self.stdout.write(f"Pictures: {done.known} are here, {done.missing} are not.")
        if done.index is None:
            self.stdout.write("No index: not one of its pictures is here.")
        elif done.as_it_was:
            self.stdout.write(f"{done.index}, taken as it was.")
        else:
            self.stdout.write(f"{done.index}, built here of the pictures that are here.")
        names = ", ".join(done.query_sets) or "none that is new here"
        self.stdout.write(f"Query sets: {names}.")
        if done.left_out_queries:
            self.stdout.write(f"{done.left_out_queries} queries whose pictures are not here: left.")
        self.stdout.write("It is live now." if done.activated else "What is live has not changed.")
