"""Keep everything that this installation holds."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.management.models import expected_errors
from gallery.services.backups import make_backup
from mlcore.progress import ProgressBar

SHOWN = 10
"""Files that are named one by one."""


class Command(BaseCommand):
    help = (
        "Add a backup to a folder: database, pictures, models and settings without secrets. What "
        "an earlier backup in the folder holds is not copied again. The site may go on meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="on another disk or machine, best of all")
        parser.add_argument(
            "--keep", type=int, help="remove all but this many of the newest backups afterwards"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        keep = options["keep"]
        if keep is not None and keep < 1:
            raise CommandError("--keep takes a number of at least 1.")
        with expected_errors(), ProgressBar("rows and files") as bar:
            made = make_backup(options["folder"], keep=keep, progress=bar)
        self.stdout.write(
            f"Backup {made.name}: {made.rows} rows, {made.new_files} new files of pictures."
        )
        if made.removed:
            self.stdout.write(f"{made.removed} objects of backups that are not kept were removed.")
        if not made.faults:
            return
        for fault in made.faults[:SHOWN]:
            self.stderr.write(f"  {fault['name']}: {fault['why']}")
        raise CommandError(
            f"All else is backed up, but {len(made.faults)} files of pictures are missing or "
            "damaged on the site itself."
        )
