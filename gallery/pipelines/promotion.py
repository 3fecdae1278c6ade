"""A model goes live: judged, everything embedded with it, indexed beside, flipped."""

from typing import Any

from gallery.jobs.runner import stop_if_asked
from gallery.models import IndexVersion, Job, ModelVersion, Promotion
from gallery.pipelines.embedding import embed
from gallery.pipelines.gating import (
    PromotionRefusedError,
    judge,
    keep_verdict,
    query_set_checks,
    refuse_unless,
)
from gallery.pipelines.indexing import build_index, make_live, prune, remove_index
from gallery.pipelines.relevance import fit_first
from gallery.pipelines.relevance_checks import relevance_checks
from mlcore.encoders import Encoder, keep_encoders
from mlcore.evaluation.gate import Verdict
from mlcore.i18n import Message
from mlcore.progress import Progress

__all__ = ["PromotionRefusedError", "promote"]


def promote(job: Job, progress: Progress) -> dict[str, Any]:
    """Make a model live, if the gate lets it pass or somebody gave a reason to override it.

    Params: ``model`` (id), ``override_reason``. Searches go on with the live model until the one
    row is flipped at the end; until then nothing that they use is changed.

    Raises:
        PromotionRefusedError: a check failed, or another model went live meanwhile.
        StoppedError: the job was asked to stop.
    """
    candidate = ModelVersion.objects.get(pk=job.params["model"])
    reason = job.params.get("override_reason", "")
    live = _live_model()
    if live == candidate:
        done = job.promotions.first()
        if done is not None:  # an earlier run of this job was cut off after the flip
            return _result(done, embedded=0)
        raise PromotionRefusedError("promotion.is_live", model=candidate.name)
    encoder = candidate.load_encoder()
    verdict = Verdict(())
    if live is not None:
        verdict = judge(candidate, live, job, progress)
        keep_verdict(candidate, live, verdict)
        refuse_unless(verdict, candidate, reason)
    embedded = _embed_missing(candidate, encoder, job, progress)
    if live is not None:
        fit_first(candidate, progress)  # it is judged by the weights that it will have
        progress.report(0, 1, Message("stage.asking_saved_queries"))
        checks = *query_set_checks(candidate, live), *relevance_checks(candidate, live)
        verdict = Verdict((*verdict.checks, *checks))
        keep_verdict(candidate, live, verdict)
        refuse_unless(verdict, candidate, reason)
    built = build_index(candidate, progress)
    try:
        # Pictures that came in meanwhile are found from the first search on.
        embedded += _embed_missing(candidate, encoder, job, progress)
        history = {
            "verdict": candidate.verdict,
            "override_reason": "" if verdict.passed else reason,
            "created_by": job.created_by,
        }
        _flip(built, live, job, history)
    except BaseException:
        remove_index(built)
        raise
    prune()
    keep_encoders({candidate.reference, *([live.reference] if live else [])})
    progress.report(3, 3, Message("stage.live"))
    return _result(job.promotions.get(), embedded)


def _result(promotion: Promotion, embedded: int) -> dict[str, Any]:
    return {
        "promotion": promotion.pk,
        "index": promotion.index_version_id,
        "model": promotion.model_version_id,
        "name": promotion.model_version.name,
        "embedded": embedded,
        "gate": "overridden" if promotion.override_reason else "passed",
    }


def _live_model() -> ModelVersion | None:
    live = IndexVersion.objects.active()
    return live.model_version if live else None


def _embed_missing(version: ModelVersion, encoder: Encoder, job: Job, progress: Progress) -> int:
    done = embed(version, encoder, job, progress)
    stop_if_asked(progress)
    return done.embedded


def _flip(
    built: IndexVersion, live: ModelVersion | None, job: Job, history: dict[str, Any]
) -> None:
    """Make the new index live in place of any index of the model that it was compared with.

    An index of that model may have been rebuilt meanwhile; then the flip is tried on that one.
    """
    while True:
        current = IndexVersion.objects.active()
        if (current.model_version if current else None) != live:
            raise PromotionRefusedError("promotion.overtaken")
        if make_live(built, instead_of=current, job=job, **history):
            return
