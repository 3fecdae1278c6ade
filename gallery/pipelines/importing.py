"""Folders and archives to pictures."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from gallery.models import Failure, Job
from gallery.models.image import Visibility
from gallery.uploads import Admission, Destination, Incoming, admit, collection_named, tags_named
from mlcore.errors import ContextVisionError
from mlcore.layouts import SourceRecord, open_source
from mlcore.progress import Progress

BATCH_FILES = 64
"""Files taken in together, in one transaction."""
BATCH_BYTES = 64 * 1024 * 1024
"""A batch ends early at so many bytes, so that memory is bounded whatever the pictures weigh."""


@dataclass
class _Tally:
    added: int = 0
    known: int = 0
    failed: int = 0
    captions: int = 0
    seen: int = 0


def import_pictures(job: Job, progress: Progress) -> dict[str, Any]:
    """Take in every picture of a source; a broken one is noted and passed over.

    Params: ``path``; and, where given, ``only`` (names of records), ``collection``, ``tags``,
    ``visibility``, ``user`` (id of the owner), ``captions`` (for every picture, after its own).
    What was taken in before is recognised by its content, so a run that was interrupted goes on
    where it was.
    """
    path = Path(job.params["path"])
    destination = _destination(job)
    only = set(job.params.get("only", ()))
    tally = _Tally()
    with open_source(path) as source:
        total = len(only) or source.total or 0
        message = f"Importing {source.layout}"
        progress.report(0, total, message)
        for batch in _batches(source, only, path, job, tally):
            for admission in admit(batch, destination):
                _count(admission, path, job, tally)
            progress.report(tally.seen, total, message)
            if progress.should_stop():
                break
        layout = source.layout
    return {
        "layout": layout,
        "added": tally.added,
        "already there": tally.known,
        "failed": tally.failed,
        "captions": tally.captions,
    }


def _destination(job: Job) -> Destination:
    params = job.params
    user = User.objects.filter(pk=params.get("user", 0)).first()
    return Destination(
        uploader=user,
        owner=user,
        visibility=params.get("visibility", Visibility.PUBLIC),
        collection=collection_named(params.get("collection", "")),
        tags=tuple(tags_named(params.get("tags", ()))),
        job=job,
    )


def _batches(
    source: Iterable[SourceRecord], only: set[str], path: Path, job: Job, tally: _Tally
) -> Iterator[list[Incoming]]:
    batch: list[Incoming] = []
    weight = 0
    for_all = tuple(job.params.get("captions", ()))
    for record in source:
        if only and record.name not in only:
            continue
        tally.seen += 1
        try:
            data = record.read()
        except ContextVisionError as error:
            _count(Admission(record.name, None, error=str(error)), path, job, tally)
            continue
        tally.captions += len(record.captions)
        batch.append(
            Incoming(
                name=record.name,
                data=data,
                captions=(*record.captions, *for_all),
                split=record.split,
                source=record.name,
            )
        )
        weight += len(data)
        if len(batch) >= BATCH_FILES or weight >= BATCH_BYTES:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def _count(admission: Admission, path: Path, job: Job, tally: _Tally) -> None:
    item = ledger_name(path, admission.name)
    if admission.image is None:
        tally.failed += 1
        Failure.objects.record(Failure.Stage.IMPORT, item, admission.error, job=job)
        return
    Failure.objects.filter(stage=Failure.Stage.IMPORT, item=item).delete()
    if admission.created:
        tally.added += 1
    else:
        tally.known += 1


def ledger_name(path: Path, record_name: str) -> str:
    """Name a record in the ledger: unique across sources, readable, at most 300 characters."""
    return f"{path.name}: {record_name}"[-300:]
