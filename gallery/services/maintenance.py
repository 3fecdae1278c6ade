"""What the system notices and mends by itself; one of the workers calls it every few seconds."""

import time

from django.conf import settings

from gallery.examples import remove_expired_examples
from gallery.models import Image, ImageEmbedding, IndexVersion, Job
from gallery.selectors import tail_length
from gallery.services import incoming, jobs
from gallery.stores import catch_up

EXAMPLES_INTERVAL = 600.0
"""Seconds between two looks for example pictures that were kept for long enough."""

_examples_looked_at = float("-inf")


def maintain() -> None:
    """Bring lost jobs back, share out what is being embedded, embed what has no vector, bring
    indexes up to date that have fallen behind, and remove what was kept for a while: transfers that
    were given up, example pictures of searches.

    It would be safe in several workers at once, too: jobs are claimed once, and work that is queued
    already is not queued again.
    """
    jobs.recover()
    jobs.invite_helpers()
    incoming.remove_stale()
    _clear_examples()
    catch_up()
    live = IndexVersion.objects.active()
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


def _wants_embedding(live: IndexVersion | None) -> bool:
    if live is not None:
        return Image.objects.missing_embeddings(live.model_version).exists()
    return Image.objects.exists() and not ImageEmbedding.objects.exists()


def _wants_index(live: IndexVersion | None) -> bool:
    if live is None:
        return ImageEmbedding.objects.exists()
    # A vector store takes in what comes; only files fall behind.
    in_files = live.store == IndexVersion.IN_FILES
    return in_files and tail_length(live) > settings.CONTEXTVISION_TAIL_LIMIT


def _may_start(kind: Job.Kind) -> bool:
    """Tell whether no job of this kind is under way, and the last one did not fail.

    After a failure a person looks first: starting over every few seconds would hide the cause
    under copies of it.
    """
    latest = Job.objects.filter(kind=kind).first()
    return latest is None or latest.status in {Job.Status.SUCCEEDED, Job.Status.CANCELLED}
