"""How likely a picture is to be what was asked for, from all the evidence there is of it.

A logistic regression for each pattern of evidence: pictures with a caption are scored by weights
fitted on picture and caption, pictures without one by weights fitted on the picture alone. The
sums are log-odds at an even prior, that is, logarithms of likelihood ratios, so pictures with
different evidence stand in one order. With the prior put right (one in the number of pictures
that were searched) they are probabilities (King and Zeng 2001, "Logistic Regression in Rare
Events Data", section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mlcore.errors import RelevanceError
from mlcore.relevance.evidence import COLUMN, EVIDENCE, NAMES
from mlcore.relevance.odds import log_odds_of, probability_of

FORMAT_VERSION = 1

STRONG = 0.815
"""The probability from which a hit is called strong, where a model was not given a mark of its own;
see :meth:`RelevanceModel.strong_log_odds`."""

STRONG_WITH_BIAS = 0.87
"""Likewise, where a bias is taken from the scores of pictures: what is left of them lies closer
together, so that more of what answers nothing comes near the mark (docs/evaluation.md)."""

_LEAST_WEIGHT = 1e-9
"""Weights of a pattern below which none bears a share of the start."""

_BITS = 1 << np.arange(len(NAMES))


class Weights(NamedTuple):
    """A logistic regression on the evidence of one pattern."""

    intercept: float
    by_kind: Mapping[str, float]
    """A weight for each kind of the pattern: log-odds per unit of the evidence."""


class Parts(NamedTuple):
    """What each kind of evidence adds to the log-odds; ``values.sum(axis=1) + intercept``."""

    values: NDArray[np.float64]
    """(n, kinds), in the order of ``EVIDENCE``; 0 where evidence is missing."""
    intercept: NDArray[np.float64]
    """(n,): where the sum starts, which depends on what evidence there is."""


@dataclass(frozen=True)
class RelevanceModel:
    """Weights of the evidence. Made by :mod:`mlcore.relevance.fitting`, or read from JSON."""

    patterns: Mapping[tuple[str, ...], Weights]
    """By the kinds that are present, in the order of ``EVIDENCE``. A pattern that is not here is
    scored by the largest one within it, and by the defaults for the kinds that this one lacks."""
    strong: float = STRONG
    """The mark of strong hits, above 0 and below 1; see :meth:`strong_log_odds`."""
    source: str = "default"
    """``default``, ``shipped`` or ``fitted``: where the weights come from."""
    encoders: Mapping[str, str] = field(default_factory=dict)
    """By kind of evidence, the fingerprint of the model whose cosines the weights belong to."""
    defaults: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By kind, weight and centre in place of those of ``EVIDENCE``, where no pattern fits."""
    bias: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """By kind of evidence, k and alpha of what was taken from its cosines before they were weighed;
    see :func:`mlcore.relevance.bias.neighbour_bias`. A kind that is not here has none."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """How it was fitted and what was measured, as JSON values: for people."""

    def __post_init__(self) -> None:
        _require(self.strong, 0 < self.strong < 1)
        for present, weights in self.patterns.items():
            ordered = tuple(name for name in NAMES if name in present)
            if not present or ordered != present or set(weights.by_kind) != set(present):
                raise RelevanceError("relevance.not_a_pattern", present=list(map(str, present)))
            for number in (weights.intercept, *weights.by_kind.values()):
                _require(number, math.isfinite(number))
        for name, numbers in (*self.defaults.items(), *self.bias.items()):
            if name not in COLUMN or len(numbers) != 2:
                raise RelevanceError("relevance.not_a_pattern", present=[str(name)])
            for number in numbers:
                _require(number, math.isfinite(number))

    def log_odds(self, evidence: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the log-odds of being relevant, at a prior of one half.

        Args:
            evidence: (n, kinds), columns in the order of ``EVIDENCE``; NaN where a picture lacks
                that kind.

        Returns:
            float64 (n,); 0 for a picture of which there is no evidence at all.

        Raises:
            ValueError: another number of columns, or a value that is infinite.
        """
        values, intercept = self.parts(evidence)
        log_odds: NDArray[np.float64] = values.sum(axis=1) + intercept
        return log_odds

    def parts(self, evidence: NDArray[np.floating[Any]]) -> Parts:
        """Return what each kind of evidence adds, and where the sum starts; see `log_odds`."""
        known, rows = self._weighed(evidence)
        return Parts(known * rows[:, 1:], rows[:, 0])

    def contributions(self, evidence: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return what each kind of evidence adds, the start shared out: (n, kinds).

        Where a sum starts is of no kind, so each bears of it what its weight bears of all. Each row
        sums up to its log-odds; see `log_odds`.
        """
        known, rows = self._weighed(evidence)
        weights = np.abs(rows[:, 1:])
        shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), _LEAST_WEIGHT)
        contributions: NDArray[np.float64] = known * rows[:, 1:] + rows[:, :1] * shares
        return contributions

    def _weighed(
        self, evidence: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the evidence, 0 where it is missing, and for each picture its row of the table."""
        if evidence.ndim != 2 or evidence.shape[1] != len(NAMES):
            raise ValueError(f"evidence needs {len(NAMES)} columns: {', '.join(NAMES)}")
        missing = np.isnan(evidence)
        known = np.where(missing, 0.0, evidence)
        if not np.isfinite(known).all():
            raise ValueError("evidence is finite, or NaN where it is missing")
        return known, self._table[~missing @ _BITS]

    def probability(
        self, log_odds: NDArray[np.floating[Any]], pictures: int
    ) -> NDArray[np.float64]:
        """Return the probability of being relevant, 0 to 1.

        Args:
            log_odds: at an even prior, of any shape.
            pictures: among how many was searched, at least 1: the prior odds are 1 to this.
        """
        return probability_of(np.asarray(log_odds, dtype=np.float64) - _prior(pictures))

    def strong_log_odds(self, pictures: int) -> float:
        """Return the log-odds from which a hit among so many pictures is strong.

        The mark is a probability at prior odds of 1 to the cube root of N, and not to N. That keeps
        nonsense out of small galleries: the best of N pictures that do not answer is no chance
        pair, and its log-odds grow far more slowly than log N. At a third of it about as many
        unanswerable queries get a strong hit among 200 pictures as among 7,000, where a mark that
        grows with log N lets through most of them (docs/evaluation.md).
        """
        return log_odds_of(self.strong) + _prior(pictures) / 3

    def fits(self, encoders: Mapping[str, str]) -> Self:
        """Keep the patterns whose cosines are those of these models.

        Args:
            encoders: by kind of evidence, the fingerprint of the model in use. Kinds that are not
                named are not looked at.

        Returns:
            This model without the patterns that hold a kind made by another model than the
            weights belong to; the defaults stand in for those.
        """
        foreign = {
            kind
            for kind, made_by in self.encoders.items()
            if kind in encoders and encoders[kind] != made_by
        }
        kept = {kinds: w for kinds, w in self.patterns.items() if foreign.isdisjoint(kinds)}
        made_by = {kind: name for kind, name in self.encoders.items() if kind not in foreign}
        return replace(self, patterns=kept, encoders=made_by) if foreign else self

    def weights(self, present: Iterable[str]) -> Weights:
        """Return the weights by which pictures with this evidence, and no other, are scored."""
        wanted = tuple(name for name in NAMES if name in set(present))
        within = self._largest_within(wanted)
        known = self.patterns.get(within, Weights(0.0, {}))
        intercept, by_kind = known.intercept, dict(known.by_kind)
        for kind in EVIDENCE:
            if kind.name in wanted and kind.name not in by_kind:
                weight, centre = self.defaults.get(kind.name, (kind.weight, kind.centre))
                by_kind[kind.name] = weight
                intercept -= weight * centre
        return Weights(intercept, by_kind)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values that :meth:`from_json` reads."""
        return {
            "format": FORMAT_VERSION,
            "source": self.source,
            "strong": self.strong,
            "encoders": dict(self.encoders),
            "defaults": {kind: list(numbers) for kind, numbers in self.defaults.items()},
            "bias": {kind: list(numbers) for kind, numbers in self.bias.items()},
            "patterns": [
                {"intercept": intercept, "weights": {name: by_kind[name] for name in present}}
                for present, (intercept, by_kind) in self.patterns.items()
            ],
            "figures": dict(self.figures),
        }

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Read what :meth:`to_json` returned.

        Raises:
            RelevanceError: it is of another format, names evidence that is not known here, or
                holds something else than finite numbers.
        """
        try:
            version = values["format"]
            if version != FORMAT_VERSION:
                raise RelevanceError(
                    "relevance.other_format", found=str(version), known=str(FORMAT_VERSION)
                )
            patterns = {
                # Databases sort the keys of what they keep, so the order is made anew.
                tuple(sorted(map(str, each["weights"]), key=_place)): Weights(
                    _number(each["intercept"]),
                    {str(name): _number(weight) for name, weight in each["weights"].items()},
                )
                for each in values["patterns"]
            }
            defaults = {
                str(kind): (_number(weight), _number(centre))
                for kind, (weight, centre) in values["defaults"].items()
            }
            bias = {
                str(kind): (int(_number(k)), _number(alpha))
                for kind, (k, alpha) in values.get("bias", {}).items()
            }
            encoders = {str(kind): str(name) for kind, name in values["encoders"].items()}
            strong, source = _number(values["strong"]), str(values["source"])
            figures = dict(values["figures"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RelevanceError("relevance.malformed") from error
        return cls(patterns, strong, source, encoders, defaults, bias, figures)

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        """Intercept and weights of every pattern, (2 ** kinds, 1 + kinds), by the bits present."""
        table = np.zeros((1 << len(NAMES), 1 + len(NAMES)))
        for code in range(1, len(table)):
            present = [name for name in NAMES if code >> COLUMN[name] & 1]
            intercept, by_kind = self.weights(present)
            table[code, 0] = intercept
            for name, weight in by_kind.items():
                table[code, 1 + COLUMN[name]] = weight
        return table

    def _largest_within(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Return the fitted pattern of most kinds that needs none but these; () if there is none.

        Among equals the one whose kinds come first in ``EVIDENCE``.
        """
        for size in range(len(wanted), 0, -1):
            for kinds in combinations(wanted, size):
                if kinds in self.patterns:
                    return kinds
        return ()


def _place(kind: str) -> int:
    """Return where a kind stands in ``EVIDENCE``; one that is not known there, at the end."""
    return COLUMN.get(kind, len(NAMES))


def _prior(pictures: int) -> float:
    """Return the logarithm of how many pictures are not meant for each that is."""
    return math.log(max(pictures, 1))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return float(value)


def _require(number: float, accepted: bool) -> None:
    if not accepted:
        raise RelevanceError("relevance.number_out_of_range", number=str(number))
