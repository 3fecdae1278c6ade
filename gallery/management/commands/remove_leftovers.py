"""Remove files that belong to no picture."""

from argparse import ArgumentParser
from typing import Any

from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError

from gallery.services.leftovers import leftovers
from gallery.storage import StorageUnavailableError


class Command(BaseCommand):
    help = (
        "Remove files that belong to no picture: of uploads that were cut off, and of pictures "
        "that were deleted while the storage was out of reach. Files of the last day are spared."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only name them")

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        try:
            for name in leftovers():
                if not options["dry_run"]:
                    default_storage.delete(name)
                self.stdout.write(name)
                count += 1
        except StorageUnavailableError as error:
            raise CommandError(str(error)) from error
        done = "would be removed" if options["dry_run"] else "removed"
        self.stderr.write(f"{count} {done}.")
