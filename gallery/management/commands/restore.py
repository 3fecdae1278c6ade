"""Bring back what 'manage.py backup' has kept."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.management.models import expected_errors
from gallery.services.backups import Repository, check_backup, restore_backup
from mlcore.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Make this installation what it was when a backup was made, on any database and storage "
        "that the settings name. Stop web server and workers first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--backup", help="name of one; the newest otherwise")
        parser.add_argument(
            "--replace", action="store_true", help="give up what this installation holds"
        )
        parser.add_argument(
            "--check", action="store_true", help="read the backup through and change nothing"
        )
        parser.add_argument("--list", action="store_true", help="name all backups in the folder")

    def handle(self, *args: Any, **options: Any) -> None:
        repository, name = Repository(options["folder"]), options["backup"]
        if options["list"]:
            for each in repository.snapshots():
                self.stdout.write(each)
            return
        if options["check"]:
            self._check(repository, name)
            return
        with expected_errors(), ProgressBar("rows and files") as bar:
            done = restore_backup(repository, name, replace=options["replace"], progress=bar)
        self.stdout.write(f"Restored {done.name}: {done.pictures} pictures.")
        for reason in done.unbuilt:
            self.stderr.write(f"An index could not be built; workers will try again. {reason}")
        if done.lacking:
            self.stderr.write(
                f"The site lacked {len(done.lacking)} files of pictures already then."
            )
        if done.other_settings:
            self.stdout.write("Set then, and not so here:")
            for setting in done.other_settings:
                self.stdout.write(f"  {setting}")

    def _check(self, repository: Repository, name: str | None) -> None:
        with expected_errors(), ProgressBar("objects") as bar:
            damaged = check_backup(repository, name, bar)
        if damaged:
            for digest in damaged:
                self.stderr.write(f"  {digest}")
            raise CommandError(f"{len(damaged)} objects of the backup are missing or damaged.")
        self.stdout.write("The backup is whole.")
