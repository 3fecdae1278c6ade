import json
import math
from dataclasses import replace

import pytest

from mlcore.errors import DatasetError
from mlcore.evaluation import DirectionMetrics
from mlcore.gate import (
    Check,
    Verdict,
    forgetting_check,
    held_out_check,
    not_checked,
    query_set_check,
)


def metrics(hit_rate: float, low: float = 0.0, high: float = 1.0) -> DirectionMetrics:
    return DirectionMetrics(
        queries=1_000,
        gallery=200,
        precision={5: 0.1},
        recall={5: hit_rate},
        hit_rate={5: hit_rate},
        mrr=0.4,
        ndcg={5: 0.5},
        median_rank=3,
        intervals={"hit_rate@5": (low, high)},
    )


@pytest.mark.parametrize(
    ("candidate", "passed"), [(0.58, True), (0.54, True), (0.539, False), (0.0, False)]
)
def test_held_out_pictures_allow_the_live_interval(candidate: float, passed: bool) -> None:
    check = held_out_check(metrics(0.56, 0.54, 0.58), metrics(candidate))

    assert check.passed is passed
    assert (check.live, check.candidate, check.limit) == (0.56, candidate, 0.54)
    assert f"{candidate:.3f}" in check.sentence
    assert "0.540" in check.sentence
    assert ("less than" in check.sentence) is not passed


@pytest.mark.parametrize(("candidate", "passed"), [(0.4, True), (0.399, False), (0.9, True)])
def test_query_sets_allow_their_tolerance(candidate: float, passed: bool) -> None:
    # 0.5 - 0.1 is not quite 0.4 in binary; a person means 0.4.
    check = query_set_check("Logos", metrics(0.5), metrics(candidate), 0.1)

    assert check.passed is passed
    assert check.name == "Logos"
    assert "“Logos”" in check.sentence


@pytest.mark.parametrize(("candidate", "passed"), [(0.45, True), (0.44, False)])
def test_forgetting_allows_the_margin(candidate: float, passed: bool) -> None:
    check = forgetting_check(metrics(0.5), metrics(candidate), 0.05)

    assert check.passed is passed
    assert "forgetting" in check.sentence


def test_a_figure_that_is_no_number_never_passes() -> None:
    broken = metrics(math.nan)
    assert held_out_check(metrics(0.5, 0.4), broken).passed is False
    assert query_set_check("a", metrics(0.5), broken, 1.0).passed is False
    assert forgetting_check(metrics(0.5), broken, 1.0).passed is False
    assert forgetting_check(broken, metrics(0.5), 1.0).passed is False


def test_a_verdict_fails_with_any_failed_check_and_says_why() -> None:
    good = held_out_check(metrics(0.5, 0.4), metrics(0.6))
    bad = query_set_check("Logos", metrics(0.5), metrics(0.1), 0.02)
    unknown = not_checked("general set", "none is set.")

    assert Verdict((good, unknown)).passed
    assert Verdict((good, unknown)).reasons() == []
    refused = Verdict((good, unknown, bad))
    assert not refused.passed
    assert refused.reasons() == [bad.sentence]
    assert unknown.passed is None
    assert unknown.sentence == "Not checked: general set (none is set)."


def test_a_verdict_is_read_back_as_it_was() -> None:
    verdict = Verdict(
        (held_out_check(metrics(0.5, 0.4), metrics(0.3)), not_checked("general set", "none"))
    )
    written = json.loads(json.dumps(verdict.as_dict() | {"live": "of another"}))

    assert written["passed"] is False
    assert Verdict.from_dict(written) == verdict
    assert isinstance(Verdict.from_dict(written).checks[0], Check)


def test_only_like_is_compared_with_like() -> None:
    live = metrics(0.5, 0.4)
    with pytest.raises(DatasetError, match="same ones"):
        held_out_check(live, replace(live, queries=999))
    with pytest.raises(DatasetError, match="same ones"):
        query_set_check("a", live, replace(live, gallery=1), 0.1)
    with pytest.raises(DatasetError, match="without an interval"):
        held_out_check(replace(live, intervals={}), live)
    with pytest.raises(ValueError, match="more is better"):
        held_out_check(live, live, "median_rank")
    with pytest.raises(ValueError, match="no metric"):
        held_out_check(live, live, "hit_rate@7")
    for tolerance in (-0.1, math.nan):
        with pytest.raises(ValueError, match="0 or more"):
            query_set_check("a", live, live, tolerance)
