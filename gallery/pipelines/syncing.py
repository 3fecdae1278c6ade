"""One look into a source: what is new or has changed is taken in, what vanished is noted."""

import hashlib
from typing import Any

from gallery.jobs.runner import stop_if_asked
from gallery.models import Job, SyncSource
from gallery.models.choices import Visibility
from gallery.pipelines.importing import TOLD, Tally, account, note_odd_rows, take_in
from gallery.pipelines.ledger import Ledger, hide_vanished, ledger_path
from gallery.uploads.items import Destination
from gallery.uploads.places import Contents, SyncError, place_at
from mlcore.errors import DatasetError
from mlcore.i18n import Message
from mlcore.layouts import Chosen, Source
from mlcore.progress import Progress


def sync(job: Job, progress: Progress) -> dict[str, Any]:
    """Take in what a source holds that its ledger does not know.

    Params: ``source`` (id), and ``again`` to try what was refused once more. Where nothing has
    changed since all was taken in, listing it is all that is done.
    """
    source = SyncSource.objects.filter(pk=job.params["source"]).first()
    if source is None:
        raise SyncError("sync.source_removed")
    _take_place_of_last(source, job)
    place = place_at(source.address)
    progress.report(0, 0, Message("stage.listing"))
    contents = place.contents()
    fingerprint = _fingerprint(source, contents)
    again = bool(job.params.get("again"))
    if fingerprint == source.fingerprint and not again:
        return {"listed": len(contents.files), "idle": True}
    ledger = Ledger(source, contents, again=again)
    if not contents.files and not ledger.is_new:
        # A share that is not mounted looks like this: nothing is taken for vanished.
        raise SyncError("sync.empty", source=source.label)
    growing = place.growing(ledger.fresh, progress.should_stop) if ledger.fresh else frozenset()
    stop_if_asked(progress)
    result: dict[str, Any] = {"listed": len(contents.files)}
    if growing:
        result["growing"] = sorted(map(ledger_path, growing))[:TOLD]
    if waits_for := ledger.waits_for(growing):
        return {**result, "waits_for": waits_for[:TOLD]}
    ledger.leave(growing)
    if contents.files:
        chosen = Chosen(source.layout, source.file_column, source.caption_column)
        try:
            with place.open(contents, chosen, growing) as data:
                result |= _take_in(data, source, ledger, job, progress)
        except DatasetError as error:
            if error.message.code != "source.no_pictures":
                raise
            result["notes"] = [error.message.as_json()]  # none yet; there may be some tomorrow
            ledger.finish(())
    if progress.should_stop():
        return result
    result |= {"vanished": ledger.strike(), "replaced": ledger.replaced}
    if source.hide_vanished:
        result["hidden"] = hide_vanished(source)
    if not growing and not contents.unread:
        SyncSource.objects.filter(pk=source.pk).update(fingerprint=fingerprint)
    return result


def _take_in(
    data: Source, source: SyncSource, ledger: Ledger, job: Job, progress: Progress
) -> dict[str, Any]:
    tally = Tally()
    stage = Message.of("stage.importing", layout=data.layout)
    total = len(ledger.fresh)
    listings = data.listings
    if ledger.tells_all(listings):
        note_odd_rows(data, set(), source.label, job, tally)
    records = data.records(lambda record: ledger.wants(record, listings))
    for settled in take_in(records, source.label, job, _destination(source, job), tally):
        ledger.settle(settled)
        progress.report(tally.seen, max(total, tally.seen), stage)
        if progress.should_stop():
            return account(data, tally)
    ledger.finish(listings)
    return account(data, tally)


def _destination(source: SyncSource, job: Job) -> Destination:
    return Destination(
        uploader=job.created_by,
        owner=source.owner,
        visibility=source.visibility,
        collection=source.collection,
        tags=tuple(source.tags.all()),
        job=job,
        visibility_is_asked=source.visibility != Visibility.PUBLIC,
        owner_is_asked=source.owner is not None,
    )


def _fingerprint(source: SyncSource, contents: Contents) -> str:
    """Digest what a pass depends on: the listing, and how it is read."""
    digest = hashlib.sha256(
        repr((source.layout, source.file_column, source.caption_column)).encode()
    )
    for name, state in contents.files.items():
        line = f"{name}\0{state.size}\0{state.stamp}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _take_place_of_last(source: SyncSource, job: Job) -> None:
    """Be the last look; the one before goes if nothing came of it, or there would be one a minute
    in the list of jobs."""
    last = source.last_job
    SyncSource.objects.filter(pk=source.pk).update(last_job=job)
    if last is None or last.pk == job.pk or not last.is_finished or last.is_defect:
        return
    is_bare = not (last.images.exists() or last.failures.exists())
    if last.result.get("idle") or (last.status != Job.Status.SUCCEEDED and is_bare):
        last.delete()
