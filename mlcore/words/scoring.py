"""How much of what is asked is written on a picture."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from mlcore.words.documents import FIELDS, SEPARATOR, Document, pieces
from mlcore.words.query import Kind, Phrase, Term, WordQuery
from mlcore.words.tokens import joined, parts

QUALITY: Mapping[str, float] = {"exact": 1.0, "stem": 0.9, "prefix": 0.7, "typo": 0.5}
"""How much a word counts that is found so, beside the very word."""
SCATTERED = 0.9
"""How much the parts of a name count where they are found apart: ``IMG 2034`` for ``IMG_2034``."""

Idf: TypeAlias = Callable[[str], float]
"""How rare a stem is: greater than 0, the more the rarer."""
Place: TypeAlias = tuple[int, int]
"""A term of the query, and the whole of it or one of its parts."""
Filled: TypeAlias = tuple[Place, Kind]
Found: TypeAlias = tuple[Kind, str]
"""How a word was found, and in which field."""


class TermMatch(NamedTuple):
    """A word of the query that was found."""

    term: str
    kind: Kind
    field: str
    """Where it was found best, the first of :data:`FIELDS` if in several alike."""


@dataclass(frozen=True, slots=True)
class WordMatch:
    """How much of a query one picture's words hold."""

    share: float = 0.0
    """Of the words asked for, each weighed by how rare it is: 0 to 1."""
    matches: tuple[TermMatch, ...] = ()
    """The words that were found, in the order of the query."""
    whole: str = ""
    """The field that is, as a whole, what was asked: the title, a caption, a tag; or empty."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields in which words were found, in the order of :data:`FIELDS`."""
        found = {match.field for match in self.matches}
        return tuple(name for name in FIELDS if name in found)


_NOTHING = WordMatch()


def score(query: WordQuery, documents: Sequence[Document], idf: Idf) -> list[WordMatch]:
    """Compare a query with the words of pictures.

    ``share`` is the sum of idf times quality of the words found, over the sum of idf of all that
    are asked for: 1 where every word occurs as it is. Words such as "the" count
    only where there are no others. It does not depend on how long a text is or how often a word
    comes in it: a caption is a sentence, not an article (cf. Robertson and Zaragoza 2009, The
    Probabilistic Relevance Framework, where k1 = 0 and b = 0 give just this).

    Args:
        query: what is asked; see :func:`mlcore.words.expand` for words that are misspelled.
        documents: as many as are to be compared.
        idf: tells how rare a stem is, as ``Vocabulary.idf``.

    Returns:
        one match for each document, in their order.
    """
    terms = query.telling
    if not terms:
        return [_NOTHING for _ in documents]
    written = [document.by_field for document in documents]
    every = set().union(*(tokens for fields in written for tokens in fields.values()))
    every.discard(SEPARATOR)
    hits = Lookup(query).hits(every)
    asked = frozenset(hits)
    judge = _Judge(query, idf, hits)
    # Many pictures hold the same of the words in the same field, and are judged once.
    judged: dict[frozenset[tuple[str, str]], WordMatch] = {frozenset(): _NOTHING}
    matches = []
    for document, fields in zip(documents, written, strict=True):
        places: dict[str, str] = {}
        for name, tokens in fields.items():
            for token in asked & tokens:
                places.setdefault(token, name)
        key = frozenset(places.items())
        match = judged.get(key)
        if match is None:
            match = judged[key] = judge(places)
        # What is there as a whole is there in all its words.
        if len(match.matches) == len(terms) and (whole := _whole(query.whole, document)):
            match = replace(match, whole=whole)
        matches.append(match)
    return matches


def holds(query: WordQuery, document: Document) -> bool:
    """Tell whether a document has every phrase of the query and nothing that is excluded."""
    values = [pieces(value) for name in document.lines for value in document.values(name)]
    if not all(any(_contains(value, phrase) for value in values) for phrase in query.phrases):
        return False
    keys = query.language.keys
    stems = {stem for token in document.tokens for stem in keys(token)}
    return not any(_is_among(term, stems) for term in query.excluded)


def _is_among(term: Term, stems: set[str]) -> bool:
    if term.stem in stems:
        return True
    return bool(term.parts) and all(part.stem in stems for part in term.parts)


def _contains(value: Phrase, phrase: Phrase) -> bool:
    width = len(phrase)
    return any(value[at : at + width] == phrase for at in range(len(value) - width + 1))


def weight_of(term: Term, idf: Idf) -> float:
    """Weigh a term by its rarest part: ``img`` is everywhere, ``2034`` is not."""
    return max(idf(each.stem) for each in (term.parts or (term,)))


