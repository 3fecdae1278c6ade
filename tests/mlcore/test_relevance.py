"""The relevance model: the sums, what stands in for weights that were not fitted, and its JSON."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlcore.encoders import find_model, model_fingerprint
from mlcore.errors import RelevanceError
from mlcore.relevance import EVIDENCE, NAMES, RelevanceModel, Weights, default_model, shipped_model

NAN = math.nan
MODEL = RelevanceModel(
    {
        ("picture",): Weights(-5.0, {"picture": 20.0}),
        ("picture", "caption"): Weights(-6.0, {"picture": 9.0, "caption": 10.0}),
    },
    strong=0.25,
    source="fitted",
    encoders={"picture": "aa", "caption": "bb"},
    bias={"picture": (8, 0.75)},
    figures={"pictures": 200},
)


def evidence(*rows: tuple[float, float, float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(rows, dtype=np.float32)


def test_each_picture_is_scored_by_the_weights_of_the_evidence_that_it_has() -> None:
    found = MODEL.log_odds(evidence((0.5, NAN, NAN), (0.5, 0.75, NAN), (NAN, NAN, NAN)))
    assert found.dtype == np.float64
    assert found == pytest.approx([-5 + 10, -6 + 4.5 + 7.5, 0.0])


def test_parts_add_up_to_the_log_odds() -> None:
    rows = evidence((0.5, 0.25, 1.0), (0.5, NAN, 0.0), (NAN, NAN, 0.5))
    values, intercept = MODEL.parts(rows)
    assert values.shape == (3, len(NAMES))
    assert values[1].tolist() == [10.0, 0.0, 0.0]
    assert values.sum(axis=1) + intercept == pytest.approx(MODEL.log_odds(rows))


def test_contributions_share_the_start_out_by_weight_and_add_up_to_the_log_odds() -> None:
    rows = evidence((0.5, 0.25, 1.0), (0.5, NAN, 0.0), (0.5, 0.75, NAN), (NAN, NAN, NAN))
    found = MODEL.contributions(rows)
    assert found.sum(axis=1) == pytest.approx(MODEL.log_odds(rows))
    assert found[2].tolist() == pytest.approx([4.5 - 6 * 9 / 19, 7.5 - 6 * 10 / 19, 0.0])
    assert found[3].tolist() == [0.0, 0.0, 0.0]


def test_a_pattern_that_was_not_fitted_takes_the_largest_within_it_and_defaults_for_the_rest() -> (
    None
):
    words = EVIDENCE[2]
    both, all_three = MODEL.log_odds(evidence((0.5, 0.75, NAN), (0.5, 0.75, 0.8)))
    assert all_three - both == pytest.approx(words.weight * (0.8 - words.centre), abs=1e-6)
    alone = MODEL.log_odds(evidence((NAN, NAN, words.centre)))
    assert alone == pytest.approx([0.0], abs=1e-6)
    assert MODEL.weights(("caption",)).by_kind == {"caption": EVIDENCE[1].weight}


def test_a_model_of_its_own_defaults_uses_them() -> None:
    starter = default_model("starter")
    clip = default_model("clip")
    row = evidence((0.4, NAN, NAN))
    assert 0 < starter.log_odds(row)[0] < clip.log_odds(row)[0]
    assert default_model("another kind") == clip


def test_the_prior_is_one_in_the_number_of_pictures() -> None:
    log_odds = np.array([math.log(1000.0), 0.0])
    assert MODEL.probability(log_odds, 1000) == pytest.approx([0.5, 1 / 1001])
    assert MODEL.probability(log_odds, 1)[1] == pytest.approx(0.5)
    mark = MODEL.strong_log_odds(1_000)
    assert MODEL.probability(np.array([mark]), 10)[0] == pytest.approx(MODEL.strong)
    assert MODEL.probability(np.array([1e9, -1e9]), 7).tolist() == pytest.approx([1.0, 0.0])


def test_weights_of_another_encoders_cosines_are_left_out() -> None:
    other = MODEL.fits({"picture": "aa", "caption": "another"})
    assert list(other.patterns) == [("picture",)]
    assert other.encoders == {"picture": "aa"}
    assert MODEL.fits({"picture": "aa", "caption": "bb"}) == MODEL
    assert MODEL.fits({"picture": "aa"}) == MODEL
    assert not MODEL.fits({"picture": "new"}).patterns


def test_it_comes_back_from_json_as_it_was() -> None:
    # PostgreSQL sorts the keys of what it keeps.
    stored = json.loads(json.dumps(MODEL.to_json(), sort_keys=True))
    assert RelevanceModel.from_json(stored) == MODEL


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def change(stored: dict[str, Any]) -> None:
        del stored[name]

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda stored: stored.update(format=2), "relevance.other_format"),
        (without("patterns"), "relevance.malformed"),
        (without("strong"), "relevance.malformed"),
        (lambda stored: stored.update(patterns=[{"intercept": 1}]), "relevance.malformed"),
        (lambda stored: stored.update(strong="0.2"), "relevance.malformed"),
        (lambda stored: stored.update(strong=True), "relevance.malformed"),
        (lambda stored: stored.update(strong=1.0), "relevance.number_out_of_range"),
        (
            lambda stored: stored["patterns"][0].update(weights={"smell": 1.0}),
            "relevance.not_a_pattern",
        ),
        (lambda stored: stored["patterns"][0].update(weights={}), "relevance.not_a_pattern"),
        (
            lambda stored: stored["patterns"][0].update(intercept=NAN),
            "relevance.number_out_of_range",
        ),
        (
            lambda stored: stored.update(defaults={"picture": [math.inf, 0.1]}),
            "relevance.number_out_of_range",
        ),
        (lambda stored: stored.update(defaults={"smell": [1, 2]}), "relevance.not_a_pattern"),
    ],
)
def test_json_that_is_no_model_is_refused_with_its_reason(
    change: Callable[[dict[str, Any]], None], code: str
) -> None:
    stored = json.loads(json.dumps(MODEL.to_json()))
    change(stored)
    with pytest.raises(RelevanceError) as refused:
        RelevanceModel.from_json(stored)
    assert refused.value.message.code == code


@pytest.mark.parametrize("stored", [None, [], "text", 3])
def test_what_is_no_object_is_refused(stored: Any) -> None:
    with pytest.raises(RelevanceError):
        RelevanceModel.from_json(stored)


def test_evidence_of_another_width_or_infinite_is_a_defect() -> None:
    with pytest.raises(ValueError, match="columns: picture, caption, words"):
        MODEL.log_odds(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="finite"):
        MODEL.log_odds(np.full((1, 3), np.inf))


def test_no_candidates_have_no_log_odds() -> None:
    assert MODEL.log_odds(np.empty((0, 3))).shape == (0,)


def test_the_starter_comes_with_a_model_of_its_own() -> None:
    shipped = shipped_model(model_fingerprint(find_model("starter")))
    assert shipped is not None
    assert shipped.source == "shipped"
    assert ("picture", "caption", "words") in shipped.patterns
    # A picture of middling looks, whose caption says what was asked, is a strong hit among 7,000.
    said, seen, unlike = shipped.log_odds(evidence((0.3, 0.9, 1), (0.6, NAN, NAN), (0.2, NAN, NAN)))
    assert min(said, seen) > shipped.strong_log_odds(7_000) > unlike


def test_an_encoder_that_nothing_was_fitted_for_has_no_shipped_model() -> None:
    assert shipped_model("unheard of") is None
