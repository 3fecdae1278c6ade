"""Who comes first: the best by each kind of evidence, each scored on all the evidence there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from gallery import fulltext
from gallery.access import Person
from gallery.models import Image
from mlcore.config import FloatMatrix, IdVector
from mlcore.query import MIN_GALLERY_SAMPLE
from mlcore.relevance import CAPTION, NAMES, PICTURE, WORDS
from mlcore.words import WordMatch
from search.same import Example

if TYPE_CHECKING:
    from search.engine import SearchEngine

WHOLE = 12.0
"""Log-odds added at least where a title, caption, tag or file name is, as a whole, what was asked:
it is what somebody means who types it, however a model sees the picture."""

LIKE_SLOPE, LIKE_CENTRE = 2.5, 1.5
"""Log-odds of a picture for each standard deviation that it stands above the gallery's own scores
for an example, and from where they are counted. There are no captions to fit them on: chosen so
that among 7,000 pictures a strong one stands 4.5 deviations out, and chance alone reaches 3.8."""
LEAST_SPREAD = 1e-3
"""A gallery of pictures that all look alike tells nothing of an example."""
TYPICAL_MIDDLE, TYPICAL_SPREAD = 0.5, 0.1
"""Scores of pictures for an example, assumed where a gallery is too small to tell."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A query, as each kind of evidence takes it."""

    picture: FloatMatrix | None
    """float32 (1, dim) by the live model; None where it cannot read what is asked."""
    sentence: FloatMatrix | None = None
    """float32 (1, dim) by the encoder of sentences; None where no words are asked for."""
    words: fulltext.TextQuery | None = None
    by_example: bool = False
    """Whether ``picture`` is made of an example picture, alone or with words: its scores then lie
    in a range of their own."""
    share_of_words: float = 1.0
    """How much the words count where there is an example too: 1 where both count alike."""
    example: Example | None = None
    """The example picture, where nothing else is wanted."""
    same: IdVector = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Pictures that are the example, though it was resized, compressed, cropped or turned."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Candidates, best first. All arrays are of one length."""

    ids: IdVector
    log_odds: NDArray[np.float64]
    """At an even prior; :class:`mlcore.relevance.RelevanceModel` makes probabilities of them."""
    parts: NDArray[np.float64]
    """(n, kinds + 1): what each kind adds to the log-odds, and a whole match or the example itself;
    each row sums up to its log-odds."""
    similarity: NDArray[np.float32]
    """Cosine of query and picture; NaN where there is none."""
    captions: IdVector
    """Id of the caption that is nearest to the query: minus the picture's id for its title, 0 where
    nothing is said of it or was asked of that."""
    words: Mapping[int, WordMatch]
    """By picture, which words of the query are written on it."""
    hidden: int
    """Candidates that are gone, or not for this person to see."""
    is_same: NDArray[np.bool_]
    """Whether it is the example picture itself."""
    is_all: bool
    """Whether no kind of evidence would bring another candidate."""

    def _at(self, rows: NDArray[np.int64]) -> Self:
        return replace(
            self,
            ids=self.ids[rows],
            log_odds=self.log_odds[rows],
            parts=self.parts[rows],
            similarity=self.similarity[rows],
            captions=self.captions[rows],
            is_same=self.is_same[rows],
        )


