"""Work out what pictures look like from afar, where that is not known yet."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.services.looks import fill_looks
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
                filled, troubles = fill_looks(bar)
        except StorageUnavailableError as error:
            raise CommandError(str(error)) from error
        for sentence in troubles:
            self.stderr.write(sentence)
        self.stdout.write(f"{filled} filled.")
