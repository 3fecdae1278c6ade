"""Asking for evaluations, and reading what they found."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from gallery.models import Evaluation, Job, ModelVersion
from gallery.pipelines.captioned import Partition, name_of, partition_sizes
from gallery.pipelines.measuring import metrics_of, whole_of
from gallery.services import jobs
from mlcore.encoders.checkpoints import read_json
from mlcore.errors import ContextVisionError, DatasetError
from mlcore.evaluation import EvalConfig
from mlcore.training import TRAINING

if TYPE_CHECKING:
    from mlcore.evaluation import Comparison

PROTOCOLS = (
    ("karpathy-1k", _("Every caption asks all pictures (karpathy-1k)")),
    ("reference-100", _("100 captions at a time, over 20 draws (reference-100)")),
)
GALLERIES = (
    ("queried", _("The pictures that are asked for")),
    ("split", _("The whole split")),
    ("indexed", _("Every picture of the gallery")),
)
SPLITS = (
    (Partition.TEST, _("Test: what no training saw")),
    (Partition.VALIDATION, _("Validation: what chose the best epoch")),
    (Partition.TRAIN, _("Train: what was learnt from")),
    ("", _("All captioned pictures")),
)


class EvaluationError(ContextVisionError):
    """An evaluation cannot be asked for like this."""


def request_evaluation(
    model: ModelVersion,
    *,
    protocol: str = "karpathy-1k",
    gallery: str = "queried",
    split: str = Partition.TEST,
    collection: str = "",
    composition: bool = False,
    user: User | None,
) -> Job:
    """Queue an evaluation of a model on captioned pictures of the gallery.

    Raises:
        EvaluationError: a choice that there is not, or fewer pictures than reference-100 draws.
    """
    for value, choices, kind in (
        (protocol, PROTOCOLS, "protocol"),
        (gallery, GALLERIES, "gallery"),
        (split, SPLITS, "split"),
    ):
        allowed = [name for name, label in choices]
        if value not in allowed:
            known = [repr(name) for name in allowed]
            raise EvaluationError(
                "evaluation.no_such_choice", what=kind, value=repr(value), known=known
            )
    if protocol == "reference-100":
        _require_enough(Partition(split) if split else None, collection)
    params = {
        "model": model.pk,
        "protocol": protocol,
        "gallery": gallery,
        "split": split,
        "collection": collection,
        "composition": composition,
    }
    return jobs.start(Job.Kind.EVALUATE, params, user=user)


def _require_enough(partition: Partition | None, collection: str) -> None:
    least = EvalConfig(protocol="reference-100").queries
    sizes = asdict(partition_sizes(collection))
    pictures = sizes[partition] if partition else sum(sizes.values())
    if pictures < least:
        raise EvaluationError(
            "evaluation.too_few_to_draw",
            least=least,
            pictures=pictures,
            source=name_of(partition, collection),
        )


def compare_evaluations(live: Evaluation, candidate: Evaluation) -> "Comparison":
    """Compare two models on the same queries.

    Raises:
        DatasetError: the queries are not the same.
    """
    from mlcore.evaluation import compare

    return compare(metrics_of(live), metrics_of(candidate))


def difference_spans(live: Evaluation, candidate: Evaluation) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each difference, candidate less live; kept once computed.

    Empty where the two did not keep what each query found.
    """
    key = "differences-" + "-".join(
        f"{found.pk}-{found.created_at.timestamp()}" for found in (live, candidate)
    )
    spans: dict[str, list[float]] | None = cache.get(key)
    if spans is None:
        try:
            metrics = compare_evaluations(live, candidate).metrics
        except DatasetError:
            metrics = {}
        spans = {name: [found.low, found.high] for name, found in metrics.items()}
        cache.set(key, spans, timeout=None)
    return {name: (low, high) for name, (low, high) in spans.items()}


def comparable_with(evaluation: Evaluation) -> "QuerySet[Evaluation]":
    """Select the evaluations of other models that asked the same, the latest first."""
    return (
        Evaluation.objects.filter(
            protocol=evaluation.protocol,
            data_sha256=evaluation.data_sha256,
            queries=evaluation.queries,
            gallery=evaluation.gallery,
        )
        .exclude(model_version=evaluation.model_version_id)
        .select_related("model_version")
    )


def report(evaluation: Evaluation) -> dict[str, Any]:
    """Return the whole evaluation as JSON values, with what each query found."""
    return whole_of(evaluation)


def training_curve(model: ModelVersion) -> list[dict[str, Any]]:
    """Return what was measured in each epoch of a model's training; none where it is not known."""
    file = Path(model.reference) / TRAINING
    return list(read_json(file).get("epochs", [])) if file.is_file() else []
