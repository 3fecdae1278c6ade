"""What a model has to pass before it goes live, run on the pictures and queries of the gallery."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from django.conf import settings

from gallery.models import Job, ModelVersion, SavedQuerySet
from gallery.pipelines.captioned import Captioned, Side, on_side
from gallery.pipelines.measuring import Gallery, measure, run_query_set
from mlcore.datasets import CaptionDataset
from mlcore.errors import ContextVisionError, DatasetError
from mlcore.evaluation import DirectionMetrics, EvalConfig
from mlcore.gate import (
    Check,
    Verdict,
    forgetting_check,
    held_out_check,
    not_checked,
    query_set_check,
)
from mlcore.layouts import open_source
from mlcore.progress import Progress

HELD_OUT = "held-out pictures"
GENERAL = "general set"


class PromotionRefusedError(ContextVisionError):
    """A model may not go live; the message says which checks failed and by how much."""


def judge(candidate: ModelVersion, live: ModelVersion, job: Job, progress: Progress) -> Verdict:
    """Compare a candidate with the live model on held-out pictures and on the general set.

    The held-out pictures are those of the collection that the candidate was trained on.
    """
    collection = candidate.data.get("collection", "")
    checks = [
        _held_out(candidate, live, collection, job, progress),
        _general(candidate, live, job, progress),
    ]
    return Verdict(tuple(checks))


def check_general_set() -> None:
    """Open the general set, if there is one: better before hours of training than after.

    Raises:
        DatasetError: it is not there, not in a known layout, or lacks the split that is set.
    """
    if settings.CONTEXTVISION_GENERAL_SET:
        with _general_set():
            return


def keep_verdict(candidate: ModelVersion, live: ModelVersion, verdict: Verdict) -> None:
    """Write what the gate said into the model's row, with the model that it was compared with."""
    candidate.verdict = {**verdict.as_dict(), "live": live.fingerprint}
    candidate.save(update_fields=["verdict"])


def kept_verdict(candidate: ModelVersion, live: ModelVersion) -> Verdict | None:
    """Read what the gate said about pictures, if it compared the candidate with what is live now.

    What it said about query sets is left out: these may have been changed since.
    """
    if candidate.verdict.get("live") != live.fingerprint:
        return None
    kept = Verdict.from_dict(candidate.verdict)
    return Verdict(tuple(check for check in kept.checks if check.name in (HELD_OUT, GENERAL)))


def refuse_unless(verdict: Verdict, candidate: ModelVersion, override_reason: str) -> None:
    """Let a verdict pass, or one that failed where a reason to override it is given.

    Raises:
        PromotionRefusedError: it failed; with the sentence of each check that did.
    """
    if verdict.passed or override_reason.strip():
        return
    raise PromotionRefusedError(
        f"{candidate.name} is not promoted. {' '.join(verdict.reasons())} "
        "It can be promoted all the same with a reason, which is kept."
    )


def query_set_checks(candidate: ModelVersion, live: ModelVersion) -> list[Check]:
    """Run every saved query set with both models, over the pictures that both have vectors of."""
    query_sets = list(SavedQuerySet.objects.all())
    if not query_sets:
        return []
    ours, theirs = _common(Gallery.of_model(candidate), Gallery.of_model(live))
    checks = []
    for query_set in query_sets:
        new, old = run_query_set(query_set, candidate, ours), run_query_set(query_set, live, theirs)
        if new is None or old is None:
            why = "none of its queries has a picture that is embedded"
            checks.append(not_checked(query_set.name, why))
        else:
            checks.append(query_set_check(query_set.name, old, new, query_set.tolerance))
    return checks


def _held_out(
    candidate: ModelVersion, live: ModelVersion, collection: str, job: Job, progress: Progress
) -> Check:
    try:
        captioned = on_side(Side.HELD_OUT, collection)
    except DatasetError as error:
        return not_checked(HELD_OUT, str(error))
    old, new = (_figures(version, captioned, job, progress) for version in (live, candidate))
    return held_out_check(old, new)


def _general(candidate: ModelVersion, live: ModelVersion, job: Job, progress: Progress) -> Check:
    if not settings.CONTEXTVISION_GENERAL_SET:
        return not_checked(GENERAL, "CONTEXTVISION_GENERAL_SET names none")
    with _general_set() as data:
        captioned = Captioned(data, data.sha256)
        old, new = (_figures(version, captioned, job, progress) for version in (live, candidate))
    return forgetting_check(old, new, settings.CONTEXTVISION_FORGETTING_MARGIN)


@contextmanager
def _general_set() -> Iterator[CaptionDataset]:
    place = settings.CONTEXTVISION_GENERAL_SET
    split = settings.CONTEXTVISION_GENERAL_SPLIT or None
    with open_source(Path(place).expanduser()) as source:
        yield CaptionDataset.from_records(source, split=split, source=place)


def _figures(
    version: ModelVersion, captioned: Captioned, job: Job, progress: Progress
) -> DirectionMetrics:
    # Pictures asking for pictures says nothing about captions, and costs as much again.
    config = EvalConfig(image_to_image=False)
    return measure(version, captioned, config, job, progress).metrics.text_to_image


def _common(first: Gallery, second: Gallery) -> tuple[Gallery, Gallery]:
    ids = np.intersect1d(first.ids, second.ids)
    return first.only(ids), second.only(ids)
