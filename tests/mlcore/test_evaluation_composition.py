import json

import pytest

from mlcore.datasets import CaptionDataset
from mlcore.errors import DatasetError
from mlcore.evaluation import CompositionResult, EvalConfig, evaluate_composition
from mlcore.evaluation.caption_changes import wrong_captions
from mlcore.evaluation.protocols import evaluate_retrieval
from tests.mlcore.grey_pictures import Scoring, grey

CAPTIONS = ["A dog chases a cat", "Two red balls", "a boy"]


def data() -> CaptionDataset:
    return CaptionDataset([grey(0, CAPTIONS), grey(1, ["A man holding a dog"])])


def bag_of_words(text: str) -> float:
    """Scores that depend on the words and not on their order."""
    return sum(map(ord, "".join(sorted(text.lower())))) % 1_000 / 1_000


def test_worked_by_hand() -> None:
    expected = {wrong.kind for caption in CAPTIONS for wrong in wrong_captions(caption)}
    assert expected == {"action", "role", "colour", "count"}
    # The true captions score 0.5; of the wrong ones, swapped roles score more.
    wrong = {
        pair.text: 0.9 if pair.kind == "role" else 0.1
        for image in data()
        for caption in image.captions
        for pair in wrong_captions(caption)
    }

    result = evaluate_composition(Scoring(lambda text: wrong.get(text, 0.5)), data())

    assert {kind: (found.pairs, found.won) for kind, found in result.kinds.items()} == {
        "colour": (1, 1),
        "count": (1, 1),
        "action": (2, 2),
        "role": (2, 0),
    }
    assert result.share == pytest.approx(4 / 6)
    assert result.low <= result.share <= result.high
    assert result.kinds["role"].share == 0.0
    chases, holding = result.examples
    assert (chases.caption, chases.wrong) == ("A dog chases a cat", "A cat chases a dog")
    assert (holding.kind, holding.picture) == ("role", "1.png")
    assert chases.margin == pytest.approx(0.4, abs=1e-6)


def test_a_model_that_sees_words_without_order_never_wins_on_roles() -> None:
    # "A dog chases a cat" and "A cat chases a dog" tie, and ties are lost.
    result = evaluate_composition(Scoring(bag_of_words), data())

    assert result.kinds["role"].won == 0


def test_captions_with_nothing_to_change_are_refused() -> None:
    unchangeable = CaptionDataset([grey(0, ["ein Hund"])])
    with pytest.raises(DatasetError, match="English"):
        evaluate_composition(Scoring(bag_of_words), unchangeable)
    with pytest.raises(DatasetError, match="English"):
        evaluate_retrieval(Scoring(bag_of_words), unchangeable, EvalConfig(composition=True))


def test_beside_retrieval_it_is_the_same() -> None:
    alone = evaluate_composition(Scoring(bag_of_words), data())
    beside = evaluate_retrieval(Scoring(bag_of_words), data(), EvalConfig(composition=True))

    assert beside.composition == alone
    assert evaluate_retrieval(Scoring(bag_of_words), data(), EvalConfig()).composition is None
    assert CompositionResult.from_dict(json.loads(json.dumps(alone.as_dict()))) == alone
