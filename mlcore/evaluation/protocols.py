"""The named protocols: which captions ask, and among which pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlcore.config import FloatMatrix
from mlcore.errors import DatasetError
from mlcore.evaluation.asked import Asked, outcomes_of
from mlcore.evaluation.composition import CompositionResult, pairs_of, score_pairs
from mlcore.evaluation.encoding import encode_captions, encode_pictures, mirrored_and_cropped
from mlcore.evaluation.held_caption import (
    SCENARIOS,
    EvidenceMetrics,
    HeldCaptions,
    Weighing,
    measure,
)
from mlcore.evaluation.metrics import DirectionMetrics, retrieval_metrics
from mlcore.evaluation.reference import evidence_draws, reference_draws
from mlcore.evaluation.results import EvalConfig, QueryOutcome, RetrievalMetrics
from mlcore.progress import NoProgress, Progress

if TYPE_CHECKING:
    from mlcore.datasets import CaptionDataset
    from mlcore.encoders import Encoder


def evaluate_retrieval(
    encoder: Encoder,
    data: CaptionDataset,
    config: EvalConfig,
    *,
    progress: Progress | None = None,
    extra_gallery: FloatMatrix | None = None,
    extra_names: Sequence[str] | None = None,
    weighing: Weighing | None = None,
) -> RetrievalMetrics:
    """Encode a dataset and measure how well its captions find its pictures.

    A caption's one relevant picture is its own; a picture's relevant captions are its own.

    Args:
        encoder: the model under test.
        data: captioned pictures.
        config: the protocol and its numbers.
        progress: told of pictures encoded, then captions.
        extra_gallery: for the gallery "indexed": vectors of this encoder of the other pictures
            that may come back, float32 (m, dim). None of them may be a picture of ``data``.
        extra_names: what these are called in the outcomes, (m,); numbered when None.
        weighing: what other evidence is made and weighed by; needed for ``held-caption``, and
            where the configuration names other evidence than the picture.

    Raises:
        DatasetError: fewer pictures than ``reference-100`` draws, no ``extra_gallery`` where the
            configuration asks for one, or no caption that the composition test could change.
        ImageRejectedError: a picture that cannot be read.
        EvaluationStoppedError: the evaluation was asked to stop.
    """
    _require(data, config, extra_gallery)
    progress = progress or NoProgress()
    pairs = pairs_of(data) if config.composition else []
    karpathy = config.protocol == "karpathy-1k"
    changes = [mirrored_and_cropped] if karpathy and config.image_to_image else []
    images, *changed = encode_pictures(encoder, data, config.limits, progress, *changes)
    texts = encode_captions(encoder, data.captions, progress)
    asked = Asked(data, config, images, texts, *_beside(extra_gallery, extra_names, encoder.dim))
    composition: CompositionResult | None = None
    if pairs:
        composition = score_pairs(encoder, data, pairs, images, texts, progress)
    held = _held(asked, weighing)
    with_evidence: tuple[EvidenceMetrics, ...] = ()
    to_text, spread = None, None
    if config.protocol == "reference-100":
        to_image, spread, outcomes = reference_draws(asked)
        if held is not None:
            with_evidence = evidence_draws(asked, held)
    else:
        to_image, outcomes = _every_caption(asked)
        if karpathy:
            to_text = retrieval_metrics(images, texts, asked.captions_of, config.ks)
        if held is not None:
            every = SCENARIOS if config.protocol == "held-caption" else SCENARIOS[1:3]
            with_evidence = measure(held, config.ks, every)
    return RetrievalMetrics(
        encoder.name,
        encoder.fingerprint,
        config,
        to_image,
        to_text,
        spread,
        _by_picture(asked, changed[0]) if changed else None,
        composition,
        with_evidence,
        outcomes,
    )


def _held(asked: Asked, weighing: Weighing | None) -> HeldCaptions | None:
    config = asked.config
    if config.evidence == "picture" and config.protocol != "held-caption":
        return None
    if weighing is None:
        raise ValueError("evidence besides the picture's vector needs what it is weighed by")
    return HeldCaptions(asked.data, asked.images, asked.texts, weighing, config.evidence)


def _require(data: CaptionDataset, config: EvalConfig, extra: FloatMatrix | None) -> None:
    if config.protocol == "reference-100" and len(data) < config.queries:
        raise DatasetError(
            "evaluation.too_few_pictures",
            queries=config.queries,
            source=data.source,
            pictures=len(data),
        )
    if config.gallery == "indexed" and config.evidence != "picture":
        raise DatasetError("evaluation.evidence_of_the_indexed")
    if config.gallery == "indexed" and extra is None:
        raise DatasetError("evaluation.needs_the_indexed")
    if config.gallery != "indexed" and extra is not None:
        raise ValueError(f"the gallery {config.gallery} takes no pictures from elsewhere")


def _beside(
    extra: FloatMatrix | None, names: Sequence[str] | None, dim: int
) -> tuple[FloatMatrix, Sequence[str]]:
    if extra is None:
        return np.empty((0, dim), dtype=np.float32), ()
    if names is None:
        names = [f"indexed picture {number}" for number in range(1, len(extra) + 1)]
    if len(names) != len(extra) or extra.shape[1] != dim:
        raise ValueError("extra_gallery needs a name for each row, and the width of the encoder")
    return extra, names


def _every_caption(asked: Asked) -> tuple[DirectionMetrics, tuple[QueryOutcome, ...]]:
    gallery, names = asked.gallery()
    owner = asked.owner
    relevant = owner[:, None]
    metrics = retrieval_metrics(asked.texts, gallery, relevant, asked.config.ks, groups=owner)
    rows = range(len(owner))
    return metrics, outcomes_of(asked, rows, gallery, names, relevant)


def _by_picture(asked: Asked, changed: FloatMatrix) -> DirectionMetrics:
    gallery, _ = asked.gallery()
    own = np.arange(len(changed))[:, None]
    return retrieval_metrics(changed, gallery, own, asked.config.ks)
