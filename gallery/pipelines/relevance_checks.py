"""Whether a candidate's relevance can be trusted as the live one: two checks of the gate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.conf import settings

from gallery.fulltext.rows import language
from gallery.models import ImageEmbedding, ModelVersion
from gallery.pipelines.captioned import Partition, in_partition
from mlcore.config import FloatMatrix
from mlcore.encoders.sentences import SentenceEncoder, shared_sentence_encoder
from mlcore.errors import ContextVisionError, DatasetError
from mlcore.evaluation.calibration import Calibration, calibration, even_pairs
from mlcore.evaluation.gate import Check, calibration_check, nonsense_check, not_checked
from mlcore.evaluation.nonsense import GIBBERISH, NonsenseResult, nonsense_test, shipped_queries
from mlcore.relevance import NAMES
from mlcore.relevance.fitting import biases
from mlcore.relevance.held_out import Captions, evidence_of, known_others, score_queries

LEAST_PICTURES = 50
"""Test pictures below which a figure is chance."""
MOST_PICTURES = 1_000
"""Test pictures that are looked at: their captions are compared with all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class _HeldOut:
    """Test pictures that both models have vectors of, and what is said of them."""

    ids: Sequence[int]
    """Ascending."""
    captions: Sequence[Sequence[str]]
    sentences: SentenceEncoder
    told: FloatMatrix
    """float32 (captions, width): each as the encoder of sentences reads it."""


def relevance_checks(candidate: ModelVersion, live: ModelVersion) -> list[Check]:
    """Compare how well calibrated two models' relevance is, and how often it falls for nonsense.

    On the test pictures of the collection that the candidate was trained on, by the vectors that
    both have stored. A caption of each picture asks while one other is known; and letters at
    random ask, which nothing answers.
    """
    try:
        held_out = _held_out(candidate, live)
        before, after = (_measured(version, held_out) for version in (live, candidate))
    except ContextVisionError as error:
        return [not_checked(kind, error.message) for kind in ("calibration", "nonsense")]
    return [calibration_check(before[0], after[0]), nonsense_check(before[1], after[1])]


def _held_out(candidate: ModelVersion, live: ModelVersion) -> _HeldOut:
    data = in_partition(Partition.TEST, candidate.data.get("collection", "")).data
    captions = {int(image.name): image.captions for image in data}
    ids = sorted(captions)
    for version in (candidate, live):
        rows = ImageEmbedding.objects.of_model(version).filter(image_id__in=ids)
        ids = sorted(rows.values_list("image_id", flat=True))
    if len(ids) < LEAST_PICTURES:
        raise DatasetError("gate.few_test_pictures", count=len(ids), least=LEAST_PICTURES)
    step = max(1.0, len(ids) / MOST_PICTURES)
    ids = [ids[int(at * step)] for at in range(min(len(ids), MOST_PICTURES))]
    sentences = shared_sentence_encoder(
        settings.CONTEXTVISION_SENTENCE_MODEL, options=settings.CONTEXTVISION_RUNTIME_OPTIONS
    )
    chosen = [captions[pk] for pk in ids]
    return _HeldOut(
        ids, chosen, sentences, sentences.encode_texts([text for each in chosen for text in each])
    )


def _measured(version: ModelVersion, held_out: _HeldOut) -> tuple[Calibration, NonsenseResult]:
    encoder, sentences = version.load_encoder(), held_out.sentences
    model = version.relevance_model().fits(
        {"picture": encoder.fingerprint, "caption": sentences.fingerprint}
    )
    rows = ImageEmbedding.objects.of_model(version).filter(image_id__in=held_out.ids)
    ids, vectors, _ = rows.matrix()
    images = vectors[np.argsort(ids)]
    texts = tuple(map(tuple, held_out.captions))
    captions = Captions(
        texts, encoder.encode_texts([text for each in texts for text in each]), held_out.told
    )
    known = [known_others(len(each), 0, 1) for each in texts]
    picture_bias, caption_bias = biases(images, captions, model.bias, known)
    evidence = evidence_of(
        images,
        captions,
        language(),
        asks=0,
        others=1,
        image_bias=picture_bias,
        sentence_bias=caption_bias,
    )
    log_odds = model.log_odds(evidence.reshape(-1, len(NAMES))).reshape(evidence.shape[:2])
    letters = shipped_queries()[GIBBERISH]
    junk = score_queries(
        letters,
        encoder.encode_texts(letters),
        sentences.encode_texts(letters),
        images,
        captions,
        language(),
        known,
        picture_bias,
        caption_bias,
    )
    return (
        calibration(*even_pairs(log_odds, np.arange(len(texts)))),
        nonsense_test(model, list(evidence), list(junk)),
    )
