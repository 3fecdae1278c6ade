"""Queries answered by all the evidence there is: one caption asks, while others are known.

A query's own caption is never evidence for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.evaluation.calibration import Calibration, calibration, even_pairs
from mlcore.evaluation.metrics import DirectionMetrics, score_ranks
from mlcore.evaluation.ranking import TIE
from mlcore.relevance import CAPTION, NAMES, PICTURE, WORDS, RelevanceModel
from mlcore.relevance.fitting import biases
from mlcore.relevance.held_out import Captions, known_others, score_queries
from mlcore.words import Language

if TYPE_CHECKING:
    from mlcore.datasets import CaptionDataset
    from mlcore.encoders.sentences import SentenceEncoder

EvidenceChoice: TypeAlias = Literal["picture", "captions", "words", "all"]

COLUMNS: Mapping[str, tuple[int, ...]] = {
    "picture": (PICTURE,),
    "captions": (CAPTION,),
    "words": (WORDS,),
    "all": tuple(range(len(NAMES))),
}
"""The kinds of evidence that each choice scores by."""

_BLOCK = 8_000_000
"""Values of evidence held at a time: 32 MB."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is known of the pictures while a caption asks."""

    others: int
    """Captions of each captioned picture that are known besides the one that asks."""
    share: float = 1.0
    """Of the pictures that have any known caption."""


SCENARIOS = (Scenario(0), Scenario(1), Scenario(4), Scenario(1, 0.5))


