"""Bringing a backup back: files first, then all rows in one transaction, then indexes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from gallery.fulltext import triggers
from gallery.models import (
    Image,
    IndexVersion,
    Job,
    ModelVersion,
    SentenceModel,
    WorkerPulse,
    sentence_triggers,
)
from gallery.models.text import FTS_TABLE
from gallery.pipelines.indexing import build_index
from gallery.services.backups.files import bring_back_models, bring_back_pictures
from gallery.services.backups.making import Counter, kept_settings, named_by
from gallery.services.backups.repository import BackupError, Repository
from gallery.services.backups.tables import empty, load
from mlcore.errors import ContextVisionError
from mlcore.i18n import Message
from mlcore.progress import Progress

_TRIGGERS = (sentence_triggers.TRIGGERS, triggers.TRIGGERS)
_DERIVED = (
    "store",
    "location",
    "count",
    "watermark",
    "sentence_model",
    "sentence_count",
    "sentence_watermark",
    "manifest",
)
"""What a row of an index says of the files, which are built anew."""


@dataclass(slots=True)
class Restored:
    name: str
    pictures: int = 0
    other_settings: list[str] = field(default_factory=list)
    """Settings of then that are others here."""
    unbuilt: list[Message] = field(default_factory=list)
    """Why an index could not be built; searches go by the stored vectors until it is."""
    lacking: list[str] = field(default_factory=list)
    """Files of pictures that the backed-up site lacked itself."""


def check_backup(repository: Repository, name: str | None, progress: Progress) -> list[str]:
    """Read every byte of a backup, and return which objects are missing or damaged.

    Raises:
        BackupError: there is no such backup, or its lists themselves are damaged.
    """
    contents = repository.snapshot(name)
    digests = sorted(set(named_by(repository, contents)))
    counter = Counter(progress, len(digests))
    counter.what = Message("backup.checking")
    damaged = []
    for digest in digests:
        if not repository.check(digest):
            damaged.append(digest)
        counter(1)
    return damaged


def restore_backup(
    repository: Repository, name: str | None, *, replace: bool, progress: Progress
) -> Restored:
    """Make this installation what it was when a backup was made; the newest where none is named.

    Args:
        replace: whether what this installation holds is given up for it.

    Raises:
        BackupError: it is damaged or of a later release; this installation holds something, or its
            workers run. Rows are brought back in one transaction, after all files.
        StorageUnavailableError: the place of the pictures is out of reach.
    """
    contents = repository.snapshot(name)
    executor = MigrationExecutor(connection)
    wanted = {(str(app), str(number)) for app, number in contents["migrations"]}
    if unknown := wanted - set(executor.loader.disk_migrations):
        raise BackupError(
            "backup.of_later_release", release=contents["release"], unknown=sorted(unknown)[0][1]
        )
    _refuse_if_in_use(replace)
    lists = [digest for table in contents["tables"] for _, digest in table["segments"]]
    if damaged := [digest for digest in lists if not repository.check(digest)]:
        raise BackupError("backup.damaged", object=damaged[0])
    rows = sum(table["rows"] for table in contents["tables"])
    counter = Counter(progress, rows + contents["media"]["files"])
    counter.what = Message("backup.models")
    bring_back_models(repository, contents)
    counter.what = Message("backup.pictures")
    bring_back_pictures(repository, contents, counter)
    counter.what = Message("backup.rows")
    _bring_back_rows(repository, contents, executor, wanted, counter)
    _move_models(contents["models"]["root"])
    Image.objects.filter(pk__in=contents["media"]["deleted"]).delete()
    here = kept_settings()
    return Restored(
        name=name or repository.snapshots()[-1],
        pictures=Image.objects.count(),
        other_settings=[
            f"{key}={value}"
            for key, value in contents["settings"].items()
            if here.get(key) != value
        ],
        unbuilt=_build_indexes(progress),
        lacking=[fault["name"] for fault in contents["media"]["faults"]],
    )


def _refuse_if_in_use(replace: bool) -> None:
    tables = connection.introspection.table_names()
    if WorkerPulse._meta.db_table in tables and WorkerPulse.objects.alive().exists():
        raise BackupError("backup.workers_run")
    if replace:
        return
    for model in (Image, User, Job):
        if model._meta.db_table in tables and model._base_manager.exists():
            raise BackupError("backup.site_is_filled")


def _bring_back_rows(
    repository: Repository,
    contents: dict[str, Any],
    executor: MigrationExecutor,
    wanted: set[tuple[str, str]],
    counter: Counter,
) -> None:
    """Load all rows into tables of the release that the backup was made by, and migrate them."""
    loader = executor.loader
    if wanted != {each for each in loader.applied_migrations if each[0] in loader.migrated_apps}:
        _drop_tables()
        executor = MigrationExecutor(connection)
        executor.migrate(_last_of_each_app(executor, wanted))
        executor = MigrationExecutor(connection)
    is_of_today = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    registry = apps if is_of_today else executor.loader.project_state(sorted(wanted)).apps
    with transaction.atomic():
        for each in _TRIGGERS:
            each.remove(connection)
        empty(connection, registry)
        load(repository, contents, registry, counter)
        connection.check_constraints()
        if connection.vendor == "sqlite" and FTS_TABLE in connection.introspection.table_names():
            with connection.cursor() as cursor:
                cursor.execute(f"INSERT INTO {FTS_TABLE} ({FTS_TABLE}) VALUES ('rebuild')")  # noqa: S608
        if is_of_today:  # else they are made after the migration, and everything is read anew
            for each in _TRIGGERS:
                each.install(connection)
    call_command("migrate", interactive=False, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _last_of_each_app(
    executor: MigrationExecutor, wanted: set[tuple[str, str]]
) -> list[tuple[str, str | None]]:
    nodes = executor.loader.graph.node_map

    def is_followed(each: tuple[str, str]) -> bool:
        children = (child.key for child in nodes[each].children)
        return any(key in wanted and key[0] == each[0] for key in children)

    return [each for each in sorted(wanted) if not is_followed(each)]


def _drop_tables() -> None:
    """Remove the tables of all apps, so that those of another release can be made."""
    prefixes = tuple(f"{config.label}_" for config in apps.get_app_configs())
    quote = connection.ops.quote_name
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"DROP TABLE IF EXISTS {FTS_TABLE}")
        names = connection.introspection.table_names(cursor)
        for name in names:
            if name.startswith((*prefixes, "django_")):
                cascade = " CASCADE" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TABLE {quote(name)}{cascade}")


def _move_models(root: str) -> None:
    """Let references to models lead to the folder where these are here."""
    if Path(root) == Path(settings.MODELS_DIR):
        return
    for model in (ModelVersion, SentenceModel):
        for row in model._base_manager.filter(reference__startswith=f"{root}/"):
            row.reference = str(Path(settings.MODELS_DIR) / row.reference.removeprefix(f"{root}/"))
            row.save(update_fields=["reference"])


def _build_indexes(progress: Progress) -> list[Message]:
    """Build the live index and the one that a rollback goes to of the vectors, under their numbers.

    The others are of the same models or older ones, and nothing leads back to them.
    """
    kept = [
        row
        for row in (IndexVersion.objects.active(), IndexVersion.objects.previous())
        if row is not None
    ]
    IndexVersion.objects.exclude(pk__in=[row.pk for row in kept]).delete()
    unbuilt = []
    for row in kept:
        try:
            built = build_index(row.model_version, progress)
        except ContextVisionError as error:
            unbuilt.append(error.message)
            if not row.is_active:
                row.delete()
            continue
        values = {name: getattr(built, name) for name in _DERIVED}
        with transaction.atomic():
            IndexVersion.objects.filter(pk=built.pk).delete()
            IndexVersion.objects.filter(pk=row.pk).update(**values)
    return unbuilt
