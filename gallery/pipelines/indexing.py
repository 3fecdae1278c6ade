"""Vectors to an index, beside the one that is live."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Min, QuerySet

from gallery import audit
from gallery.jobs.runner import stop_if_asked
from gallery.models import (
    ImageEmbedding,
    IndexVersion,
    Job,
    ModelVersion,
    Promotion,
    Proposal,
    SentenceEmbedding,
    SentenceModel,
    SentenceReading,
    SquareEmbedding,
)
from gallery.pipelines.bias import keep_bias
from gallery.pipelines.embedding import resolve_model
from gallery.pipelines.relevance import fit_first
from gallery.pipelines.sentences import read_first
from gallery.selectors import sample_captions
from gallery.vectors.errors import VectorStoreError
from gallery.vectors.registry import store_for_new, store_of
from gallery.vectors.sentences import TUNED_ON
from mlcore.config import FloatMatrix, IndexSpec
from mlcore.errors import IndexMismatchError
from mlcore.i18n import Message
from mlcore.progress import NoProgress, Progress

logger = logging.getLogger(__name__)

_DELETED_AT_A_TIME = 5_000
"""Vectors removed in one transaction, so that other writers get their turn in between."""


def rebuild_index(job: Job, progress: Progress) -> dict[str, Any]:
    """Build an index from the stored vectors and make it live.

    Params: ``model`` (reference; as for embedding), ``kind`` (of the index; by its size where
    missing). The live index is replaced only if it is still the one that was live at the start;
    otherwise this build was overtaken and steps back.
    """
    live = IndexVersion.objects.active()
    version, _ = resolve_model(job.params.get("model"))
    built = build_index(version, progress, IndexSpec(kind=job.params.get("kind", "auto")))
    if progress.should_stop():
        remove_index(built)
        return {}
    progress.report(2, 3, Message("stage.making_live"))
    if not make_live(built, instead_of=live, job=job):
        remove_index(built)
        return {"superseded": True}
    prune()
    progress.report(3, 3, Message("stage.live"))
    return {"index": built.pk, "pictures": built.count, "model": version.name}


def build_index(
    version: ModelVersion,
    progress: Progress,
    spec: IndexSpec = IndexSpec(),  # noqa: B008 - frozen
) -> IndexVersion:
    """Make an index of all stored vectors of a model, and its row; it is not live yet.

    Raises:
        IndexMismatchError: there are no vectors of this model.
        IndexFileError, VectorStoreError: it cannot be written.
        StoppedError: the job was asked to stop.
    """
    if not ImageEmbedding.objects.of_model(version).exists():
        raise IndexMismatchError("index.no_vectors", model=repr(version.name))
    read_first(progress)
    fit_first(version, progress)
    queries = partial(_likely_queries, version)
    index = store_for_new().build(version, spec, _Stoppable(progress), queries)
    try:
        keep_bias(index, progress)
    except BaseException:
        remove_index(index)
        raise
    return index


class _Stoppable(NoProgress):
    """Progress whose reports end the build where the job was asked to stop."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def report(self, done: int, total: int, message: Message | None = None) -> None:
        self._progress.report(done, total, message)
        stop_if_asked(self._progress)


def _likely_queries(version: ModelVersion) -> FloatMatrix | None:
    """Vectors of sentences that people wrote about these pictures: what will be asked is like
    them."""
    captions = [caption.text for caption in sample_captions(TUNED_ON)]
    return version.load_encoder().encode_texts(captions) if captions else None


def make_live(
    index: IndexVersion, *, instead_of: IndexVersion | None, job: Job | None, **history: Any
) -> bool:
    """Make an index live if ``instead_of`` still is; tell whether it was done.

    Where another model goes live with it, the history says so; ``history`` are fields of its row.
    """
    with transaction.atomic():
        if not index.activate(instead_of=instead_of):
            return False
        Proposal.objects.filter(model_version=index.model_version).delete()
        former = instead_of.model_version if instead_of else None
        if history or former not in (None, index.model_version):
            Promotion.objects.create(
                model_version=index.model_version,
                former_model=former,
                index_version=index,
                former_index=instead_of,
                job=job,
                **history,
            )
            _record(index.model_version, former, job, **history)
    return True


def _record(
    model: ModelVersion,
    former: ModelVersion | None,
    job: Job | None,
    *,
    kind: str = Promotion.Kind.PROMOTION,
    created_by: User | None = None,
    override_reason: str = "",
    **_: Any,
) -> None:
    code = "model_rolled_back" if kind == Promotion.Kind.ROLLBACK else "model_promoted"
    reason = {"reason": override_reason} if override_reason else {}
    audit.record(
        f"{code}_anyway" if reason else code,
        user=created_by or (job.created_by if job else None),
        kind="model",
        pk=model.pk,
        model=model.name,
        former=former.name if former else Message("audit.nothing"),
        **reason,
    )


def prune() -> None:
    """Remove indexes that are not kept any more, and vectors that no kept index was made of."""
    from mlcore.index import remove_stale_builds

    removed = [old for old in IndexVersion.objects.removable() if remove_index(old)]
    for version in {old.model_version for old in removed}:
        _remove_vectors(version)
    if not settings.CONTEXTVISION_SQUARES:
        _remove_rows(SquareEmbedding.objects.order_by("pk"))
    _remove_sentences()
    for root in (settings.INDEX_DIR, settings.MODELS_DIR):
        remove_stale_builds(Path(root), older_than_seconds=3600)


def remove_index(version: IndexVersion) -> bool:
    """Forget a version that is not live; the row goes first, so nothing names what is missing."""
    deleted, _ = IndexVersion.objects.filter(pk=version.pk, is_active=False).delete()
    if deleted:
        try:
            store_of(version).remove(version.location)
        except VectorStoreError as error:
            logger.warning("%s is left behind in the vector store: %s", version, error)
    return bool(deleted)


def _remove_sentences() -> None:
    """Remove what no kept index needs of captions and titles: all of a model that reads no more,
    and the notes that something is not said any more which every index has taken in."""
    current = SentenceReading.objects.current()
    for model in SentenceModel.objects.all():
        kept = IndexVersion.objects.filter(sentence_model=model)
        rows = SentenceEmbedding.objects.of_model(model).order_by("pk")
        if model == current or kept.exists():
            taken_in = kept.aggregate(least=Min("sentence_watermark"))["least"] or 0
            rows = rows.filter(vector=b"", pk__lte=taken_in)
        _remove_rows(rows)
        if model != current and not kept.exists():
            model.delete()


def _remove_vectors(version: ModelVersion) -> None:
    """Remove a model's vectors, unless an index that is kept or a promotion needs them."""
    owner = version.vectors_version_id
    kept = IndexVersion.objects.select_related("model_version")
    coming = Job.objects.unfinished().filter(kind=Job.Kind.PROMOTE)
    models = {index.model_version for index in kept}
    models |= set(ModelVersion.objects.filter(pk__in=[job.params.get("model") for job in coming]))
    if owner in {model.vectors_version_id for model in models}:
        return
    _remove_rows(ImageEmbedding.objects.filter(model_version=owner).order_by("pk"))
    _remove_rows(SquareEmbedding.objects.filter(model_version=owner).order_by("pk"))


def _remove_rows(rows: QuerySet[Any]) -> None:
    while doomed := list(rows.values_list("pk", flat=True)[:_DELETED_AT_A_TIME]):
        rows.model._default_manager.filter(pk__in=doomed).delete()
