"""Compare the vector store with the database."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.management.models import expected_errors
from gallery.services.vectors import compare_vectors


class Command(BaseCommand):
    help = (
        "Compare every index that is kept in a vector store with the vectors in the database. Ends "
        "with 1 where they differ and are not mended."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--mend", action="store_true", help="bring the store to what the database says"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        mend = options["mend"]
        found = different = 0
        with expected_errors():
            for finding in compare_vectors(mend=mend):
                found += 1
                different += finding.differs
                self.stdout.write(finding.text + (", mended" if mend and finding.differs else ""))
        if not found:
            self.stdout.write("No index is kept in a vector store; files never change.")
        if different and not mend:
            raise CommandError("The store differs from the database; --mend brings it back.")
