"""Making a backup: rows as one moment saw them, then the files that they name."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from gallery.models import Image
from gallery.services.backups.files import keep_models, keep_pictures
from gallery.services.backups.repository import BackupError, Repository
from gallery.services.backups.tables import dump, tables
from mlcore import __version__
from mlcore.i18n import Message
from mlcore.progress import Progress

_SERVICES = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "HF_HOME")
_SECRET = re.compile(r"SECRET|KEY|PASSWORD|TOKEN")
_PASSWORD = re.compile(r"://([^:/@]*):[^@]*@")


@dataclass(frozen=True, slots=True)
class BackupMade:
    name: str
    rows: int
    new_files: int
    """Files of pictures that no backup in the folder held."""
    faults: list[dict[str, str]]
    """``name`` of each picture's file that the site itself lacks, and ``why``: missing, damaged."""
    removed: int
    """Objects that went with backups which are not kept."""


def make_backup(folder: Path, *, keep: int | None, progress: Progress) -> BackupMade:
    """Add a backup to a folder, which is made where there is none.

    Args:
        keep: how many of the newest backups stay; all of them where it is None.

    Raises:
        BackupError: it cannot be written, another one is under way there, or the database is not of
            this release. What was copied serves the next try; it is no backup.
        StorageUnavailableError: the pictures are out of reach.
    """
    repository = Repository(folder)
    with repository.writing():
        migrations = _migrations()
        former = repository.snapshot() if repository.snapshots() else None
        made_at = timezone.now().strftime("%Y%m%dT%H%M%S.%fZ")
        with one_view():
            rows = sum(model._base_manager.count() for model in tables().values())
            counter = Counter(progress, rows + 3 * Image.objects.count())
            counter.what = Message("backup.rows")
            kept = dump(repository, counter)
        contents: dict[str, Any] = {
            "release": __version__,
            "made_at": made_at,
            "database": connection.vendor,
            "migrations": migrations,
            "settings": kept_settings(),
            "tables": kept,
        }
        counter.what = Message("backup.pictures")
        contents["media"] = media = keep_pictures(repository, contents, former, counter)
        counter.what = Message("backup.models")
        contents["models"] = keep_models(repository)
        name = repository.add_snapshot(contents)
        removed = repository.prune(keep, lambda each: named_by(repository, each)) if keep else 0
    return BackupMade(name, rows, media["new"], media["faults"], removed)


class Counter:
    """Adds up what was done, and reports it."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self.what = Message("backup.rows")

    def __call__(self, count: int) -> None:
        self._done += count
        self._progress.report(min(self._done, self._total), self._total, self.what)


def named_by(repository: Repository, contents: dict[str, Any]) -> Iterator[str]:
    """Yield the digest of every object that a backup needs; some more than once."""
    for table in contents["tables"]:
        yield from (digest for _, digest in table["segments"])
    for _, digest in contents["media"]["segments"]:
        yield digest
        yield from (entry["sha256"] for entry in repository.lines(digest))
    yield from (file["sha256"] for file in contents["models"]["files"] if "sha256" in file)


def kept_settings() -> dict[str, str]:
    """Return the settings of this process's environment, without what is secret in them."""
    return {
        name: _PASSWORD.sub(r"://\1:...@", value)
        for name, value in sorted(os.environ.items())
        if (name.startswith("CONTEXTVISION_") or name in _SERVICES) and not _SECRET.search(name)
    }


def _migrations() -> list[list[str]]:
    """Return the migrations of the database, which has all that this release brings, and no more.

    Raises:
        BackupError: it is of another release.
    """
    executor = MigrationExecutor(connection)
    loader = executor.loader
    applied = {each for each in loader.applied_migrations if each[0] in loader.migrated_apps}
    is_behind = executor.migration_plan(loader.graph.leaf_nodes())
    if is_behind or applied - set(loader.disk_migrations):
        raise BackupError("backup.of_another_release")
    return sorted(list(each) for each in applied)


@contextmanager
def one_view() -> Iterator[None]:
    """A transaction that reads what one moment saw, and holds up nobody who writes."""
    connection.ensure_connection()
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
        return
    # The settings let transactions take SQLite's one write lock at their start.
    sqlite: Any = connection
    former, sqlite.transaction_mode = sqlite.transaction_mode, "DEFERRED"
    try:
        with transaction.atomic():
            yield
    finally:
        sqlite.transaction_mode = former
