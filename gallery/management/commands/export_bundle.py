"""Write a model with its index into one file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from gallery.management.models import MODEL_HELP, expected_errors, model_named
from gallery.pipelines.exporting import export_bundle


class Command(BaseCommand):
    help = (
        "Write a model, its index, the list of its pictures and all query sets into one file with "
        "checksums. The pictures themselves are not in it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the file to make; must not exist")
        parser.add_argument("--model", help=f"{MODEL_HELP}; the live one otherwise")

    def handle(self, *args: Any, **options: Any) -> None:
        with expected_errors():
            model = model_named(options["model"]) if options["model"] else None
            done = export_bundle(options["file"], model=model)
        self.stdout.write(
            f"{done.path}: {done.model}, {done.pictures} pictures, {done.query_sets} query sets, "
            f"{done.bytes / 1e6:.1f} MB."
        )
        if done.newer:
            self.stdout.write(
                f"{done.newer} pictures that came after the index was built are not in it; "
                "'manage.py build_index' and another export would take them along."
            )
