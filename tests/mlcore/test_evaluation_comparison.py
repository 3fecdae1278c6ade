import json
from dataclasses import replace

import pytest

from mlcore.datasets import CaptionDataset
from mlcore.errors import DatasetError
from mlcore.evaluation import (
    EvalConfig,
    QueryOutcome,
    RetrievalMetrics,
    compare,
    evaluate_retrieval,
)
from tests.mlcore.grey_pictures import OneHot, Scoring, grey


def pictures(count: int = 4) -> CaptionDataset:
    return CaptionDataset(grey(level, [f"{level} a", f"{level} b"]) for level in range(count))


def perfect(
    config: EvalConfig | None = None, data: CaptionDataset | None = None
) -> RetrievalMetrics:
    return evaluate_retrieval(OneHot(150), data or pictures(), config or EvalConfig(ks=(1, 5)))


def blind(config: EvalConfig | None = None, data: CaptionDataset | None = None) -> RetrievalMetrics:
    encoder = Scoring(lambda text: 0.5)
    return evaluate_retrieval(encoder, data or pictures(), config or EvalConfig(ks=(1, 5)))


def with_ranks(ranks: list[int]) -> RetrievalMetrics:
    """An evaluation whose captions, two a picture, found their picture at these ranks."""
    known = perfect(data=pictures(len(ranks) // 2))
    outcomes = tuple(
        replace(outcome, rank=rank) for outcome, rank in zip(known.outcomes, ranks, strict=True)
    )
    return replace(known, outcomes=outcomes)


def test_differences_worked_by_hand() -> None:
    found = compare(with_ranks([1, 2, 4, 10]), with_ranks([1, 1, 8, 5]))

    mrr = found.metrics["mrr"]
    assert mrr.live == pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 10) / 4)
    assert mrr.candidate == pytest.approx((1 + 1 + 1 / 8 + 1 / 5) / 4)
    assert mrr.difference == pytest.approx(mrr.candidate - mrr.live)
    at_5 = found.metrics["hit_rate@5"]
    assert (at_5.live, at_5.candidate) == (0.75, 0.75)
    assert at_5.p_value == 1.0
    assert {"hit_rate@1", "ndcg@5"} <= set(found.metrics)
    assert "median_rank" not in found.metrics
    assert [(change.live_rank, change.candidate_rank) for change in found.better] == [
        (2, 1),
        (10, 5),
    ]
    assert [(change.query, change.candidate_rank) for change in found.worse] == [("1 a", 8)]
    assert found.worse[0].relevant == ("1.png",)


def test_captions_of_one_picture_are_drawn_together() -> None:
    # One picture got better by as much as the other got worse; with two pictures, any resample
    # of pictures has a mean of -1/2, 0 or 1/2, and as queries there would be more.
    found = compare(with_ranks([2, 2, 1, 1]), with_ranks([1, 1, 2, 2]))

    assert (found.metrics["mrr"].low, found.metrics["mrr"].high) == (-0.5, 0.5)
    assert found.metrics["mrr"].p_value == 1.0


def test_a_clear_difference_is_no_chance_and_equal_models_are_equal() -> None:
    data = pictures(20)
    found = compare(blind(data=data), perfect(data=data))
    assert found.metrics["mrr"].p_value < 0.001
    assert found.metrics["mrr"].low > 0
    assert len(found.better) == 40
    assert found.worse == ()
    assert found.better[0].live_rank == 20
    assert len(found.better[0].candidate_top) == 10

    same = compare(perfect(data=data), perfect(data=data))
    assert same.metrics["mrr"].p_value == 1.0
    assert (same.better, same.worse) == ((), ())
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()


def test_reference_draws_are_compared_query_by_query() -> None:
    config = EvalConfig(protocol="reference-100", draws=2)
    data = pictures(110)
    found = compare(blind(config, data), perfect(config, data))
    assert found.metrics["hit_rate@5"].difference == 1.0
    other = EvalConfig(protocol="reference-100", draws=2, seed=1)
    with pytest.raises(DatasetError, match="not asked the same queries"):
        compare(blind(config, data), perfect(other, data))


def test_with_several_relevant_pictures_only_what_the_first_rank_decides_is_compared() -> None:
    several = QueryOutcome("a", ("1.png", "2.png"), 1, ())
    known = replace(perfect(), outcomes=(several,))
    assert set(compare(known, known).metrics) == {"mrr", "hit_rate@1", "hit_rate@5"}


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DatasetError, match="not asked the same queries"):
        compare(perfect(), perfect(data=pictures(5)))
    with pytest.raises(DatasetError, match="run both again"):
        compare(perfect(), replace(perfect(), outcomes=()))
    fewer = replace(perfect(), text_to_image=replace(perfect().text_to_image, gallery=3))
    with pytest.raises(DatasetError, match="same gallery"):
        compare(perfect(), fewer)
