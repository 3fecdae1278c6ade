"""How many inverted lists a search must read, found by trying on queries with known answers.

What is enough depends on the vectors, on how many results are asked for, and on how many pictures
a filter lets through, so it is measured when an index is built and kept in its manifest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from mlcore.config import FloatMatrix, IdVector

DEPTHS = (10, 100)
"""Numbers of results for which the lists to read are found."""

SHARES = (1.0, 0.5, 0.1, 0.01)
"""Shares of the pictures that a filter lets through, for which the lists to read are found."""

STEP = 2**0.5
"""Factor between two numbers of lists that are tried first."""

REFINEMENTS = 2
"""How often the gap between too few lists and enough is halved afterwards; the first steps alone
read up to 41 % more than is needed."""

SURENESS = 1.645
"""Standard errors between the recall that is measured and the one that is promised, which is thus
the lower end of a one-sided interval of 95 %: other queries would find less than the mean half the
time."""

Search = Callable[[FloatMatrix, int, "IdVector | None", int], IdVector]
"""Takes queries, k, allowed positions and the number of lists; returns positions (m, k)."""

Truth = Callable[[FloatMatrix, int, "IdVector | None"], IdVector]
"""Takes queries, k and allowed positions; returns the true positions (m, k)."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Lists to read, by the number of results and by the share of pictures allowed."""

    target: float
    """Recall that was asked for, 0 to 1; what was measured is surely above it."""
    recall: float
    """Recall@10 that was measured without a filter, on the harder kind of queries."""
    queries: int
    """Queries it was measured on."""
    lists: dict[int, dict[float, int]]
    """Depth to share to number of lists."""

    def probes(self, k: int, share: float) -> int:
        """Lists to read for ``k`` results where ``share`` of the pictures may come back.

        Between two shares that were measured the smaller one counts: it needs more lists.
        """
        depth = min((depth for depth in self.lists if depth >= k), default=max(self.lists))
        by_share = self.lists[depth]
        known = max((tried for tried in by_share if tried <= share), default=min(by_share))
        # Below what was measured too few of a list are allowed for any guess: twice as many.
        return by_share[known] * (2 if share < known else 1)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "target": self.target,
            "recall": self.recall,
            "queries": self.queries,
            "lists": {
                str(depth): {str(share): lists for share, lists in by_share.items()}
                for depth, by_share in self.lists.items()
            },
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Read what :meth:`as_dict` wrote."""
        lists = {
            int(depth): {float(share): int(number) for share, number in by_share.items()}
            for depth, by_share in stored["lists"].items()
        }
        return cls(stored["target"], stored["recall"], stored["queries"], lists)


@dataclass(frozen=True, slots=True)
class Trial:
    """Queries of one kind, on which an index is tried."""

    queries: FloatMatrix
    own: IdVector | None = None
    """For queries that are vectors of the index themselves: their positions, int64 (m,). That a
    vector finds itself proves nothing and is not counted."""


def tune(
    trials: list[Trial],
    *,
    target: float,
    most: int,
    count: int,
    search: Search,
    truth: Truth,
) -> Tuning:
    """Find about the fewest lists that reach the recall asked for.

    Every kind of query must reach it by itself: sentences lie further from pictures than pictures
    from each other, and need more lists.

    Args:
        trials: for example pictures and sentences.
        target: recall at each depth, 0 to 1, that other queries may count on. Where even all lists
            do not reach it, because the vectors are rounded, the fewest lists within 0.005 of what
            all of them reach count.
        most: all lists.
        count: vectors in the index.
        search: the index under test.
        truth: exact search over the vectors as they were given.
    """
    generator = np.random.default_rng(2)
    lists: dict[int, dict[float, int]] = {depth: {} for depth in DEPTHS}
    recall_at_first = 0.0
    for share in SHARES:
        positions = None
        if share < 1:
            chosen = generator.choice(count, max(1, round(share * count)), replace=False)
            positions = np.sort(chosen).astype(np.int64)
        right = [
            _without_own(truth(trial.queries, max(DEPTHS) + 1, positions), trial)
            for trial in trials
        ]
        for depth in DEPTHS:
            recall = partial(_least_recall, trials, right, depth, positions, search)
            number, reached = _fewest(recall, target, most)
            lists[depth][share] = number
            if share == 1.0 and depth == DEPTHS[0]:
                recall_at_first = reached.mean
    asked = sum(len(trial.queries) for trial in trials)
    return Tuning(target, round(recall_at_first, 4), asked, lists)


@dataclass(frozen=True, slots=True, order=True)
class Reached:
    """Recall on some queries; compared by what is sure."""

    sure: float
    """What it is at least, also on other queries."""
    mean: float


def recall_at(found: IdVector, right: IdVector) -> Reached:
    """Share of the right positions that were found, mean over queries; -1 stands for none.

    Args:
        found: int64 (m, k).
        right: int64 (m, k).
    """
    shares = []
    for row, answer in zip(found.tolist(), right.tolist(), strict=True):
        wanted = {position for position in answer if position >= 0}
        if wanted:
            shares.append(len(wanted.intersection(row)) / len(wanted))
    if not shares:
        return Reached(1.0, 1.0)
    mean = float(np.mean(shares))
    return Reached(mean - SURENESS * float(np.std(shares)) / len(shares) ** 0.5, mean)


def _least_recall(
    trials: list[Trial],
    right: list[IdVector],
    depth: int,
    positions: IdVector | None,
    search: Search,
    probes: int,
) -> Reached:
    return min(
        recall_at(
            _without_own(search(trial.queries, depth + 1, positions, probes), trial)[:, :depth],
            answers[:, :depth],
        )
        for trial, answers in zip(trials, right, strict=True)
    )


def _without_own(found: IdVector, trial: Trial) -> IdVector:
    """Drop each query's own position, or else the last one: (m, k + 1) to (m, k)."""
    if trial.own is None:
        return found[:, :-1]
    kept = found != trial.own[:, None]
    kept[kept.all(axis=1), -1] = False
    others: IdVector = found[kept].reshape(len(found), -1)
    return others


def _fewest(recall: Callable[[int], Reached], target: float, most: int) -> tuple[int, Reached]:
    probes = min(8, most)
    tried: list[tuple[int, Reached]] = []
    while True:
        reached = recall(probes)
        tried.append((probes, reached))
        if reached.sure >= target or probes >= most:
            break
        probes = min(most, round(probes * STEP))
    if tried[-1][1].sure < target:
        enough_mean = tried[-1][1].mean - 0.005
        return next((probes, reached) for probes, reached in tried if reached.mean >= enough_mean)
    enough, few = tried[-1], tried[-2][0] if len(tried) > 1 else tried[-1][0]
    for _ in range(REFINEMENTS):
        between = round((few * enough[0]) ** 0.5)
        if not few < between < enough[0]:
            break
        reached = recall(between)
        if reached.sure >= target:
            enough = between, reached
        else:
            few = between
    return enough
