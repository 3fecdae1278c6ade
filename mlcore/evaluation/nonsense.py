"""Does the mark of strong hits tell sense from nonsense?

Sensible queries should have a strong hit, and those that nothing answers should have none: letters
at random, sentences in a language that the model does not read, things that no picture shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlcore.evaluation.intervals import wilson
from mlcore.relevance import RelevanceModel

QUERIES = Path(__file__).with_name("queries.tsv")

SENSIBLE = "sensible"
GIBBERISH = "gibberish"
"""Answered by no gallery at all; ``foreign`` and ``absent`` depend on the model and the gallery."""


@dataclass(frozen=True, slots=True)
class NonsenseResult:
    """How often queries of two kinds had a strong hit."""

    sensible: int
    """Queries that something answers."""
    sensible_strong: float
    """Share of them with a strong hit."""
    unanswerable: int
    unanswerable_strong: float
    """Share of those that nothing answers, with a strong hit all the same; less is better."""
    low: float
    high: float
    """The 95 % score interval of ``unanswerable_strong``."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values under the names of the fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``as_dict`` wrote."""
        return cls(**values)


def shipped_queries() -> dict[str, list[str]]:
    """Return the 200 queries that come with the program, by kind."""
    found: dict[str, list[str]] = {}
    for line in QUERIES.read_text(encoding="utf-8").splitlines():
        kind, tab, query = line.partition("\t")
        if tab:
            found.setdefault(kind, []).append(query)
    return found


def nonsense_test(
    model: RelevanceModel,
    sensible: Sequence[NDArray[np.floating[Any]]],
    unanswerable: Sequence[NDArray[np.floating[Any]]],
) -> NonsenseResult:
    """Count the queries with a strong hit.

    Args:
        model: scores the evidence, and holds the mark.
        sensible, unanswerable: of each query the evidence of all pictures, (pictures, kinds).

    Raises:
        ValueError: no query of a kind.
    """
    if not len(sensible) or not len(unanswerable):
        raise ValueError("the test of nonsense needs queries of both kinds")
    answered = sum(has_strong_hit(model, each) for each in sensible)
    fooled = sum(has_strong_hit(model, each) for each in unanswerable)
    low, high = wilson(fooled, len(unanswerable))
    return NonsenseResult(
        len(sensible),
        answered / len(sensible),
        len(unanswerable),
        fooled / len(unanswerable),
        low,
        high,
    )


def has_strong_hit(model: RelevanceModel, evidence: NDArray[np.floating[Any]]) -> bool:
    """Tell whether any of these pictures is a strong hit; ``evidence``: (pictures, kinds)."""
    best = float(model.log_odds(evidence).max(initial=-np.inf))
    return best >= model.strong_log_odds(len(evidence))
