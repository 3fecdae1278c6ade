"""What is asked, to the pictures whose words answer it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from gallery.fulltext.asking import all_of
from gallery.fulltext.rows import document_of, language, whole_lexeme
from gallery.fulltext.vocabulary import DatabaseVocabulary
from gallery.models.image import ImageQuerySet
from gallery.models.text import FTS_TABLE, VECTOR, Holding
from mlcore.config import IdVector
from mlcore.words import FIELDS, Term, WordMatch, WordQuery, expand, idf_of, score
from mlcore.words.scoring import weight_of
from mlcore.words.vocabulary import stems_of

FEW = 1_000
"""Pictures that hold a word up to which all of them are looked at. More of them are looked at only
where they hold the other words as well: such a word tells little of a picture."""
MANY = 200
"""Pictures that hold several common words, of which no more are looked at."""
MOST_LEFT_OUT = 5
"""Words of which each is left out once where all are common."""
SHARED_BY_ALL = 20_000
"""Pictures from which on it does not matter which of those that hold a word are looked at first."""
NARROW = 2_000
"""Pictures that a filter leaves up to which the database is told of it."""
WHOLE_FIRST = 2
"""Times all words together that a whole title, caption, tag or file name is worth."""
MATCHES = f"{VECTOR.format(column='lexemes')} @@ CAST(%s AS tsquery)"

Scores: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TextQuery:
    """What is asked, with what the gallery knows of its words. Made by :func:`ask`."""

    words: WordQuery
    frequencies: Mapping[str, int]
    """Pictures that hold each stem."""
    size: int
    """Pictures with words."""

    def __bool__(self) -> bool:
        """Whether there are words to look for."""
        return bool(self.words.terms)

    @property
    def idf(self) -> Callable[[str], float]:
        """How rare a stem is."""
        return idf_of(self.size, self.frequencies)

    @property
    def unknown(self) -> list[str]:
        """The words that no picture holds, in any form and however spelled."""
        return [
            term.token
            for term in self.words.telling
            if not term.parts and not term.variants and not self.frequencies[term.stem]
        ]


def ask(text: str, *, phrases: Iterable[str] = (), excluded: Iterable[str] = ()) -> TextQuery:
    """Read what is asked, in the language of the settings.

    A word that no picture holds stands for those of which it may be the beginning or a misspelling.
    """
    vocabulary = DatabaseVocabulary()
    words = expand(WordQuery.of(text, language(), phrases=phrases, excluded=excluded), vocabulary)
    return TextQuery(words, vocabulary.frequencies(stems_of(words)), vocabulary.size)


def score_of(query: TextQuery, images: ImageQuerySet) -> dict[int, WordMatch]:
    """Tell how much of a query each of these pictures holds; one without words holds nothing.

    What is written is read in the statement that finds the pictures.
    """
    rows = list(images.values_list("pk", *(f"words__{name}" for name in FIELDS)))
    matches = score(query.words, [document_of(row[1:]) for row in rows], query.idf)
    return {row[0]: match for row, match in zip(rows, matches, strict=True)}


def find(query: TextQuery, limit: int, *, allowed: IdVector | None = None) -> list[int]:
    """Propose pictures that hold words of a query, those that hold most of it first.

    Those whose title, caption, tag, collection or file name is the query as a whole come before all
    others. The order is that of the words' stems alone; :func:`score_of` tells more.

    Args:
        query: what is asked, by :func:`ask`.
        limit: how many at most.
        allowed: int64, ids: only these, where given.

    Returns:
        ids of pictures, among them such as not everybody may see.
    """
    if not query:
        return []
    asked = _Questions(query, limit)
    ids, scores = _ask([*asked.of_each(), *asked.together()], allowed)
    if len(ids) < limit and (fewer := list(asked.of_some())):
        more, theirs = _ask(fewer, allowed)
        new = ~np.isin(more, ids)
        ids, scores = np.append(ids, more[new]), np.append(scores, theirs[new])
    best: list[int] = ids[np.lexsort((-ids, -scores))[:limit]].tolist()
    return best


@dataclass(frozen=True, slots=True)
class _Question:
    """Which pictures hold something, and what that is worth."""

    holding: Holding
    worth: float
    most: int
    """Pictures that are read."""
    ordered: bool = True
    """Whether the latest of them are."""
    is_common: bool = False
    """Whether there may be more, so that a narrow filter has to be asked for with it."""


class _Questions:
    """What the database is asked for, by how common the words are.

    Of a word that few pictures hold, all of those are read; words that many hold are asked for
    together, since one of them tells little.
    """

    def __init__(self, query: TextQuery, limit: int) -> None:
        terms, known, idf = query.words.telling, query.frequencies, query.idf
        self._whole = query.words.whole
        self._limit = limit
        self._worth = {term: weight_of(term, idf) for term in terms}
        counts = {term: min(known[each.stem] for each in (term.parts or (term,))) for term in terms}
        self._counts = counts
        self._few = [term for term in terms if counts[term] <= FEW]
        self._common = sorted((t for t in terms if counts[t] > FEW), key=counts.__getitem__)

    def of_each(self) -> Iterator[_Question]:
        """Ask for the whole, and for each word that is not common."""
        if self._whole:
            whole = Holding.all_of([[(whole_lexeme(self._whole),)]])
            yield _Question(whole, WHOLE_FIRST * sum(self._worth.values()), self._limit)
        for term in self._few:
            yield _Question(all_of([term]), self._worth[term], FEW)

    def together(self) -> Iterator[_Question]:
        """Ask for all words that there are, where some are common."""
        rare = [term for term in self._few if self._counts[term] or term.variants]
        if self._common:
            yield self._common_question(self._common, rare)
            if rare:
                yield self._common_question(self._common)

    def of_some(self) -> Iterator[_Question]:
        """Ask for all common words but one, and for fewer and fewer of the rarest of them."""
        common = self._common
        chosen = [common[:count] for count in range(min(len(common) - 1, MOST_LEFT_OUT), 0, -1)]
        if len(common) <= MOST_LEFT_OUT:
            chosen += [[e for e in common if e is not term] for term in common[:-1]]
        return (self._common_question(terms) for terms in chosen if terms)

    def _common_question(self, common: Sequence[Term], rare: Sequence[Term] = ()) -> _Question:
        """Ask for these together; what the rare ones are worth is told with them."""
        return _Question(
            all_of([*common, *rare]),
            sum(self._worth[term] for term in common),
            max(self._limit, MANY),
            ordered=min(self._counts[term] for term in common) <= SHARED_BY_ALL,
            is_common=True,
        )


def _ask(questions: Sequence[_Question], allowed: IdVector | None) -> tuple[IdVector, Scores]:
    """Return ids of pictures, ascending, and the worth of all that each holds."""
    narrow = allowed is not None and len(allowed) <= NARROW
    parts: list[str] = []
    values: list[Any] = []
    for number, question in enumerate(questions):
        sql, params = _select(question, allowed if narrow and question.is_common else None)
        parts.append(f"SELECT {number}, id FROM ({sql}) AS q{number}")  # noqa: S608
        values += params
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), values)
        rows = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)
    if allowed is not None:
        rows = rows[np.isin(rows[:, 1], allowed)]
    ids, places = np.unique(rows[:, 1], return_inverse=True)
    worth = np.array([question.worth for question in questions])[rows[:, 0]]
    is_common = np.array([question.is_common for question in questions])[rows[:, 0]]
    scores: Scores = np.zeros(len(ids))
    np.maximum.at(scores, places[is_common], worth[is_common])
    np.add.at(scores, places[~is_common], worth[~is_common])
    return ids, scores


def _select(question: _Question, among: IdVector | None) -> tuple[str, list[Any]]:
    postgres = connection.vendor == "postgresql"
    order = "ORDER BY id DESC " if question.ordered else ""
    if postgres:
        only = "AND image_id = ANY(%s) " if among is not None else ""
        inner = f"SELECT image_id AS id FROM gallery_imagetext WHERE {MATCHES} {only}"  # noqa: S608
        # Sorted apart from the condition: else the rows might be read in the order of their ids,
        # one by one, until enough of them meet it.
        sql = f"SELECT id FROM ({inner}OFFSET 0) AS matching {order}LIMIT %s"  # noqa: S608
    else:
        only = "AND rowid IN (SELECT value FROM json_each(%s)) " if among is not None else ""
        sql = (
            f"SELECT rowid AS id FROM {FTS_TABLE} WHERE {FTS_TABLE} MATCH %s {only}"  # noqa: S608
            f"{order.replace('id', 'rowid')}LIMIT %s"
        )
    asked = question.holding.as_tsquery() if postgres else question.holding.as_fts5()
    ids = [] if among is None else [among.tolist()]
    return sql, [asked, *(ids if postgres else map(json.dumps, ids)), question.most]