def rank(
    asked: Asked,
    engine: SearchEngine,
    breadth: int,
    *,
    allowed: IdVector | None,
    user: Person,
    left_out: IdVector,
) -> Ranking:
    """Score the ``breadth`` best by each kind of evidence on all their evidence.

    Args:
        asked: the query.
        engine: model and indexes.
        breadth: at least 1.
        allowed: int64, in any order: only these pictures are considered; None considers all.
        user: who asks; only what this person may see is scored.
        left_out: ids of pictures that are not wanted.
    """
    candidates, is_all = _candidates(asked, engine, breadth, allowed)
    candidates = np.setdiff1d(candidates, left_out)
    # The indexes know nothing of deletions and permissions.
    visible = Image.objects.visible_to(user).filter(pk__in=candidates.tolist())
    words: Mapping[int, WordMatch] = {}
    if asked.words:
        words = fulltext.score_of(asked.words, visible)
        ids = np.array(sorted(words), dtype=np.int64)
    else:
        ids = np.array(sorted(visible.values_list("pk", flat=True)), dtype=np.int64)
    evidence = np.full((len(ids), len(NAMES)), np.nan)
    similarity = np.full(len(ids), np.nan, dtype=np.float32)
    captions = np.zeros(len(ids), dtype=np.int64)
    is_whole = np.zeros(len(ids), dtype=np.bool_)
    if asked.picture is not None and len(ids):
        similarity = engine.index.scores_of(asked.picture, ids)
        evidence[:, PICTURE] = similarity - (engine.bias.of(ids) if engine.bias else 0.0)
    if asked.sentence is not None and len(ids):
        best = engine.index.captions.best_of(asked.sentence, ids)
        evidence[:, CAPTION], captions = best.scores, best.keys
    if asked.words and len(ids):
        matches = [words[pk] for pk in ids.tolist()]
        shares = np.array([match.share for match in matches])
        is_whole = np.array([bool(match.whole) for match in matches])
        # That nobody said anything of a picture says nothing against it.
        is_told = (shares > 0) | ~np.isnan(evidence[:, CAPTION])
        evidence[:, WORDS] = np.where(is_told, shares, np.nan)
    parts = _parts(asked, engine, evidence, similarity)
    is_same = np.isin(ids, asked.same)
    is_first = is_whole | is_same
    if is_first.any():
        parts[is_first, -1] = _lift(parts.sum(axis=1), is_first)
    log_odds = parts.sum(axis=1)
    order = np.lexsort((ids, -log_odds))
    hidden = len(candidates) - len(ids)
    return Ranking(ids, log_odds, parts, similarity, captions, words, hidden, is_same, is_all)._at(
        order
    )


def _candidates(
    asked: Asked, engine: SearchEngine, breadth: int, allowed: IdVector | None
) -> tuple[IdVector, bool]:
    """Return the ids of the best by each kind, and whether there are no others."""
    found: list[list[int]] = []
    if asked.picture is not None:
        hits = engine.search(asked.picture, breadth, allowed_ids=allowed)
        found.append([hit.image_id for hit in hits])
    if asked.sentence is not None:
        told = engine.index.captions.search(asked.sentence, breadth, allowed_ids=allowed)
        found.append([hit.image_id for hit in told])
    if asked.words:
        found.append(fulltext.find(asked.words, breadth, allowed=allowed))
    ids = np.array([pk for each in found for pk in each], dtype=np.int64)
    is_all = all(len(each) < breadth for each in found)
    return np.concatenate([ids, asked.same]), is_all


def _parts(
    asked: Asked,
    engine: SearchEngine,
    evidence: NDArray[np.float64],
    similarity: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return what each kind adds, with a column left for whole matches."""
    parts = np.zeros((len(evidence), len(NAMES) + 1))
    if asked.by_example:
        evidence = evidence.copy()
        evidence[:, PICTURE] = np.nan
    parts[:, :-1] = engine.relevance.contributions(evidence)
    if asked.by_example:
        # Beside an example, words may speak for a picture and not against it: one that is not told
        # to be blue would stand below all of which nothing is told, however like the example.
        parts[parts.sum(axis=1) < 0] = 0
        parts *= asked.share_of_words
        parts[:, PICTURE] = _likeness(asked, engine, similarity)
    return parts


def _lift(log_odds: NDArray[np.float64], is_first: NDArray[np.bool_]) -> float:
    """Return what puts some before all others, and leaves their order among themselves."""
    if is_first.all():
        return WHOLE
    return max(WHOLE, float(log_odds[~is_first].max() - log_odds[is_first].min()) + 1)


def _likeness(
    asked: Asked, engine: SearchEngine, similarity: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Compare scores for an example with those that other pictures of the gallery have for it."""
    assert asked.picture is not None  # noqa: S101 - it is made of an example
    middle, spread = TYPICAL_MIDDLE, TYPICAL_SPREAD
    if len(engine.sample) >= MIN_GALLERY_SAMPLE:
        others = engine.sample @ asked.picture[0]
        middle, spread = float(others.mean()), max(float(others.std()), LEAST_SPREAD)
    deviations = (np.nan_to_num(similarity, nan=middle) - middle) / spread
    likeness: NDArray[np.float64] = LIKE_SLOPE * (deviations.astype(np.float64) - LIKE_CENTRE)
    return likeness
