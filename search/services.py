"""Answers a query: encode, compose, look up, fetch the records that this person may see."""

import time
from dataclasses import dataclass, replace

import numpy as np
from django.db.models import F
from numpy.typing import NDArray

from gallery.access import Person, has_perm
from gallery.examples import keep_example
from gallery.models import Image
from gallery.selectors import visible_images
from mlcore.config import IdVector
from mlcore.errors import InvalidQueryError
from mlcore.i18n import Message
from mlcore.relevance.odds import probability_of
from mlcore.words import WordQuery
from search.encoding import UnknownImageError, encode, gallery_ids, middle_of
from search.engine import SearchEngine, get_engine
from search.filters import matching_ids
from search.measures import observe_search
from search.parameters import RELEVANCE
from search.query import KeptExample, QueryImage, SearchQuery
from search.ranking import Asked, Ranking, rank
from search.relevance import Evidence, evidence_of, other_language, why_nothing_fits
from search.same import same_pictures

__all__ = ["SearchPage", "SearchResult", "UnknownImageError", "keep_picture", "search_images"]

LEAST_BREADTH = 32
"""Candidates of each kind of evidence at least. More find little more: see docs/evaluation.md."""
STRONG = 0.5
"""Relevance from which a hit is strong: it is more likely than not what was meant."""
SORTED_BREADTH = 500
"""Likewise, where the strong ones of them are put into another order."""
FAIR_BREADTH = 500
"""Likewise, where most candidates are hidden: they take the places of others that are seen."""
ORDERS = {"taken": "taken_at", "added": "created_at", "title": "title"}
"""Fields of pictures, by what they are called in an address."""
SCORE_DIGITS = 3
"""More digits would let a hidden picture's vector be worked out by many queries."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    image: Image
    relevance: float
    """Probability that the picture is what was asked for, 0 to 1."""
    is_strong: bool
    similarity: float | None
    """Cosine similarity of query and picture, -1 to 1; None where only words were compared. Words
    against pictures lie in another range than pictures against pictures, and each model has its
    own: only those of one search can be compared."""
    evidence: tuple[Evidence, ...] = ()
    """Why it was found: what speaks for it, the most first."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of an answer, and what it was made with."""

    results: list[SearchResult]
    has_next: bool
    searched: int
    """Pictures among which was searched: those that the filters let through."""
    strong: int
    """Hits that are strong, on all pages; at least so many where more would bring more."""
    mark: float
    """Log-odds of the evidence at which a relevance is one half, and from which a hit is strong. It
    rises with the number of pictures: the more there are, the more look right by chance."""
    words: WordQuery | None
    """The words that are looked for, which are marked where they are written."""
    engine: SearchEngine
    timing_ms: dict[str, float]
    notices: list[Message]
    """What the person should know about the answer."""


