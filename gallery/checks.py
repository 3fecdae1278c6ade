"""System checks: what an operator should mend, in words.

`manage.py check` runs those that need no database; `manage.py check --database default` runs all.
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, connection

from gallery.storage import StorageUnavailableError

CONNECTIONS_OF_OTHERS = 20
"""Workers, commands and whoever looks after the database."""


@register(Tags.files)
def data_folder_is_writable(**_: Any) -> list[CheckMessage]:
    """Pictures, indexes and models can be written where they belong."""
    folders = [settings.INDEX_DIR, settings.MODELS_DIR, settings.TRANSFER_DIR]
    if isinstance(default_storage, FileSystemStorage):
        folders.append(settings.MEDIA_ROOT)
    problems: list[CheckMessage] = []
    for folder in map(Path, folders):
        # A folder that is not there yet will be made in the nearest one that is.
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        try:
            with TemporaryFile(dir=existing):
                pass
        except OSError as error:
            problems.append(
                Error(
                    f"The folder {existing} cannot be written to ({error.strerror}).",
                    hint="Let this user write to it, or set CONTEXTVISION_DATA_DIR to another one.",
                    id="contextvision.E001",
                )
            )
    return problems


@register(Tags.compatibility)
def model_can_be_meant(**_: Any) -> list[CheckMessage]:
    """CONTEXTVISION_MODEL at least looks like something that could be loaded."""
    name = settings.CONTEXTVISION_MODEL
    if name == "starter" or (name and Path(name).expanduser().is_dir()):
        return []
    looks_like_a_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    if "/" in name and not looks_like_a_path:
        return []
    return [
        Error(
            f"CONTEXTVISION_MODEL={name!r} names no model: there is no such folder."
            if looks_like_a_path
            else f"CONTEXTVISION_MODEL={name!r} names no model.",
            hint="Use 'starter', a CLIP name on the hub such as openai/clip-vit-base-patch32, or "
            "the folder of a checkpoint.",
            id="contextvision.E002",
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

    if not _can_be_asked(databases, WorkerPulse._meta.db_table):
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

    if not _can_be_asked(databases, IndexVersion._meta.db_table):
        return []
    live = IndexVersion.objects.active()
    if live is None:
        return []
    problems: list[CheckMessage] = []
    wanted, found = settings.CONTEXTVISION_MODEL, live.model_version.reference
    if not live.model_version.is_as_set:
        problems.append(
            Warning(
                f"CONTEXTVISION_MODEL is {wanted!r}, but the live index was made with {found!r}, "
                "which goes on answering searches.",
                hint=f"To change over, run 'manage.py promote {wanted}'; to stay, set "
                f"CONTEXTVISION_MODEL={found}.",
                id="contextvision.W006",
            )
        )
    if live.store == IndexVersion.IN_MILVUS:
        if settings.CONTEXTVISION_VECTOR_BACKEND == "faiss":
            problems.append(
                Warning(
                    "The live index is kept in Milvus, and CONTEXTVISION_VECTOR_BACKEND does not "
                    "say where that is, so searches fail.",
                    hint="Set it to the server's address, or run 'manage.py build_index' to build "
                    "an index in files.",
                    id="contextvision.W010",
                )
            )
        return problems
    if settings.CONTEXTVISION_VECTOR_BACKEND != "faiss":
        problems.append(
            Warning(
                "CONTEXTVISION_VECTOR_BACKEND names a vector store, but the live index is kept in "
                "files, which go on answering searches.",
                hint="Run 'manage.py build_index' to build one there.",
                id="contextvision.W011",
            )
        )
    if not live.path.is_dir():
        problems.append(
            Warning(
                f"The files of the live index are missing: {live.path}.",
                hint="Run 'manage.py build_index': it makes them again from the stored vectors.",
                id="contextvision.W007",
            )
        )
    return problems


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
        return [Warning(error.what, hint=error.hint, id="contextvision.W008")]
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


def _is_to_be_checked(databases: Iterable[str] | None) -> bool:
    return databases is not None and connection.alias in databases


def _can_be_asked(databases: Iterable[str] | None, table: str) -> bool:
    """Tell whether the database was to be checked, answers, and has been migrated."""
    if not _is_to_be_checked(databases):
        return False
    try:
        return table in connection.introspection.table_names()
    except DatabaseError:
        return False  # Django's own checks and every command tell so
