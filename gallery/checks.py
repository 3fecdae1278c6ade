"""System checks: what an operator should mend, in words.

`manage.py check` runs those that need no database; `manage.py check --database default` runs all.
"""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, connection
from django.db.migrations.exceptions import MigrationSchemaMissing
from django.db.migrations.loader import MigrationLoader

from gallery.disk import existing, written_folders
from gallery.storage import StorageUnavailableError

if TYPE_CHECKING:
    from gallery.models import IndexVersion

_NOT_SETTINGS = (
    "CONTEXTVISION_PORT",  # of docker-compose.yml
    "CONTEXTVISION_TEST_",
    "CONTEXTVISION_SLOW_TESTS",
    "CONTEXTVISION_FLICKR8K",
)
CONNECTIONS_OF_OTHERS = 20
"""Workers, commands and whoever looks after the database."""


@register(Tags.files)
def data_folder_is_writable(**_: Any) -> list[CheckMessage]:
    """Pictures, indexes and models can be written where they belong."""
    problems: list[CheckMessage] = []
    for folder in map(existing, written_folders()):
        try:
            with TemporaryFile(dir=folder):
                pass
        except OSError as error:
            problems.append(
                Error(
                    f"The folder {folder} cannot be written to ({error.strerror}).",
                    hint="Let this user write to it, or set CONTEXTVISION_DATA_DIR to another one.",
                    id="contextvision.E001",
                )
            )
    return problems


@register(Tags.compatibility)
def variables_are_known(**_: Any) -> list[CheckMessage]:
    """No variable of the environment is a setting that was misspelled, or is of another release."""
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith("CONTEXTVISION_")
        and name not in settings.KNOWN_VARIABLES
        and not name.startswith(_NOT_SETTINGS)
    )
    return [
        Warning(
            f"{name} is no setting, so it changes nothing.",
            hint=_similar(name) or "docs/settings.md lists all settings.",
            id="contextvision.W014",
        )
        for name in unknown
    ]


def _similar(name: str) -> str:
    found = get_close_matches(name, settings.KNOWN_VARIABLES, 1, 0.8)
    return f"Is {found[0]} meant?" if found else ""


@register(Tags.compatibility)
def model_can_be_meant(**_: Any) -> list[CheckMessage]:
    """CONTEXTVISION_MODEL at least looks like something that could be loaded."""
    return _named_model(
        "CONTEXTVISION_MODEL",
        shipped="starter",
        hint="Use 'starter', a CLIP name on the hub such as openai/clip-vit-base-patch32, or "
        "the folder of a checkpoint.",
        number="E002",
    )


@register(Tags.compatibility)
def sentence_model_can_be_meant(**_: Any) -> list[CheckMessage]:
    """CONTEXTVISION_SENTENCE_MODEL likewise."""
    return _named_model(
        "CONTEXTVISION_SENTENCE_MODEL",
        shipped="minilm",
        hint="Use 'minilm', a name on the hub such as sentence-transformers/all-MiniLM-L6-v2, or a "
        "folder that sentence-transformers wrote.",
        number="E003",
    )


def _named_model(setting: str, *, shipped: str, hint: str, number: str) -> list[CheckMessage]:
    name = getattr(settings, setting)
    if name == shipped or (name and Path(name).expanduser().is_dir()):
        return []
    looks_like_a_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    if "/" in name and not looks_like_a_path:
        return []
    found = f"{setting}={name!r} names no model"
    return [
        Error(
            f"{found}: there is no such folder." if looks_like_a_path else f"{found}.",
            hint=hint,
            id=f"contextvision.{number}",
        )
    ]


@register(Tags.security, deploy=True)
def hosts_are_named(**_: Any) -> list[CheckMessage]:
    """Requests for any host at all are not answered."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "CONTEXTVISION_ALLOWED_HOSTS contains '*', so requests with a forged host name are "
            "answered too.",
            hint="List the names under which visitors reach the site.",
            id="contextvision.W003",
        )
    ]


@register(Tags.database)
def workers_are_seen(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Somebody does the work that is queued, and the database can take as many as there are."""
    from gallery.models import WorkerPulse

    if not _can_be_asked(databases):
        return []
    count = WorkerPulse.objects.alive().count()
    if not count:
        return [
            Warning(
                "No worker has been seen lately, so uploaded pictures wait and cannot be found.",
                hint="Start one: 'make worker', or "
                "'celery --app contextvision_site worker --pool threads'.",
                id="contextvision.W004",
            )
        ]
    if count > 1 and connection.vendor == "sqlite":
        return [
            Warning(
                f"{count} workers share an SQLite database, which lets one of them write at a "
                "time.",
                hint="Run one worker, or move to PostgreSQL with DATABASE_URL.",
                id="contextvision.W005",
            )
        ]
    return []