def search_images(query: SearchQuery, *, user: Person) -> SearchPage:
    """Find the pictures that are what the query says.

    Raises:
        InvalidQueryError: nothing is asked for, or its parts cancel out.
        UnknownImageError: a picture named by its id is not there for this person.
        ImageRejectedError: the example picture cannot be used.
        ExampleGoneError: an example picture that was sent before is no longer kept.
        NoActiveIndexError, BusyError: the search cannot answer now.
    """
    if not query:
        raise InvalidQueryError("search.nothing_asked")
    watch = _Stopwatch()
    engine = get_engine()
    notices = [_impairment(engine.warning, user)] if engine.warning else []
    asked = encode(query, engine, user, notices)
    watch.lap("encode")
    allowed = matching_ids(query.where, user) if query.where else None
    searched = engine.count if allowed is None else len(allowed)
    if asked.example:
        same = same_pictures(asked.example, engine, allowed=allowed, user=user, notices=notices)
        asked = replace(asked, same=same)
    ranking = _visible(query, asked, engine, allowed, user, notices)
    mark = engine.relevance.strong_log_odds(max(searched, 1))
    relevance = probability_of(ranking.log_odds - mark)
    if not query.wants_parts:
        # Only filters are asked for, and what they let through is what was meant.
        relevance = np.ones(len(ranking.ids))
    strong = int(np.count_nonzero(relevance >= STRONG))
    rows = np.flatnonzero(relevance >= query.min_relevance)
    if query.sort != RELEVANCE:
        rows = _sorted(rows[rows < strong], ranking.ids, query.sort)
    if not strong:
        notices.append(why_nothing_fits(query, asked, searched))
        language = other_language(engine.encoder.languages) if query.words else None
        notices += [language] if language else []
    watch.lap("lookup")
    shown = rows[query.offset : query.offset + query.limit].tolist()
    images = visible_images(ranking.ids[shown].tolist(), user)
    results = [
        SearchResult(
            images[pk],
            round(float(relevance[row]), SCORE_DIGITS),
            row < strong,
            None
            if np.isnan(ranking.similarity[row])
            else round(float(ranking.similarity[row]), SCORE_DIGITS),
            evidence_of(ranking, row),
        )
        for row in shown
        if (pk := int(ranking.ids[row])) in images
    ]
    watch.lap("records")
    observe_search(watch.laps())
    return SearchPage(
        results=results,
        has_next=len(rows) > query.offset + query.limit,
        searched=searched,
        mark=mark,
        words=asked.words.words if asked.words else None,
        strong=strong,
        engine=engine,
        timing_ms=watch.laps(),
        notices=notices,
    )


def _sorted(rows: NDArray[np.int64], ids: IdVector, sort: str) -> NDArray[np.int64]:
    """Put rows of a ranking into another order than by relevance."""
    field = F(ORDERS[sort.removeprefix("-")])
    order = field.desc(nulls_last=True) if sort.startswith("-") else field.asc(nulls_last=True)
    pictures = Image.objects.filter(pk__in=ids[rows].tolist()).order_by(order, "pk")
    row_of = dict(zip(ids[rows].tolist(), rows.tolist(), strict=True))
    places = [row_of[pk] for pk in pictures.values_list("pk", flat=True)]
    return np.array(places, dtype=np.int64)


def _impairment(warning: Message, user: Person) -> Message:
    """Tell everybody that something is wrong, and operators what: it may name folders."""
    if has_perm(user, "gallery.view_indexversion"):
        return warning
    return Message("search.impaired")


def keep_picture(image: QueryImage) -> KeptExample:
    """Keep an example picture for a while, so that an address can name it.

    Raises:
        ImageRejectedError: it cannot be used.
        NoActiveIndexError: it is not known yet what the model would look at.
        DiskFullError: there is no room for it.
    """
    return KeptExample(keep_example(middle_of(image, get_engine())))


def _visible(
    query: SearchQuery,
    asked: Asked,
    engine: SearchEngine,
    allowed: IdVector | None,
    user: Person,
    notices: list[Message],
) -> Ranking:
    """Rank until there are enough for this page, those before it, and one more if there is one.

    The indexes know nothing of deletions and permissions, so more is asked for until enough
    candidates have passed the database.
    """
    wanted = query.offset + query.limit + 1
    # More like a picture means others than that picture.
    left_out = np.array(gallery_ids(query.parts), dtype=np.int64)
    most = engine.index.most_hits
    least = LEAST_BREADTH if query.sort == RELEVANCE else SORTED_BREADTH
    breadth = max(wanted + len(left_out), least)
    while True:
        breadth = min(breadth, most or breadth)
        ranking = rank(asked, engine, breadth, allowed=allowed, user=user, left_out=left_out)
        seen = len(ranking.ids)
        is_fair = ranking.hidden <= seen or breadth >= FAIR_BREADTH
        if ranking.is_all or (seen >= wanted and is_fair):
            return ranking
        if breadth == most:
            notices.append(Message.of("search.only_nearest", count=most))
            return ranking
        breadth *= 4


class _Stopwatch:
    """Milliseconds between laps, and in all."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = round((now - self._last) * 1000, 2)
        self._last = now

    def laps(self) -> dict[str, float]:
        return {**self._laps, "total": round((self._last - self._start) * 1000, 2)}
