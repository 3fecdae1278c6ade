"""What is asked of a model, and what came out, as values that can be kept and read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from mlcore.config import ImageLimits
from mlcore.evaluation.composition import CompositionResult
from mlcore.evaluation.held_caption import EvidenceChoice, EvidenceMetrics
from mlcore.evaluation.metrics import DirectionMetrics

REFERENCE_100 = {"precision@5": 0.176, "recall@5": 0.880, "mrr": 0.751, "ndcg@5": 0.783}
"""What a fine-tuned CLIP ViT-B/32 was reported to reach on 100 Flickr8k queries."""


@dataclass(frozen=True, slots=True)
class EvalConfig:
    """What is asked of the model.

    ``karpathy-1k``: every caption queries all pictures of the split, and every picture queries all
    captions (Karpathy and Fei-Fei 2015, section 4.1; the split there has 1,000 pictures).

    ``reference-100``: 100 captions of different pictures query a gallery, again and again over
    ``draws`` draws; the metrics are the mean over the draws, with the standard deviation beside.

    ``held-caption``: every caption queries all pictures of the split while 0, 1 or 4 other captions
    of each are known, or half of the pictures have any.
    """

    protocol: Literal["karpathy-1k", "reference-100", "held-caption"] = "karpathy-1k"
    ks: tuple[int, ...] = (1, 5, 10)
    """The cut-offs; each at least 1."""
    gallery: Literal["queried", "split", "indexed"] = "queried"
    """Among which pictures a caption looks: the queried ones, the whole split, or the split and
    everything else that is indexed. For ``karpathy-1k`` the first two are the same."""
    queries: int = 100
    """For ``reference-100``: captions in a draw."""
    draws: int = 20
    """For ``reference-100``."""
    seed: int = 0
    """For ``reference-100``: decides the draws."""
    image_to_image: bool = True
    """For ``karpathy-1k``: also look for each picture with a changed copy of it. Takes as long
    again as encoding the pictures."""
    evidence: EvidenceChoice = "picture"
    """What scores pictures besides their own vector, which the figures of text to image are always
    of: for ``picture`` nothing, else the captions that do not ask as well, in
    :attr:`RetrievalMetrics.with_evidence`."""
    composition: bool = False
    """Also test whether captions beat slightly wrong ones."""
    limits: ImageLimits = field(default_factory=ImageLimits)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``dataclasses.asdict`` made, also after a way through JSON."""
        read = dict(values)
        read["ks"] = tuple(read["ks"])
        read["limits"] = ImageLimits(**read["limits"])
        return cls(**read)


@dataclass(frozen=True, slots=True)
class QueryOutcome:
    """What one caption found."""

    query: str
    relevant: tuple[str, ...]
    """The names of the pictures that answer it."""
    rank: int
    """Of the first of them, from 1; ties against it."""
    top: tuple[str, ...]
    """The names of the first pictures that came back, at most ten."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "query": self.query,
            "relevant": list(self.relevant),
            "rank": self.rank,
            "top": list(self.top),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        return cls(values["query"], tuple(values["relevant"]), values["rank"], tuple(values["top"]))


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """The outcome of one evaluation."""

    model: str
    fingerprint: str
    config: EvalConfig
    text_to_image: DirectionMetrics
    """For ``reference-100``, the mean over the draws."""
    image_to_text: DirectionMetrics | None
    """None for ``reference-100``, which only asks with text."""
    spread: dict[str, float] | None
    """For ``reference-100``: standard deviation over the draws, named as in ``flat()``."""
    image_to_image: DirectionMetrics | None = None
    """Each picture, mirrored and cropped, asks for its original; None where it was not asked."""
    composition: CompositionResult | None = None
    """None where it was not asked."""
    with_evidence: tuple[EvidenceMetrics, ...] = ()
    """Text to image by more evidence than the picture's vector, for each amount of it."""
    outcomes: tuple[QueryOutcome, ...] = ()
    """Of each caption that asked, text to image; for ``reference-100`` draw after draw."""

    def as_dict(self, *, outcomes: bool = False) -> dict[str, Any]:
        """JSON values; metrics named as in ``DirectionMetrics.flat``.

        Args:
            outcomes: also what each caption found, under ``outcomes``.
        """
        result: dict[str, Any] = {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "config": asdict(self.config),
        }
        for name in ("text_to_image", "image_to_text", "image_to_image"):
            metrics: DirectionMetrics | None = getattr(self, name)
            result[name] = None if metrics is None else metrics.as_dict()
        if self.spread is not None:
            result["spread"] = self.spread
            result["reference"] = REFERENCE_100
        if self.composition is not None:
            result["composition"] = self.composition.as_dict()
        if self.with_evidence:
            result["with_evidence"] = [found.as_dict() for found in self.with_evidence]
        if outcomes:
            result["outcomes"] = [outcome.as_dict() for outcome in self.outcomes]
        return result

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``as_dict`` wrote; without outcomes, there are none to compare by."""

        def direction(name: str) -> DirectionMetrics | None:
            return DirectionMetrics.from_dict(values[name]) if values.get(name) else None

        composition = values.get("composition")
        return cls(
            model=values["model"],
            fingerprint=values["fingerprint"],
            config=EvalConfig.from_dict(values["config"]),
            text_to_image=DirectionMetrics.from_dict(values["text_to_image"]),
            image_to_text=direction("image_to_text"),
            spread=values.get("spread"),
            image_to_image=direction("image_to_image"),
            composition=CompositionResult.from_dict(composition) if composition else None,
            with_evidence=tuple(map(EvidenceMetrics.from_dict, values.get("with_evidence", ()))),
            outcomes=tuple(map(QueryOutcome.from_dict, values.get("outcomes", ()))),
        )
