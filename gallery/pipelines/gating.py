"""What a model has to pass before it goes live, run on the pictures and queries of the gallery."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, reduce
from pathlib import Path

import numpy as np
from django.conf import settings

from gallery.models import Job, ModelVersion, SavedQuerySet
from gallery.pipelines.captioned import Captioned, Partition, in_partition
from gallery.pipelines.measuring import Gallery, measure, run_query_set
from mlcore.datasets import CaptionDataset
from mlcore.errors import ContextVisionError, DatasetError
from mlcore.evaluation import DirectionMetrics, EvalConfig
from mlcore.evaluation.gate import (
    Check,
    Verdict,
    forgetting_check,
    not_checked,
    pictures_check,
    query_set_check,
)
from mlcore.i18n import Message
from mlcore.layouts import open_source
from mlcore.progress import Progress

logger = logging.getLogger(__name__)


class PromotionRefusedError(ContextVisionError):
    """A model may not go live; the message says which checks failed and by how much."""


def judge(candidate: ModelVersion, live: ModelVersion, job: Job, progress: Progress) -> Verdict:
    """Compare a candidate with the live model on the test pictures and on the general set.

    The test pictures are those of the collection that the candidate was trained on.
    """
    collection = candidate.data.get("collection", "")
    checks = [
        _pictures_check(candidate, live, collection, job, progress),
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

    What is asked again of every promotion is left out: query sets may have been changed since,
    and what the evidence is worth.
    """
    if candidate.verdict.get("live") != live.fingerprint:
        return None
    kept = Verdict.from_dict(candidate.verdict)
    asked_again = ("query_set", "calibration", "nonsense")
    return Verdict(tuple(check for check in kept.checks if check.kind not in asked_again))


def refuse_unless(verdict: Verdict, candidate: ModelVersion, override_reason: str) -> None:
    """Let a verdict pass, or one that failed where a reason to override it is given.

    Raises:
        PromotionRefusedError: it failed; with the sentence of each check that did.
    """
    if verdict.passed or override_reason.strip():
        return
    reasons = reduce(_then, verdict.reasons())
    raise PromotionRefusedError("promotion.refused", model=candidate.name, reasons=reasons)


def _then(first: Message, second: Message) -> Message:
    return Message.of("text.sentences", first=first, second=second)


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
            why = Message("gate.no_query_with_a_picture")
            checks.append(not_checked("query_set", why, query_set.name))
        else:
            checks.append(query_set_check(query_set.name, old, new, query_set.tolerance))
    return checks


def _pictures_check(
    candidate: ModelVersion, live: ModelVersion, collection: str, job: Job, progress: Progress
) -> Check:
    try:
        captioned = in_partition(Partition.TEST, collection)
    except DatasetError as error:
        return not_checked("test", error.message)
    old, new = (_figures(version, captioned, job, progress) for version in (live, candidate))
    return pictures_check(old, new)


def _general(candidate: ModelVersion, live: ModelVersion, job: Job, progress: Progress) -> Check:
    if not settings.CONTEXTVISION_GENERAL_SET:
        return not_checked("general_set", Message("gate.no_general_set"))
    with _general_set() as data:
        name = Message.of("data.folder", path=settings.CONTEXTVISION_GENERAL_SET)
        captioned = Captioned(data, data.sha256, name)
        old, new = (_figures(version, captioned, job, progress) for version in (live, candidate))
    return forgetting_check(old, new, settings.CONTEXTVISION_FORGETTING_MARGIN)


@contextmanager
def _general_set() -> Iterator[CaptionDataset]:
    place = settings.CONTEXTVISION_GENERAL_SET
    split = settings.CONTEXTVISION_GENERAL_SPLIT or None
    with open_source(Path(place).expanduser()) as source:
        data = CaptionDataset.from_records(source, split=split, source=place)
        yield data.readable(partial(logger.warning, "Left out of the general set: %s"))


def _figures(
    version: ModelVersion, captioned: Captioned, job: Job, progress: Progress
) -> DirectionMetrics:
    # Pictures asking for pictures says nothing about captions, and costs as much again.
    config = EvalConfig(image_to_image=False)
    return measure(version, captioned, config, job, progress).metrics.text_to_image


def _common(first: Gallery, second: Gallery) -> tuple[Gallery, Gallery]:
    ids = np.intersect1d(first.ids, second.ids)
    return first.only(ids), second.only(ids)
