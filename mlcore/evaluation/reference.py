"""``reference-100``: 100 captions at a time, over several draws."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mlcore.evaluation.asked import Asked, outcomes_of
from mlcore.evaluation.held_caption import (
    SCENARIOS,
    EvidenceMetrics,
    HeldCaptions,
    Scenario,
    ranks_of,
)
from mlcore.evaluation.intervals import group_numbers, mean_intervals
from mlcore.evaluation.metrics import (
    AT_K,
    DirectionMetrics,
    retrieval_metrics,
    score_each,
    score_ranks,
)
from mlcore.evaluation.results import QueryOutcome


def reference_draws(
    asked: Asked,
) -> tuple[DirectionMetrics, dict[str, float], tuple[QueryOutcome, ...]]:
    """Return the mean over the draws, the standard deviation of each metric, and every query."""
    config = asked.config
    ks = tuple(sorted({*config.ks, 5}))
    draws: list[DirectionMetrics] = []
    outcomes: list[QueryOutcome] = []
    pictures: list[int] = []
    whole = None if config.gallery == "queried" else asked.gallery()
    for chosen, captions in _drawn(asked):
        gallery, names = whole or asked.gallery(chosen)
        rows = np.arange(len(chosen)) if whole is None else np.array(chosen)
        relevant = rows[:, None]
        draws.append(retrieval_metrics(asked.texts[captions], gallery, relevant, ks, resamples=0))
        outcomes += outcomes_of(asked, captions, gallery, names, relevant)
        pictures += chosen
    average = _average(draws, ks, _pooled_intervals([each.rank for each in outcomes], pictures, ks))
    spread = {name: float(np.std([one.flat()[name] for one in draws])) for name in average.flat()}
    return average, spread, tuple(outcomes)


def evidence_draws(asked: Asked, held: HeldCaptions) -> tuple[EvidenceMetrics, ...]:
    """Let the same captions ask by more evidence, while one or four others are known."""
    return tuple(_by_evidence(asked, held, scenario) for scenario in SCENARIOS[1:3])


def _by_evidence(asked: Asked, held: HeldCaptions, scenario: Scenario) -> EvidenceMetrics:
    config, first = asked.config, [int(rows[0]) for rows in asked.captions_of]
    draws = [
        [(picture, caption - first[picture]) for picture, caption in zip(*drawn, strict=True)]
        for drawn in _drawn(asked)
    ]
    found: dict[tuple[int, int], NDArray[np.float32]] = {}
    for asks in range(held.most):
        wanted = sorted({picture for draw in draws for picture, number in draw if number == asks})
        for pictures, log_odds in held.log_odds(asks, scenario, wanted):
            for picture, row in zip(pictures.tolist(), log_odds.astype(np.float32), strict=True):
                found[picture, asks] = row
    ks = tuple(sorted({*config.ks, 5}))
    metrics, every = [], []
    for draw in draws:
        chosen = np.array([picture for picture, _ in draw])
        rows = np.stack([found[each] for each in draw])
        own = chosen
        if config.gallery == "queried":
            rows, own = rows[:, chosen], np.arange(len(chosen))
        ranks = ranks_of(rows.astype(np.float64), own)
        ones = np.ones(len(ranks), dtype=np.int64)
        metrics.append(score_ranks(ranks[:, None], ones, rows.shape[1], ks, resamples=0))
        every += ranks.tolist()
    pictures_drawn = [picture for draw in draws for picture, _ in draw]
    average = _average(metrics, ks, _pooled_intervals(every, pictures_drawn, ks))
    return EvidenceMetrics(held.evidence, scenario.others, scenario.share, average)


def _drawn(asked: Asked) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the pictures of each draw, and one caption of each; always the same."""
    config, captions_of = asked.config, asked.captions_of
    for draw in range(config.draws):
        generator = random.Random(f"{config.seed}:{draw}")  # noqa: S311 - a sample, not a secret
        chosen = generator.sample(range(len(asked.data)), config.queries)
        yield chosen, [int(generator.choice(captions_of[index])) for index in chosen]


def _average(
    draws: Sequence[DirectionMetrics],
    ks: Sequence[int],
    intervals: dict[str, tuple[float, float]],
) -> DirectionMetrics:
    def mean(figure: Callable[[DirectionMetrics], float]) -> float:
        return float(np.mean([figure(one) for one in draws]))

    def at_k(name: str, k: int) -> float:
        return mean(lambda one: getattr(one, name)[k])

    return DirectionMetrics(
        queries=draws[0].queries,
        gallery=draws[0].gallery,
        mrr=mean(lambda one: one.mrr),
        median_rank=mean(lambda one: one.median_rank),
        intervals=intervals,
        **{name: {k: at_k(name, k) for k in ks} for name in AT_K},
    )


def _pooled_intervals(
    ranks: Sequence[float], pictures: Sequence[int], ks: Sequence[int]
) -> dict[str, tuple[float, float]]:
    """Intervals over the queries of all draws; a picture drawn twice counts as one group.

    The mean of the draws' median ranks has none: it is no mean over queries.
    """
    places = np.array(ranks, dtype=np.float64)[:, None]
    scores = score_each(places, np.ones(len(places), dtype=np.int64), ks)
    values = np.stack(list(scores.values()), axis=1)
    return dict(zip(scores, mean_intervals(values, group_numbers(pictures)), strict=True))
