"""The kinds of evidence that a picture answers a query: a registry, in the order of the columns.

A further kind is one entry here; models that were fitted before it fall back on its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class EvidenceKind:
    """One kind of evidence, and what it is taken to be worth where nothing was fitted."""

    name: str
    """What it is called in models, answers and evaluations."""
    weight: float
    """Log-odds that one unit of it adds."""
    centre: float
    """The value that speaks neither for nor against; in the unit of the evidence."""


EVIDENCE: tuple[EvidenceKind, ...] = (
    # Cosine of query and picture, -1 to 1. Trained with softmax over 100 times the cosine, CLIP's
    # own log-odds rise by 100 a unit (Radford et al. 2021, section 2.3). 0.25 lies above what
    # ViT-B/32 gives to pairs that have nothing to do with each other, so that it errs to "no".
    EvidenceKind("picture", weight=100.0, centre=0.25),
    # Best cosine of the query and the sentences that people wrote about the picture, -1 to 1. For
    # all-MiniLM-L6-v2, 12.5 above 0.27 was fitted on Flickr8k's dev pictures; this errs to "no".
    EvidenceKind("caption", weight=12.0, centre=0.35),
    # Share of the query's words that the picture's title, captions, tags and file name hold, each
    # weighed by how rare it is, 0 to 1. There, 6.1 above 0.18 was fitted for words alone, and 2.0
    # beside pictures and captions.
    EvidenceKind("words", weight=3.0, centre=0.2),
)
"""The columns of every evidence matrix, from left to right."""

NAMES: tuple[str, ...] = tuple(kind.name for kind in EVIDENCE)
COLUMN: Mapping[str, int] = MappingProxyType({name: column for column, name in enumerate(NAMES)})
"""By name, the column of a kind."""

PICTURE, CAPTION, WORDS = (COLUMN[name] for name in ("picture", "caption", "words"))
