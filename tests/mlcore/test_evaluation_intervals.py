"""The bootstrap, against slow oracles, scipy, numbers worked by hand, and simulation."""

import time

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from mlcore.evaluation.intervals import (
    group_numbers,
    mean_intervals,
    mean_shifts,
    median_interval,
)
from mlcore.evaluation.metrics import score_ranks


def test_means_agree_with_scipy() -> None:
    values = np.random.default_rng(0).exponential(size=200)

    ((low, high),) = mean_intervals(values[:, None], resamples=20_000)

    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


@pytest.mark.parametrize("size", [9, 10])
def test_medians_agree_with_the_slow_way(size: int) -> None:
    values = np.random.default_rng(1).integers(1, 30, size=size).astype(float)
    drawn = np.random.default_rng(7).integers(0, size, size=(500, size))
    medians = np.median(values[drawn], axis=1)

    found = median_interval(values, resamples=500, seed=7)

    assert found == pytest.approx(tuple(np.percentile(medians, (2.5, 97.5))))


def test_groups_are_drawn_whole() -> None:
    # Two groups of unequal size: a resample holds both, or one of them twice.
    values = np.array([0.0, 0.0, 0.0, 1.0])
    groups = np.array([0, 0, 0, 1])
    generator = np.random.default_rng(3)
    drawn = generator.integers(0, 2, size=(400, 2))
    slow = [np.concatenate([values[groups == group] for group in draw]) for draw in drawn]

    ((low, high),) = mean_intervals(values[:, None], groups, resamples=400, seed=3)

    means = [part.mean() for part in slow]
    assert (low, high) == pytest.approx(tuple(np.percentile(means, (2.5, 97.5))))
    assert {round(mean, 6) for mean in means} == {0.0, 0.25, 1.0}
    medians = [float(np.median(part)) for part in slow]
    assert median_interval(values, groups, resamples=400, seed=3) == pytest.approx(
        tuple(np.percentile(medians, (2.5, 97.5)))
    )


def test_the_size_of_the_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    values, groups = generator.normal(size=(60, 3)), np.repeat(np.arange(20), 3)
    whole = (
        mean_intervals(values, groups),
        median_interval(values[:, 0], groups),
        mean_shifts(values, groups),
    )

    monkeypatch.setattr("mlcore.evaluation.intervals._BLOCK", 1_000)

    for ours, known in zip(mean_intervals(values, groups), whole[0], strict=True):
        assert ours == pytest.approx(known)
    assert median_interval(values[:, 0], groups) == pytest.approx(whole[1])
    assert [shift.p_value for shift in mean_shifts(values, groups)] == [
        shift.p_value for shift in whole[2]
    ]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """300 data sets of 80 pictures with 5 queries each, hit or missed together more than not."""
    generator = np.random.default_rng(11)
    groups = np.repeat(np.arange(80), 5)
    held = held_apart = 0
    for number in range(300):
        # The chance of a hit is that of its picture, and one half over all pictures.
        chance = generator.beta(0.5, 0.5, size=80)[groups]
        hits = (generator.random(400) < chance)[:, None].astype(float)
        ((low, high),) = mean_intervals(hits, groups, resamples=400, seed=number)
        held += low <= 0.5 <= high
        ((low, high),) = mean_intervals(hits, resamples=400, seed=number)
        held_apart += low <= 0.5 <= high

    assert 0.92 <= held / 300 <= 0.98
    # Taken for independent, such queries would claim to know far more than they do.
    assert held_apart / 300 < 0.85


def test_p_values_worked_by_hand() -> None:
    # Of 3 and -1, resamples have the mean 3 (a quarter), 1 (half) or -1 (a quarter). Moved by the
    # mean that was found, 1, they lie at 2, 0 and -2: half of them are as far out as 1.
    # Of 1 and 1 every resample has the mean 1, moved to 0. Of 1 and -1 the mean is 0.
    differences = np.array([[3.0, 1.0, 1.0], [-1.0, 1.0, -1.0]])

    half, least, most = mean_shifts(differences, resamples=20_000)

    assert half.p_value == pytest.approx(0.5, abs=0.015)
    assert least.p_value == pytest.approx(1 / 20_001)
    assert most.p_value == 1.0
    assert (half.low, half.high) == (-1.0, 3.0)
    assert (least.low, least.high) == (1.0, 1.0)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.12, 0.2])
def test_p_values_agree_with_the_permutation_test(shift: float) -> None:
    differences = np.random.default_rng(4).normal(shift, 1, size=300)

    (ours,) = mean_shifts(differences[:, None])

    theirs = stats.permutation_test(
        (differences, np.zeros(300)),
        lambda one, other, axis: np.mean(one - other, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=10_000,
        rng=5,
    )
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.02)


def test_equal_models_are_told_apart_as_often_as_they_say() -> None:
    generator = np.random.default_rng(6)
    groups = np.repeat(np.arange(60), 5)
    differences = generator.normal(size=(300, 400)) + generator.normal(size=(60, 400))[groups]

    found = [shift.p_value < 0.05 for shift in mean_shifts(differences, groups, resamples=2_000)]

    assert 0.02 <= np.mean(found) <= 0.09


def test_groups_are_numbered_in_order() -> None:
    assert group_numbers(["b", "a", "b", ("c",)]).tolist() == [0, 1, 0, 2]


def test_the_intervals_of_karpathy_take_under_two_seconds() -> None:
    ranks = np.random.default_rng(0).integers(1, 1000, size=(5_000, 1)).astype(float)
    begun = time.process_time()

    found = score_ranks(
        ranks, np.ones(5_000, dtype=int), 1_000, (1, 5, 10), groups=np.repeat(np.arange(1_000), 5)
    )

    assert time.process_time() - begun < 2
    assert len(found.intervals) == 14
