"""Evaluation by evidence: what is known never holds what asks, ranks are those of an obvious
oracle, and figures of the picture alone stay as they were."""

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.errors import DatasetError
from mlcore.evaluation import EvalConfig, RetrievalMetrics, evaluate_retrieval
from mlcore.evaluation.held_caption import (
    SCENARIOS,
    EvidenceChoice,
    HeldCaptions,
    Scenario,
    Weighing,
    measure,
)
from mlcore.relevance import CAPTION, NAMES, PICTURE, WORDS, RelevanceModel, Weights
from mlcore.relevance.written import word_shares
from mlcore.words import Language

ENGLISH = Language("english")
MODEL = RelevanceModel(
    {
        ("picture",): Weights(-2.0, {"picture": 8.0}),
        ("picture", "caption", "words"): Weights(
            -4.0, {"picture": 5.0, "caption": 7.0, "words": 2.0}
        ),
    }
)
WORDS_OF = ("dog", "cat", "car", "tree", "boat", "bird")


class Sentences:
    """Reads a text as the words in it, which is what a very simple encoder of sentences does."""

    name = "words"
    fingerprint = "aa"
    runtime = "numpy"
    dim = image_size = 32
    image_fingerprint = "bb"
    languages: Sequence[str] = ("en",)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.full((len(texts), self.dim), 0.05, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.split():
                row[sum(word.encode()) % self.dim] += 1
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    encode_queries = encode_texts

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        numbers = [image.resize((1, 1)).getpixel((0, 0)) for image in images]
        return self.encode_texts([f"{WORDS_OF[each[0] // 40]} seen" for each in numbers])  # type: ignore[index]

    def is_truncated(self, text: str) -> bool:
        return False

    def unknown_share(self, text: str) -> float:
        return 0.0


def picture(number: int) -> bytes:
    import io

    file = io.BytesIO()
    Image.new("RGB", (32, 32), (number % 6 * 40, 0, 0)).save(file, "PNG")
    return file.getvalue()


def dataset(pictures: int, captions: int = 3) -> CaptionDataset:
    ways = ("runs far", "is near", "stands alone", "at night", "by day")
    return CaptionDataset(
        CaptionedImage(
            f"{number}.png",
            tuple(f"{WORDS_OF[number % 6]} n{number} {ways[way]}" for way in range(captions)),
            lambda number=number: picture(number),  # type: ignore[misc]
        )
        for number in range(pictures)
    )


def held(data: CaptionDataset, evidence: EvidenceChoice = "all") -> HeldCaptions:
    encoder = Sentences()
    images = encoder.encode_texts([f"{image.captions[0].split()[0]} seen" for image in data])
    texts = encoder.encode_texts(data.captions)
    return HeldCaptions(data, images, texts, Weighing(MODEL, encoder, ENGLISH), evidence)


def test_log_odds_are_those_of_an_obvious_oracle() -> None:
    data, encoder, scenario = dataset(7), Sentences(), Scenario(1)
    ((pictures, found),) = held(data).log_odds(2, scenario, range(7))
    assert pictures.tolist() == list(range(7))
    queries = [image.captions[2] for image in data]
    # The one after the last is the first.
    known = [image.captions[0] for image in data]
    evidence = np.empty((7, 7, len(NAMES)))
    seen = encoder.encode_texts([f"{image.captions[0].split()[0]} seen" for image in data])
    evidence[:, :, PICTURE] = encoder.encode_texts(queries) @ seen.T
    evidence[:, :, CAPTION] = encoder.encode_texts(queries) @ encoder.encode_texts(known).T
    evidence[:, :, WORDS] = word_shares(queries, [[each] for each in known], ENGLISH)
    wanted = MODEL.log_odds(evidence.reshape(-1, len(NAMES))).reshape(7, 7)
    assert found == pytest.approx(wanted, abs=1e-5)


def test_what_asks_is_never_known() -> None:
    """Captions that share no word with each other are found by themselves alone."""
    texts = [("alpha", "beta"), ("gamma", "delta"), ("epsilon", "zeta")]
    data = CaptionDataset(
        CaptionedImage(f"{row}", pair, lambda: b"") for row, pair in enumerate(texts)
    )
    for asks in (0, 1):
        for scenario in SCENARIOS:
            for _, log_odds in held(data, "words").log_odds(asks, scenario, range(3)):
                # Nothing of the words is found: no picture stands out.
                assert np.ptp(log_odds[:, held(data).having(scenario)], axis=1).max() == 0


def test_more_known_captions_find_more_and_the_picture_alone_stays() -> None:
    found = measure(held(dataset(40, captions=5)), (1, 5))
    none, one, four, half = found
    assert [(each.others, each.share) for each in found] == [(0, 1), (1, 1), (4, 1), (1, 0.5)]
    assert none.metrics.mrr < min(one.metrics.mrr, four.metrics.mrr)
    assert none.metrics.queries == one.metrics.queries == 200
    assert half.captioned is not None
    assert half.uncaptioned is not None
    assert half.captioned.queries == half.uncaptioned.queries == 100
    assert one.captioned is None
    assert one.calibration is not None
    assert one.calibration.count == 400


def test_which_pictures_have_captions_is_spread_evenly() -> None:
    some = held(dataset(10))
    assert some.having(Scenario(1, 0.5)).tolist() == [False, True] * 5
    assert some.having(Scenario(1, 0.1)).sum() == 1
    assert some.having(Scenario(1)).all()


@pytest.mark.parametrize("protocol", ["karpathy-1k", "reference-100", "held-caption"])
def test_figures_of_the_picture_alone_stand_beside_those_of_all_evidence(protocol: str) -> None:
    data, encoder = dataset(30), Sentences()
    values = {"protocol": protocol, "queries": 20, "draws": 3, "image_to_image": False}
    weighing = Weighing(MODEL, encoder, ENGLISH)
    config = EvalConfig(**values, evidence="all")  # type: ignore[arg-type]
    found = evaluate_retrieval(encoder, data, config, weighing=weighing)
    if protocol != "held-caption":
        alone = evaluate_retrieval(encoder, data, EvalConfig(**values))  # type: ignore[arg-type]
        assert found.text_to_image == alone.text_to_image
        assert alone.with_evidence == ()
    assert all(
        each.metrics.mrr > found.text_to_image.mrr
        for each in found.with_evidence
        if each.others and each.share == 1
    )
    stored = json.loads(json.dumps(found.as_dict(outcomes=True)))
    assert RetrievalMetrics.from_dict(stored) == found
    assert not math.isnan(found.with_evidence[0].metrics.mrr)


def test_evidence_of_everything_indexed_is_refused() -> None:
    config = EvalConfig(gallery="indexed", evidence="all")
    with pytest.raises(DatasetError, match="searched by pictures alone"):
        evaluate_retrieval(
            Sentences(), dataset(3), config, extra_gallery=np.empty((0, 32), np.float32)
        )
