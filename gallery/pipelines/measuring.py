"""Evaluations, kept so that nothing is measured twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gallery.jobs.runner import stop_if_asked
from gallery.models import Evaluation, ImageEmbedding, Job, ModelVersion, SavedQuerySet
from gallery.pipelines.captioned import Captioned
from mlcore.config import FloatMatrix, IdVector
from mlcore.evaluation import (
    DirectionMetrics,
    EvalConfig,
    RetrievalMetrics,
    evaluate_retrieval,
    retrieval_metrics,
)
from mlcore.progress import Progress


@dataclass(frozen=True, slots=True)
class Measured:
    metrics: RetrievalMetrics
    evaluation: Evaluation


def measure(
    version: ModelVersion,
    captioned: Captioned,
    config: EvalConfig,
    job: Job,
    progress: Progress,
    *,
    others: "Gallery | None" = None,
) -> Measured:
    """Evaluate a model and keep what was found; an evaluation that is kept already is read.

    ``others`` are pictures beside those of the data that may come back.

    Raises:
        StoppedError: the job was asked to stop.
        DatasetError, ImageRejectedError, ModelUnavailableError: it cannot be measured.
    """
    if others is None:
        kept = _kept(version, captioned, config)
        if kept is not None:
            return kept
    encoder = version.load_encoder()
    metrics = evaluate_retrieval(
        encoder,
        captioned.data,
        config,
        progress=progress,
        extra_gallery=others.vectors if others else None,
        extra_names=others.names() if others else None,
    )
    stop_if_asked(progress)
    whole = metrics.as_dict(outcomes=True)
    to_image = metrics.text_to_image
    evaluation = Evaluation.objects.create(
        model_version=version,
        protocol=config.protocol,
        dataset=captioned.name,
        data_sha256=captioned.sha256,
        queries=to_image.queries,
        gallery=to_image.gallery,
        outcomes=whole.pop("outcomes"),
        composition=whole.pop("composition", {}),
        metrics=whole,
        job=job,
    )
    return Measured(metrics, evaluation)


def metrics_of(evaluation: Evaluation) -> RetrievalMetrics:
    """Read a kept evaluation back, with what each query found."""
    return RetrievalMetrics.from_dict(whole_of(evaluation))


def whole_of(evaluation: Evaluation) -> dict[str, Any]:
    """Return a kept evaluation as ``RetrievalMetrics.as_dict`` gave it, outcomes included."""
    whole = {**evaluation.metrics, "outcomes": evaluation.outcomes}
    return whole | ({"composition": evaluation.composition} if evaluation.composition else {})


def _kept(version: ModelVersion, captioned: Captioned, config: EvalConfig) -> Measured | None:
    rows = Evaluation.objects.filter(
        model_version=version, protocol=config.protocol, data_sha256=captioned.sha256
    )
    for evaluation in rows:
        metrics = metrics_of(evaluation)
        if metrics.config == config:
            return Measured(metrics, evaluation)
    return None


@dataclass(frozen=True, slots=True)
class Gallery:
    """Every stored vector of one model."""

    ids: IdVector
    vectors: FloatMatrix

    @classmethod
    def of_model(cls, version: ModelVersion) -> "Gallery":
        ids, vectors, _ = ImageEmbedding.objects.of_model(version).matrix()
        return cls(ids, vectors)

    def only(self, ids: IdVector) -> "Gallery":
        chosen = np.isin(self.ids, ids)
        return Gallery(self.ids[chosen], self.vectors[chosen])

    def without(self, ids: Sequence[int]) -> "Gallery":
        chosen = ~np.isin(self.ids, np.asarray(ids, dtype=np.int64))
        return Gallery(self.ids[chosen], self.vectors[chosen])

    def names(self) -> list[str]:
        return [str(pk) for pk in self.ids]


KS = (1, 5, 10)


def run_query_set(
    query_set: SavedQuerySet, version: ModelVersion, gallery: Gallery
) -> DirectionMetrics | None:
    """Ask a model the queries of a team; none where no query has a picture that is embedded."""
    rows = {int(pk): row for row, pk in enumerate(gallery.ids)}
    texts: list[str] = []
    relevant: list[list[int]] = []
    for query in query_set.queries.prefetch_related("relevant"):
        wanted = [rows[image.pk] for image in query.relevant.all() if image.pk in rows]
        if wanted:
            texts.append(query.text)
            relevant.append(wanted)
    if not texts:
        return None
    vectors = version.load_encoder().encode_texts(texts)
    return retrieval_metrics(vectors, gallery.vectors, relevant, KS)