@register(Tags.database)
def database_has_room(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """PostgreSQL takes as many connections as the web server may open."""
    if not _is_to_be_checked(databases) or connection.vendor != "postgresql":
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW max_connections")
            allowed = int(cursor.fetchone()[0])
    except DatabaseError:
        return []  # Django's own checks and every command tell so
    wanted = settings.WEB_PROCESSES * settings.WEB_THREADS + CONNECTIONS_OF_OTHERS
    if wanted <= allowed:
        return []
    return [
        Warning(
            f"PostgreSQL takes {allowed} connections, and web server and workers may open "
            f"{wanted} ({settings.WEB_THREADS} for each process of CONTEXTVISION_WEB_PROCESSES): "
            "when many people search, pages would fail.",
            hint=f"Set max_connections = {wanted} in postgresql.conf and restart PostgreSQL, or "
            "run fewer web processes.",
            id="contextvision.W012",
        )
    ]


@register(Tags.database)
def live_index_is_as_set(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """The live index is of the model of the settings, and its files are there."""
    from gallery.models import IndexVersion

    if not _can_be_asked(databases):
        return []
    live = IndexVersion.objects.active()
    if live is None:
        return []
    problems: list[CheckMessage] = []
    model = live.model_version
    wanted, found = settings.CONTEXTVISION_MODEL, model.reference
    if not model.is_as_set and wanted == found:
        views = ",".join(settings.CONTEXTVISION_VIEWS)
        problems.append(
            Warning(
                f"CONTEXTVISION_VIEWS is {views!r}, but the vectors of the live index were made of "
                f"{model.views!r}, and so are those of new pictures.",
                hint=f"To change over, run 'manage.py promote {wanted}'; to stay, set "
                f"CONTEXTVISION_VIEWS={model.views}.",
                id="contextvision.W015",
            )
        )
    elif not model.is_as_set:
        problems.append(
            Warning(
                f"CONTEXTVISION_MODEL is {wanted!r}, but the live index was made with {found!r}, "
                "which goes on answering searches.",
                hint=f"To change over, run 'manage.py promote {wanted}'; to stay, set "
                f"CONTEXTVISION_MODEL={found}.",
                id="contextvision.W006",
            )
        )
    return [*problems, *_problems_of_its_store(live)]


def _problems_of_its_store(live: "IndexVersion") -> Iterable[CheckMessage]:
    from gallery.vectors.errors import VectorStoreError
    from gallery.vectors.registry import store_for_new, store_of

    try:
        store = store_of(live)
    except VectorStoreError:
        return [
            Warning(
                f"The live index is kept in a store of the kind {live.store!r}, and "
                "CONTEXTVISION_VECTOR_BACKEND does not say where that is, so searches fail.",
                hint="Set it to the store's address, or run 'manage.py build_index' to build an "
                "index in the store that it names.",
                id="contextvision.W010",
            )
        ]
    wanted = store_for_new().scheme
    if wanted == store.scheme:
        return store.problems(live)
    moved = Warning(
        f"CONTEXTVISION_VECTOR_BACKEND names a store of the kind {wanted!r}, but the live index is "
        f"kept in {store.scheme!r}, which goes on answering searches.",
        hint="Run 'manage.py build_index' to build one there.",
        id="contextvision.W011",
    )
    return [moved, *store.problems(live)]


@register(Tags.database)
def bucket_is_usable_and_private(
    databases: Iterable[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """The bucket can be written to, read and emptied, by this program and nobody else.

    It runs with the checks of the database, and only warns: a bucket that is away for a moment
    must not keep any command from starting.
    """
    if databases is None or isinstance(default_storage, FileSystemStorage):
        return []
    from gallery.bucket import BucketStorage  # boto3 is large, and only read where it is used

    assert isinstance(default_storage, BucketStorage)  # noqa: S101  (the settings know no other)
    try:
        is_public = default_storage.probe()
    except StorageUnavailableError as error:
        return [Warning(str(error.what), hint=str(error.hint), id="contextvision.W008")]
    if not is_public:
        return []
    return [
        Warning(
            f"Anybody can read the bucket {default_storage.bucket_name!r}, private pictures too.",
            hint="Take away its public policy or access list: visitors get pictures from the "
            "site, which asks for permission first.",
            id="contextvision.W009",
        )
    ]


@register(Tags.database)
def changes_of_words_are_noted(
    databases: Iterable[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """The triggers are there that tell what was written since."""
    if not _can_be_asked(databases):
        return []
    from gallery.fulltext import triggers

    if triggers.TRIGGERS.are_installed(connection):
        return []
    return [
        Warning(
            "Triggers of the database are missing: what is written on pictures may not be found.",
            hint="Run 'manage.py migrate'.",
            id="contextvision.W013",
        )
    ]


def _is_to_be_checked(databases: Iterable[str] | None) -> bool:
    return databases is not None and connection.alias in databases


def _can_be_asked(databases: Iterable[str] | None) -> bool:
    """Tell whether the database was to be checked, answers, and has the tables of this version.

    `migrate` runs these checks first: on a database that it has still to bring up to date, a query
    for a model of today fails.
    """
    if not _is_to_be_checked(databases):
        return False
    try:
        loader = MigrationLoader(connection)
    except (DatabaseError, MigrationSchemaMissing):
        return False  # Django's own checks and every command tell so
    known, applied = (
        {name for app, name in migrations if app == "gallery"}
        for migrations in (loader.disk_migrations, loader.applied_migrations)
    )
    return known == applied
