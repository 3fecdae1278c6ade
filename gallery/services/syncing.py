"""Following sources: who looks into them when, and what happens to pictures that vanished."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from gallery.models import Job, SyncSource
from gallery.pipelines.ledger import hide_vanished
from gallery.services import jobs
from gallery.uploads.descriptions import collection_named, tags_named
from gallery.uploads.places import SyncError
from mlcore.progress import Progress

__all__ = [
    "follow_folder",
    "hide_vanished",
    "look_here",
    "request_look",
    "save_source",
    "start_due",
]


def save_source(source: SyncSource, values: Mapping[str, Any]) -> SyncSource:
    """Write how a source is followed, all of it or nothing; what is not named stays as it is.

    ``collection`` (empty for none) and ``tags`` are names, made where they are new.
    """
    values = dict(values)
    tags = values.pop("tags", None)
    with transaction.atomic():
        if "collection" in values:
            values["collection"] = collection_named(values["collection"])
        for name, value in values.items():
            setattr(source, name, value)
        source.save()
        if tags is not None:
            source.tags.set(tags_named(tags))
    return source


def start_due() -> None:
    """Queue a look into every source whose time has come."""
    for source in SyncSource.objects.due():
        if source.postpone():
            request_look(source)


def request_look(source: SyncSource, *, user: User | None = None) -> Job:
    """Queue a look into a source; one that is unfinished serves too."""
    return jobs.start(Job.Kind.SYNC, {"source": source.pk}, user=user, key=source.job_key)


def look_here(source: SyncSource, *, watcher: Progress) -> Job:
    """Look into a source in this process, and return the finished job.

    A look that died with its process is taken up.

    Raises:
        SyncError: another process is at it.
    """
    for job in Job.objects.abandoned().filter(key=source.job_key):
        job.requeue()
    job = jobs.run_here(Job.Kind.SYNC, {"source": source.pk}, watcher=watcher, key=source.job_key)
    if not job.is_finished:
        raise SyncError("sync.under_way", source=source.label)
    return job


def follow_folder(path: Path) -> SyncSource:
    """Return the source of a folder, made where it is new; workers do not look into a new one.

    Raises:
        SyncError: there is no such folder.
    """
    folder = path.resolve()
    if not folder.is_dir():
        raise SyncError("sync.no_folder", path=folder.name)
    new = {"is_enabled": False, "interval": SyncSource.MIN_INTERVAL}
    return SyncSource.objects.get_or_create(address=str(folder), defaults=new)[0]