class Lookup:
    """Tells which words of a query a token is.

    Terms are those of ``telling``. Each has places: 0 is the whole, the following ones are its
    parts.
    """

    def __init__(self, query: WordQuery) -> None:
        self._stem = query.language.stem
        self._keys = query.language.keys
        self._words: dict[str, list[Place]] = {}
        self._stems: dict[str, list[Place]] = {}
        self._variants: dict[str, list[Filled]] = {}
        # A part of a name is not looked for by its beginning: IMG_20 asks for no "20 dogs".
        terms = query.telling
        self._beginnings = [(term.word, (at, 0)) for at, term in enumerate(terms) if term.is_prefix]
        for at, term in enumerate(terms):
            for slot, each in enumerate((term, *term.parts)):
                self._words.setdefault(each.word, []).append((at, slot))
                self._stems.setdefault(each.stem, []).append((at, slot))
                for word, kind in each.variants:
                    self._variants.setdefault(word, []).append(((at, slot), kind))

    def hits(self, written: Iterable[str]) -> dict[str, list[Filled]]:
        """Return those of these tokens that were asked for, with the places that they fill."""
        if not self._beginnings:
            # Nearly all tokens are told to be none of them by what is remembered of each.
            wanted = {*self._stems, *map(self._stem, self._variants)}
            written = (token for token in written if not wanted.isdisjoint(self._keys(token)))
        return {token: filled for token in written if (filled := self.read(token))}

    def read(self, token: str) -> list[Filled]:
        """Return the places that a token fills, each in the best way."""
        filled = self._read_piece(joined(token))
        if "_" in token:
            for piece in parts(token):
                filled += self._read_piece(piece)
        if len(filled) < 2:
            return filled
        best: dict[Place, Kind] = {}
        for place, kind in filled:
            if place not in best or QUALITY[kind] > QUALITY[best[place]]:
                best[place] = kind
        return list(best.items())

    def _read_piece(self, piece: str) -> list[Filled]:
        filled: list[Filled] = [(place, "exact") for place in self._words.get(piece, ())]
        filled += [(place, "stem") for place in self._stems.get(self._stem(piece), ())]
        filled += self._variants.get(piece, ())
        filled += [(place, "prefix") for word, place in self._beginnings if piece.startswith(word)]
        return filled


class _Judge:
    """Says what tokens are worth to a query.

    Args:
        query: what is asked.
        idf: how rare a stem is.
        hits: the tokens that may come, with the places of the query that they fill.
    """

    def __init__(self, query: WordQuery, idf: Idf, hits: Mapping[str, list[Filled]]) -> None:
        self._terms = query.telling
        self._hits = hits
        self._weights = [weight_of(term, idf) for term in self._terms]
        self._total = sum(self._weights)
        self._shares = [[idf(part.stem) for part in term.parts] for term in self._terms]

    def __call__(self, places: Mapping[str, str]) -> WordMatch:
        """Judge the tokens of one document, each with the first field that it stands in, in the
        order of the fields."""
        seen: dict[int, dict[int, Found]] = {}
        for token, name in places.items():
            for (at, slot), kind in self._hits[token]:
                slots = seen.setdefault(at, {})
                former = slots.get(slot)
                if former is None or QUALITY[kind] > QUALITY[former[0]]:
                    slots[slot] = kind, name
        got, matches = 0.0, []
        for at in sorted(seen):
            quality, best = _quality(seen[at], self._shares[at])
            got += self._weights[at] * quality
            matches.append(TermMatch(self._terms[at].token, *best))
        return WordMatch(min(got / self._total, 1.0), tuple(matches))


def _whole(whole: Phrase, document: Document) -> str:
    """Return the first field of which a value is, as a whole, what was asked; or nothing."""
    if not whole:
        return ""
    for name, line in document.lines.items():
        # Nearly all are told apart without being cut, most by a word or two.
        if all(piece in line for piece in reversed(whole)) and any(
            pieces(value) == whole for value in document.values(name)
        ):
            return name
    return ""


def _quality(seen: Mapping[int, Found], shares: Sequence[float]) -> tuple[float, Found]:
    """Return the quality of a term, 0 to 1, and how and where it was found."""
    whole = seen.get(0)
    if whole is not None and not shares:  # a plain word
        return QUALITY[whole[0]], whole
    best = QUALITY[whole[0]] if whole else 0.0
    apart = sum(
        share * QUALITY[seen[slot][0]] for slot, share in enumerate(shares, start=1) if slot in seen
    )
    if apart:
        apart *= SCATTERED / sum(shares)
    if whole is not None and best >= apart:
        return best, whole
    return apart, seen[min(slot for slot in seen if slot)]
