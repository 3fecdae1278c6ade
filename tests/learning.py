"""Models, evaluations and query sets, for tests that show or send them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gallery.models import Evaluation, Image, Job, JobMetric, ModelVersion, SavedQuerySet
from gallery.services import query_sets
from gallery.services.query_sets import DraftQuery
from mlcore.evaluation import EvalConfig, QueryOutcome, RetrievalMetrics
from mlcore.evaluation.gate import Check, Verdict, not_checked
from mlcore.evaluation.metrics import score_ranks
from mlcore.i18n import Message

LOST = {
    "kind": "colour",
    "picture": "1",
    "caption": "A red square",
    "wrong": "A blue square",
    "margin": 0.1,
}
COMPOSITION: dict[str, Any] = {
    "kinds": {"colour": {"pairs": 10, "won": 7, "share": 0.7, "low": 0.4, "high": 0.9}},
    "share": 0.7,
    "low": 0.4,
    "high": 0.9,
    "examples": [LOST],
}

REASON = {
    "code": "gate.general_set_failed",
    "params": {"metric": "MRR", "candidate": 0.3, "limit": 0.35, "live": 0.4, "margin": 0.05},
}
"""Why the gate refused, as jobs and models keep it."""
REASON_WORDS = (
    "On the general set, which guards against forgetting, its MRR is 0.300, less than 0.350: the "
    "live model has 0.400, and the margin of 0.050 sets the limit."
)


def candidate(
    live: ModelVersion, name: str = "tuned", *, passed: bool | None = None, **fields: Any
) -> ModelVersion:
    """A model that was trained here from another; judged, where ``passed`` says how."""
    verdict = {} if passed is None else judged(live, passed=passed)
    return ModelVersion.objects.create(
        **{
            "name": name,
            "reference": f"/models/{name}",
            "fingerprint": f"{len(ModelVersion.objects.all()):064x}",
            "dim": live.dim,
            "image_size": live.image_size,
            "origin": ModelVersion.Origin.TRAINED,
            "parent": live,
            "recipe": {"tune": "heads", "epochs": 4},
            "data": {"pictures": 90, "captions": 450},
            "verdict": verdict,
            **fields,
        }
    )


def judged(live: ModelVersion, *, passed: bool) -> dict[str, Any]:
    """A verdict against the live model."""
    found = 0.61 if passed else 0.12
    message = Message.of(
        "gate.test_passed" if passed else "gate.test_failed",
        queries=90,
        metric=Message.of("metric.hit_rate", k="5"),
        candidate=found,
        limit=0.55,
        live=0.6,
    )
    checks = (
        Check("test", "test", passed, 0.6, found, 0.55, message),
        not_checked("general_set", Message.of("gate.no_general_set")),
    )
    return {**Verdict(checks).as_dict(), "live": live.fingerprint}


def measured(
    model: ModelVersion,
    ranks: Mapping[str, tuple[Image, int]],
    *,
    composition: Mapping[str, Any] | None = None,
    top: Sequence[Image] = (),
    **fields: Any,
) -> Evaluation:
    """Keep an evaluation in which these queries found their pictures at these ranks."""
    outcomes = tuple(
        QueryOutcome(query, (str(image.pk),), rank, tuple(str(one.pk) for one in top))
        for query, (image, rank) in ranks.items()
    )
    found = np.array([[outcome.rank] for outcome in outcomes], dtype=np.float64)
    scores = score_ranks(found, np.ones(len(found), dtype=np.int64), 1000, (1, 5, 10))
    metrics = RetrievalMetrics(model.name, model.fingerprint, EvalConfig(), scores, None, None)
    return Evaluation.objects.create(
        **{
            "model_version": model,
            "protocol": "karpathy-1k",
            "dataset": Message.of("data.test", place=Message("data.gallery")),
            "data_sha256": "d" * 64,
            "queries": len(outcomes),
            "gallery": 1000,
            "metrics": metrics.as_dict(),
            "composition": dict(composition or {}),
            "outcomes": [outcome.as_dict() for outcome in outcomes],
            **fields,
        }
    )


def query_set(
    queries: Mapping[str, Sequence[Image]], name: str = "Weekly", **fields: Any
) -> SavedQuerySet:
    drafts = [DraftQuery(text, [image.pk for image in images]) for text, images in queries.items()]
    return query_sets.save(None, name=name, queries=drafts, user=None, **fields)


def training(status: Job.Status = Job.Status.RUNNING, **fields: Any) -> Job:
    """A training that has measured two epochs of ten steps."""
    job = Job.objects.create(
        kind=Job.Kind.TRAIN, status=status, params={"tune": "heads"}, done=20, total=40, **fields
    )
    for step in range(1, 21):
        values: dict[str, Any] = {
            "kind": "step", "step": step, "steps": 40, "epoch": (step + 9) // 10,
            "loss": 3 / step, "temperature": 0.05, "learning_rate": 1e-4,
            "pictures_per_second": 120.0, "seconds_left": 90.0,
        }  # fmt: skip
        JobMetric.objects.create(job=job, step=step, epoch=values["epoch"], values=values)
        if step % 10 == 0:
            shares = {"hit_rate@1": 0.2, "hit_rate@5": 0.5 + step / 100, "hit_rate@10": 0.8}
            epoch = {**values, **shares, "kind": "epoch", "mrr": 0.4, "best": 1}
            JobMetric.objects.create(job=job, step=step, epoch=values["epoch"], values=epoch)
    return job
