"""Let all that is written on pictures be found."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gallery.fulltext import upkeep
from mlcore.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Write the words of pictures that changed, which workers do by themselves; after an update "
        "of a large gallery this is quicker. It may be interrupted and started again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="write all of them anew")

    def handle(self, *args: Any, **options: Any) -> None:
        with ProgressBar() as bar:
            if options["rebuild"]:
                written = upkeep.rebuild(bar)
            else:
                upkeep.mark_outdated()
                written = upkeep.catch_up_all(bar)
        self.stdout.write(f"{written} written.")
