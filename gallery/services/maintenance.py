"""What the system notices and mends by itself; one of the workers calls it every few seconds."""

import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from gallery import audit, fulltext
from gallery.examples import remove_expired_examples
from gallery.models import Image, ImageEmbedding, IndexVersion, Job, SentenceChange
from gallery.selectors import sentence_tail_length, square_tail_length, tail_length
from gallery.services import jobs, syncing
from gallery.services.shipped_models import keep_shipped_models
from gallery.uploads import resumable
from gallery.vectors import updates
from gallery.vectors.registry import follows_rows

EXAMPLES_INTERVAL = 600.0
"""Seconds between two looks for example pictures that were kept for long enough."""

REPAIRS_AN_HOUR = 3
"""Indexes that are built within an hour because the files of the live one are damaged: a folder
that cannot be read at all is not mended by building into it again and again."""

NIGHT = 6
"""Hours within which a worker begins to look for damage; one that is away then does not by day."""

_examples_looked_at = float("-inf")


def maintain() -> None:
    """Bring lost jobs back, share out what is being embedded, look into sources whose time has
    come, embed what has no vector, read what was written, bring indexes up to date that have fallen
    behind, build one anew whose files are damaged, look for damage by night, and remove what was
    kept for a while: transfers that were given up, example pictures of searches.

    It would be safe in several workers at once, too: jobs are claimed once, and work that is queued
    already is not queued again.
    """
    jobs.recover()
    jobs.invite_helpers()
    syncing.start_due()
    resumable.remove_stale()
    _clear_examples()
    keep_shipped_models()
    fulltext.keep_up()
    updates.sync()
    updates.sync_sentences()
    if _wants_examination():
        params = {"repair": True, "thorough": False, "unasked": True}
        jobs.start(Job.Kind.DOCTOR, params, key=Job.Kind.DOCTOR)
    live = IndexVersion.objects.active()
    if live is not None and live.damaged_at and _may_repair():
        jobs.start(Job.Kind.INDEX, key=Job.Kind.INDEX)
        return
    # The cheap question first: the other one looks at every picture.
    if _may_start(Job.Kind.EMBED) and _wants_embedding(live):
        jobs.start(Job.Kind.EMBED, key=Job.Kind.EMBED)
    elif _may_start(Job.Kind.INDEX) and _wants_index(live):
        jobs.start(Job.Kind.INDEX, key=Job.Kind.INDEX)


def _clear_examples() -> None:
    global _examples_looked_at
    if time.monotonic() - _examples_looked_at >= EXAMPLES_INTERVAL:
        _examples_looked_at = time.monotonic()
        remove_expired_examples()
        audit.forget_old()


def _wants_embedding(live: IndexVersion | None) -> bool:
    if live is not None:
        return Image.objects.any_missing_embeddings(live.model_version)
    return Image.objects.exists() and not ImageEmbedding.objects.exists()


def _wants_index(live: IndexVersion | None) -> bool:
    if live is None:
        return ImageEmbedding.objects.exists()
    # What takes in what comes needs no new index for that.
    if follows_rows(live):
        return False
    limit = settings.CONTEXTVISION_TAIL_LIMIT
    if tail_length(live) > limit or square_tail_length(live) > limit:
        return True
    # Not while they are read: an index of a part would be out of date at once.
    unread = SentenceChange.objects.exists()
    return not unread and sentence_tail_length(live) > limit


def _wants_examination() -> bool:
    """Tell whether the night has begun and nobody has looked for damage in it."""
    hour = settings.CONTEXTVISION_DOCTOR_HOUR
    now = timezone.now()
    if hour is None or not 0 <= (now.hour - hour) % 24 < NIGHT:
        return False
    lately = Job.objects.filter(kind=Job.Kind.DOCTOR, params__unasked=True)
    return not lately.filter(created_at__gte=now - timedelta(hours=24 - NIGHT)).exists()


def _may_repair() -> bool:
    lately = timezone.now() - timedelta(hours=1)
    tried = Job.objects.filter(kind=Job.Kind.INDEX, created_at__gte=lately)
    return not tried.unfinished().exists() and tried.count() < REPAIRS_AN_HOUR


def _may_start(kind: Job.Kind) -> bool:
    """Tell whether no job of this kind is under way, and the last one did not fail.

    After a failure a person looks first: starting over every few seconds would hide the cause
    under copies of it.
    """
    latest = Job.objects.filter(kind=kind).first()
    return latest is None or latest.status in {Job.Status.SUCCEEDED, Job.Status.CANCELLED}
