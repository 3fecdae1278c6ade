"""Work out the main colour and the placeholder of pictures that have none yet."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.services.placeholders import backfill_placeholders
from gallery.storage import StorageUnavailableError
from mlcore.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Work out the main colour and the placeholder of pictures that came before these were "
        "kept. It may be interrupted and started again at any time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with ProgressBar() as bar:
                filled, failed = backfill_placeholders(bar)
        except StorageUnavailableError as error:
            raise CommandError(str(error)) from error
        for sentence in failed:
            self.stderr.write(sentence)
        self.stdout.write(f"{filled} filled.")
