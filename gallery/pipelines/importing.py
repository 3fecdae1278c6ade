"""Folders and archives to pictures."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, User

from gallery.models import Failure, Job
from gallery.models.choices import Visibility
from gallery.storage import StorageUnavailableError
from gallery.uploads.descriptions import collection_named, tags_named
from gallery.uploads.ingest import in_batches, ingest
from gallery.uploads.items import Destination, IngestResult, UploadItem
from mlcore.errors import ContextVisionError
from mlcore.i18n import Message
from mlcore.layouts import Source, SourceRecord, open_source
from mlcore.layouts.options import chosen
from mlcore.progress import Progress

UPDATES = frozenset({"owner", "visibility", "collection", "split", "title"})
EXAMPLES = 3
LISTED = 1000
"""Odd rows that get a line each in the ledger; of more only the number is told."""
TOLD = 20
"""Contradictions named in the account; of more only the number is told."""


@dataclass
class Tally:
    """What came of the pictures of a source so far."""

    added: int = 0
    known: int = 0
    updated: int = 0
    restored: int = 0
    failed: int = 0
    reasons: list[dict[str, Any]] = field(default_factory=list)
    """The first that failed, each with why; the ledger has all of them."""
    captions: int = 0
    tags: int = 0
    seen: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    differs: Counter[str] = field(default_factory=Counter)
    contradictions: list[str] = field(default_factory=list)


def import_pictures(job: Job, progress: Progress) -> dict[str, Any]:
    """Take in every picture of a source; a broken one is noted and passed over.

    Params: ``path``; and, where given, ``only`` (names of records), ``collection``, ``tags``,
    ``visibility``, ``groups`` (names), ``user`` (id of the owner), ``captions`` (for every picture,
    after its own), ``captions_by_name`` (for single ones),
    and the options of :data:`gallery.uploads.import_options.IMPORT_OPTIONS`.
    What was taken in before is recognised by its content, so a run that was interrupted goes on
    where it was.
    """
    path = Path(job.params["path"])
    with open_source(path, chosen=chosen(job.params)) as source:
        if job.params.get("dry_run"):
            return look(source)
        destination = _destination(job)
        tally = Tally()
        only = set(job.params.get("only", ()))
        total = len(only) or source.total or 0
        stage = Message.of("stage.importing", layout=source.layout)
        progress.report(0, total, stage)
        note_odd_rows(source, only, path.name, job, tally)
        records = source.records(lambda record: not only or record.name in only)
        for _ in take_in(records, path.name, job, destination, tally):
            progress.report(tally.seen, total, stage)
            if progress.should_stop():
                break
        return account(source, tally)


def look(source: Source) -> dict[str, Any]:
    """Tell what an import of a source would read."""
    found = captions = 0
    splits: Counter[str] = Counter()
    examples: list[str] = []
    for record in source:
        if found < EXAMPLES:
            examples.append(f"{record.name}: {' / '.join(record.captions[:2])}"[:200])
        found += 1
        captions += len(record.captions)
        splits[record.split] += 1
    return {
        "layout": source.layout.as_json(),
        "recognised": source.why.as_json(),
        "found": found,
        "captions": captions,
        "splits": _named(splits),
        "examples": examples,
        **_beside(source),
        "odd_rows": [_of_item(row.where, row.reason) for row in source.odd[:TOLD]],
    }


def account(source: Source, tally: Tally) -> dict[str, Any]:
    return {
        "layout": source.layout.as_json(),
        "recognised": source.why.as_json(),
        "found": tally.seen,
        "added": tally.added,
        "already_there": tally.known,
        "updated": tally.updated,
        "restored": tally.restored,
        "failed": tally.failed,
        "failures": tally.reasons,
        "captions": tally.captions,
        "tags": tally.tags,
        "splits": _named(tally.splits),
        "differs": dict(sorted(tally.differs.items())),
        "contradicting_splits": tally.contradictions[:TOLD],
        **_beside(source),
    }


def _beside(source: Source) -> dict[str, Any]:
    left = source.left_over()
    return {
        "passed_over": dict(left.kinds),
        "not_used": list(left.captions),
        "notes": [note.as_json() for note in source.notes[:TOLD]],
    }


def _named(splits: Counter[str]) -> dict[str, int]:
    return {name: splits[name] for name in ("train", "validation", "test") if splits[name]}


def _destination(job: Job) -> Destination:
    params = job.params
    user = User.objects.filter(pk=params.get("user", 0)).first()
    return Destination(
        uploader=user,
        owner=user,
        sender=job.created_by,
        visibility=params.get("visibility", Visibility.PUBLIC),
        groups=tuple(Group.objects.filter(name__in=params.get("groups", ()))),
        collection=collection_named(params.get("collection", "")),
        tags=tuple(tags_named(params.get("tags", ()))),
        job=job,
        # Public is what a picture is that nobody said anything about.
        visibility_is_asked=params.get("visibility", Visibility.PUBLIC) != Visibility.PUBLIC,
        owner_is_asked="user" in params,
        updates=UPDATES if params.get("update") else frozenset(),
    )


def note_odd_rows(source: Source, only: set[str], label: str, job: Job, tally: Tally) -> None:
    """Put the rows of a listing that cannot be used into the ledger of failures."""
    for row in source.odd:
        if only and row.where not in only:
            continue
        _note_failure(tally, row.where, row.reason)
        if tally.failed <= LISTED:
            item = ledger_name(label, row.where)
            Failure.objects.record(Failure.Stage.IMPORT, item, row.reason, job=job)


def take_in(
    records: Iterable[SourceRecord],
    label: str,
    job: Job,
    destination: Destination,
    tally: Tally,
) -> Iterator[list[tuple[SourceRecord, IngestResult]]]:
    """Read records and ingest them; yield a batch each time that it is done, with what became of
    each.

    What cannot be read or decoded is put into the ledger of failures under ``label``.

    Raises:
        StorageUnavailableError: the bucket that they are in, or go to, does not answer.
    """
    read: deque[SourceRecord] = deque()
    unread: list[tuple[SourceRecord, IngestResult]] = []
    for batch in in_batches(_items(records, label, job, tally, read, unread)):
        settled = [*unread]
        unread.clear()
        for item, result in zip(batch, ingest(batch, destination), strict=True):
            settled.append((read.popleft(), result))
            _count(result, label, job, tally, item)
        yield settled
    yield unread


def _items(
    records: Iterable[SourceRecord],
    label: str,
    job: Job,
    tally: Tally,
    read: deque[SourceRecord],
    unread: list[tuple[SourceRecord, IngestResult]],
) -> Iterator[UploadItem]:
    """Read records one by one, into ``read`` or, with the reason, into ``unread``."""
    for_all = tuple(job.params.get("captions", ()))
    by_name = job.params.get("captions_by_name", {})
    for record in records:
        tally.seen += 1
        try:
            data = record.read()
        except StorageUnavailableError:
            raise
        except ContextVisionError as error:
            result = IngestResult(record.name, None, error=error.message)
            _count(result, label, job, tally)
            unread.append((record, result))
            continue
        read.append(record)
        yield UploadItem(
            name=record.name,
            data=data,
            captions=(*record.captions, *_for_one(record.name, by_name), *for_all),
            split=record.split,
            source=record.name,
            said=record.said,
        )


def _for_one(name: str, by_name: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """What was written for this file, by its whole name or the last part of it."""
    return by_name.get(name) or by_name.get(name.rpartition("/")[2], ())


def _count(
    result: IngestResult, label: str, job: Job, tally: Tally, item: UploadItem | None = None
) -> None:
    name = ledger_name(label, result.name)
    if result.error is not None:
        _note_failure(tally, result.name, result.error)
        Failure.objects.record(Failure.Stage.IMPORT, name, result.error, job=job)
        return
    Failure.objects.filter(stage=Failure.Stage.IMPORT, item=name).delete()
    if result.created:
        tally.added += 1
    else:
        tally.known += 1
    tally.updated += result.updated
    tally.restored += result.restored
    tally.differs.update(result.differs)
    tally.captions += result.captions
    tally.tags += result.tags
    if item is not None:
        tally.splits[item.split] += 1
    if "split" in result.differs:
        tally.contradictions.append(result.name)


def _note_failure(tally: Tally, item: str, reason: Message) -> None:
    tally.failed += 1
    if tally.failed <= TOLD:
        tally.reasons.append(_of_item(item, reason))


def _of_item(item: str, reason: Message) -> dict[str, Any]:
    """Tell a reason with the name of what it is about, which most reasons of pictures hold."""
    if reason.code == "image.rejected":
        return reason.as_json()
    return Message.of("text.item_reason", item=item, reason=reason).as_json()


def ledger_name(label: str, record_name: str) -> str:
    """Name a record in the ledger: unique across sources, readable, at most 300 characters."""
    return f"{label}: {record_name}"[-300:]
