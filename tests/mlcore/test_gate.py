import json
import math
from dataclasses import replace

import pytest

from mlcore.errors import DatasetError
from mlcore.evaluation import DirectionMetrics
from mlcore.evaluation.calibration import Calibration
from mlcore.evaluation.gate import (
    Check,
    Verdict,
    calibration_check,
    forgetting_check,
    nonsense_check,
    not_checked,
    pictures_check,
    query_set_check,
)
from mlcore.evaluation.nonsense import NonsenseResult
from mlcore.i18n import Message


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
    check = pictures_check(metrics(0.56, 0.54, 0.58), metrics(candidate))

    assert check.passed is passed
    assert (check.live, check.candidate, check.limit) == (0.56, candidate, 0.54)
    assert f"{candidate:.3f}" in str(check.message)
    assert "0.540" in str(check.message)
    assert ("less than" in str(check.message)) is not passed


@pytest.mark.parametrize(("candidate", "passed"), [(0.4, True), (0.399, False), (0.9, True)])
def test_query_sets_allow_their_tolerance(candidate: float, passed: bool) -> None:
    # 0.5 - 0.1 is not quite 0.4 in binary; a person means 0.4.
    check = query_set_check("Logos", metrics(0.5), metrics(candidate), 0.1)

    assert check.passed is passed
    assert (check.kind, check.name) == ("query_set", "Logos")
    assert "“Logos”" in str(check.message)


@pytest.mark.parametrize(("candidate", "passed"), [(0.45, True), (0.44, False)])
def test_forgetting_allows_the_margin(candidate: float, passed: bool) -> None:
    check = forgetting_check(metrics(0.5), metrics(candidate), 0.05)

    assert check.passed is passed
    assert "forgetting" in str(check.message)


def test_a_figure_that_is_no_number_never_passes() -> None:
    broken = metrics(math.nan)
    assert pictures_check(metrics(0.5, 0.4), broken).passed is False
    assert query_set_check("a", metrics(0.5), broken, 1.0).passed is False
    assert forgetting_check(metrics(0.5), broken, 1.0).passed is False
    assert forgetting_check(broken, metrics(0.5), 1.0).passed is False


def test_a_verdict_fails_with_any_failed_check_and_says_why() -> None:
    good = pictures_check(metrics(0.5, 0.4), metrics(0.6))
    bad = query_set_check("Logos", metrics(0.5), metrics(0.1), 0.02)
    unknown = not_checked("general_set", Message.of("gate.no_general_set"))

    assert Verdict((good, unknown)).passed
    assert Verdict((good, unknown)).reasons() == []
    refused = Verdict((good, unknown, bad))
    assert not refused.passed
    assert refused.reasons() == [bad.message]
    assert unknown.passed is None
    assert str(unknown.message) == (
        "Not checked: general set. CONTEXTVISION_GENERAL_SET names none."
    )


def test_a_verdict_is_read_back_as_it_was() -> None:
    verdict = Verdict(
        (
            pictures_check(metrics(0.5, 0.4), metrics(0.3)),
            not_checked("query_set", Message.of("gate.no_query_with_a_picture"), "Logos"),
        )
    )
    written = json.loads(json.dumps(verdict.as_dict() | {"live": "of another"}))

    assert written["passed"] is False
    assert [check["kind"] for check in written["checks"]] == ["test", "query_set"]
    assert written["checks"][0]["message"]["code"] == "gate.test_failed"
    assert written["checks"][0]["message"]["params"]["metric"]["code"] == "metric.hit_rate"
    assert Verdict.from_dict(written) == verdict
    assert isinstance(Verdict.from_dict(written).checks[0], Check)


def test_only_like_is_compared_with_like() -> None:
    live = metrics(0.5, 0.4)
    with pytest.raises(DatasetError, match="same ones"):
        pictures_check(live, replace(live, queries=999))
    with pytest.raises(DatasetError, match="same ones"):
        query_set_check("a", live, replace(live, gallery=1), 0.1)
    with pytest.raises(DatasetError, match="without an interval"):
        pictures_check(replace(live, intervals={}), live)
    with pytest.raises(ValueError, match="more is better"):
        pictures_check(live, live, "median_rank")
    with pytest.raises(ValueError, match="no metric"):
        pictures_check(live, live, "hit_rate@7")
    for tolerance in (-0.1, math.nan):
        with pytest.raises(ValueError, match="0 or more"):
            query_set_check("a", live, live, tolerance)


def nonsense(strong: float, high: float = 0.1, queries: int = 100) -> NonsenseResult:
    return NonsenseResult(100, 0.95, queries, strong, 0.01, high)


def calibrated(brier: float, high: float = 0.06, pairs: int = 400) -> Calibration:
    return Calibration(pairs, brier, 0.02, 0.04, high, ())


@pytest.mark.parametrize(
    ("candidate", "passed"), [(0.02, True), (0.1, True), (0.11, False), (math.nan, False)]
)
def test_nonsense_may_not_be_answered_more_than_the_live_interval(
    candidate: float, passed: bool
) -> None:
    check = nonsense_check(nonsense(0.05), nonsense(candidate))
    assert check.passed is passed
    assert check.limit == 0.1
    assert ("more than 0.100" in str(check.message)) is not passed
    with pytest.raises(DatasetError, match="same queries"):
        nonsense_check(nonsense(0.05), nonsense(0.05, queries=99))


@pytest.mark.parametrize(
    ("candidate", "passed"), [(0.03, True), (0.06, True), (0.061, False), (math.nan, False)]
)
def test_probabilities_may_not_be_further_off_than_the_live_interval(
    candidate: float, passed: bool
) -> None:
    check = calibration_check(calibrated(0.05), calibrated(candidate))
    assert check.passed is passed
    assert check.limit == 0.06
    assert ("more than 0.060" in str(check.message)) is not passed
    with pytest.raises(DatasetError, match="400 pairs and the candidate's of 300"):
        calibration_check(calibrated(0.05), calibrated(0.05, pairs=300))


def test_a_candidate_that_passes_is_called_better_only_where_something_is() -> None:
    same = pictures_check(metrics(0.56, 0.54, 0.58), metrics(0.56))
    less = pictures_check(metrics(0.56, 0.54, 0.58), metrics(0.55))
    more = pictures_check(metrics(0.56, 0.54, 0.58), metrics(0.57))
    failed = pictures_check(metrics(0.56, 0.54, 0.58), metrics(0.1))
    skipped = not_checked("general_set", Message("gate.no_general_set"))
    for checks in ((same,), (less, skipped), (nonsense_check(nonsense(0.05), nonsense(0.06)),)):
        assert not Verdict(checks).better
        assert "nothing got better" in str(Verdict(checks).summary)
    for better in (
        more,
        nonsense_check(nonsense(0.05), nonsense(0.04)),
        calibration_check(calibrated(0.05), calibrated(0.04)),
    ):
        assert Verdict((less, better)).better
        assert "something got better" in str(Verdict((less, better)).summary)
    assert "Refused" in str(Verdict((failed, more)).summary)