@dataclass(frozen=True, slots=True)
class EvidenceMetrics:
    """How well captions find their pictures in one scenario."""

    evidence: str
    """``picture``, ``captions``, ``words`` or ``all``: what scored."""
    others: int
    share: float
    """As in :class:`Scenario`."""
    metrics: DirectionMetrics
    captioned: DirectionMetrics | None = None
    uncaptioned: DirectionMetrics | None = None
    """Queries for pictures with and without a known caption; None where all are alike."""
    calibration: Calibration | None = None
    """Of each query's own picture and one other, at a prior of one half."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values under the names of the fields."""
        values: dict[str, Any] = {
            "evidence": self.evidence,
            "others": self.others,
            "share": self.share,
            "calibration": self.calibration.as_dict() if self.calibration else None,
        }
        for name in ("metrics", "captioned", "uncaptioned"):
            found: DirectionMetrics | None = getattr(self, name)
            values[name] = found.as_dict() if found else None
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``as_dict`` wrote."""
        parts = {
            name: DirectionMetrics.from_dict(values[name]) if values.get(name) else None
            for name in ("captioned", "uncaptioned")
        }
        found = values.get("calibration")
        return cls(
            values["evidence"],
            values["others"],
            values["share"],
            DirectionMetrics.from_dict(values["metrics"]),
            **parts,
            calibration=Calibration.from_dict(found) if found else None,
        )


@dataclass(frozen=True, slots=True)
class Weighing:
    """What evidence is made and weighed by."""

    relevance: RelevanceModel
    sentences: SentenceEncoder | None
    """The encoder of captions; without one there is no such evidence."""
    language: Language


class HeldCaptions:
    """Captioned pictures whose captions ask in turn.

    Args:
        data: the pictures.
        images: float32 (n, dim), in their order.
        texts: float32 (captions, dim), as the model of the pictures reads them.
        weighing: what evidence is made and weighed by.
        evidence: which kinds score.
    """

    def __init__(
        self,
        data: CaptionDataset,
        images: FloatMatrix,
        texts: FloatMatrix,
        weighing: Weighing,
        evidence: EvidenceChoice,
    ) -> None:
        self.evidence = evidence
        self.captions = [tuple(image.captions) for image in data]
        self.most = max(len(each) for each in self.captions)
        self._images, self._weighing = images, weighing
        encoder = weighing.sentences
        vectors = encoder.encode_texts(data.captions) if encoder else None
        self._read = Captions(tuple(self.captions), texts, vectors)

    def asking(self, asks: int) -> NDArray[np.int64]:
        """Return the pictures that have a caption of this number, from 0."""
        return np.flatnonzero([len(each) > asks for each in self.captions])

    def log_odds(
        self, asks: int, scenario: Scenario, pictures: Sequence[int] | NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Yield some queries at a time: whose captions ask, (q,), and the log-odds, (q, n).

        Args:
            asks: which caption of each picture asks.
            scenario: what is known.
            pictures: whose caption asks.
        """
        having = self.having(scenario)
        known = [
            known_others(len(each), asks % len(each), scenario.others) if having[place] else []
            for place, each in enumerate(self.captions)
        ]
        taken = biases(self._images, self._read, self._weighing.relevance.bias, known)
        unused = [kind for kind in range(len(NAMES)) if kind not in COLUMNS[self.evidence]]
        step = max(1, _BLOCK // (len(self.captions) * len(NAMES)))
        for start in range(0, len(pictures), step):
            chosen = np.asarray(pictures[start : start + step])
            rows = self._read.first[chosen] + asks
            vectors = self._read.sentences
            found = score_queries(
                [self.captions[place][asks] for place in chosen],
                self._read.asking[rows],
                None if vectors is None else vectors[rows],
                self._images,
                self._read,
                self._weighing.language,
                known,
                *taken,
            )
            found[:, :, unused] = np.nan
            flat = self._weighing.relevance.log_odds(found.reshape(-1, len(NAMES)))
            yield chosen, flat.reshape(found.shape[:2])

    def having(self, scenario: Scenario) -> NDArray[np.bool_]:
        """Tell of which pictures any caption is known: evenly spread, and always the same."""
        place = np.arange(len(self.captions))
        having: NDArray[np.bool_] = (
            np.diff(np.floor(np.append(place, len(place)) * scenario.share)) > 0
        )
        return having


def measure(
    held: HeldCaptions, ks: Sequence[int], scenarios: Sequence[Scenario] = SCENARIOS
) -> tuple[EvidenceMetrics, ...]:
    """Let every caption ask in each scenario."""
    return tuple(_measured(held, scenario, ks) for scenario in scenarios)


def _measured(held: HeldCaptions, scenario: Scenario, ks: Sequence[int]) -> EvidenceMetrics:
    ranks, owners, chances, truths = [], [], [], []
    for asks in range(held.most):
        for pictures, log_odds in held.log_odds(asks, scenario, held.asking(asks)):
            ranks.append(ranks_of(log_odds, pictures))
            owners.append(pictures)
            if log_odds.shape[1] > 1:
                chance, truth = even_pairs(log_odds, pictures, seed=asks)
                chances.append(chance)
                truths.append(truth)
    rank, owner = np.concatenate(ranks), np.concatenate(owners)

    def scored(rows: NDArray[np.bool_]) -> DirectionMetrics:
        _, groups = np.unique(owner[rows], return_inverse=True)
        counts = np.ones(int(rows.sum()), dtype=np.int64)
        return score_ranks(rank[rows, None], counts, len(held.captions), ks, groups=groups)

    having = held.having(scenario)[owner]
    partly = scenario.others > 0 and having.any() and not having.all()
    return EvidenceMetrics(
        held.evidence,
        scenario.others,
        scenario.share,
        scored(np.ones(len(owner), dtype=bool)),
        scored(having) if partly else None,
        scored(~having) if partly else None,
        calibration(np.concatenate(chances), np.concatenate(truths)) if chances else None,
    )


def ranks_of(log_odds: NDArray[np.float64], own: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return where the picture meant stands, (q,), from 1; equals come before it."""
    wanted = log_odds[np.arange(len(log_odds)), own]
    ranks: NDArray[np.int64] = (log_odds >= wanted[:, None] - TIE).sum(axis=1)
    return ranks.astype(np.float64)
