"""The whole benchmark."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlcore.benchmark.run import add_options, run
from mlcore.commands.benchmark import MEASUREMENTS, growing
from mlcore.errors import ContextVisionError
from search.management.benchmark import growth
from search.management.benchmark.http import measurements


class Command(BaseCommand):
    help = (
        "Measure encoding, lookup, whole requests and memory beside what people would use "
        "instead, in the same run and on the same input. A site of its own is made for it; the "
        "person's own is left alone. The exit status is 1 where a bar is missed."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        every = (*MEASUREMENTS, *measurements(""))
        add_options(parser, [name for one in every for name in one.names])
        parser.add_argument(
            "--site", default="", metavar="URL",
            help="measure requests to this site, which runs already, instead of one of its own; "
            "it must not limit how often one address asks",
        )  # fmt: skip

        parser.add_argument(
            "--growth-records", nargs="+", type=int, metavar="SIZE", default=[],
            help="measure also how each stage of a request grows, with so many generated records",
        )  # fmt: skip
        parser.add_argument(
            "--database", default="", metavar="URL",
            help="an empty database for those records; SQLite otherwise",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            grow = growing(options)
            if options["growth_records"]:
                sizes = sorted(options["growth_records"])
                grow.append(growth.measurement(sizes, options["database"]))
            said, status = run((*MEASUREMENTS, *measurements(options["site"])), grow, options)
        except ContextVisionError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(said)
        if status:
            sys.exit(status)
