"""What the system notices and mends by itself; every worker calls it every few seconds."""

from django.conf import settings

from gallery.models import Image, ImageEmbedding, IndexVersion, Job
from gallery.selectors import tail_length
from gallery.services import jobs


def maintain() -> None:
    """Bring lost jobs back, embed what has no vector, and rebuild an index that has fallen behind.

    All of it is safe to run in several workers at once: jobs are claimed once, and work that is
    queued already is not queued again.
    """
    jobs.recover()
    live = IndexVersion.objects.active()
    if _wants_embedding(live) and _may_start(Job.Kind.EMBED):
        jobs.start(Job.Kind.EMBED, key=Job.Kind.EMBED)
    elif _wants_index(live) and _may_start(Job.Kind.INDEX):
        jobs.start(Job.Kind.INDEX, key=Job.Kind.INDEX)


def _wants_embedding(live: IndexVersion | None) -> bool:
    if live is not None:
        return Image.objects.missing_embeddings(live.model_version).exists()
    return Image.objects.exists() and not ImageEmbedding.objects.exists()


def _wants_index(live: IndexVersion | None) -> bool:
    if live is None:
        return ImageEmbedding.objects.exists()
    return tail_length(live) > settings.CONTEXTVISION_TAIL_LIMIT


def _may_start(kind: Job.Kind) -> bool:
    """Tell whether no job of this kind is under way, and the last one did not fail.

    After a failure a person looks first: starting over every few seconds would hide the cause
    under copies of it.
    """
    latest = Job.objects.filter(kind=kind).first()
    return latest is None or latest.status in {Job.Status.SUCCEEDED, Job.Status.CANCELLED}
