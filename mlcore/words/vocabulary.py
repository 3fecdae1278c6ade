"""The words of a whole gallery: how rare each is, and what an unknown one may mean."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from mlcore.words.documents import Document
from mlcore.words.language import Language
from mlcore.words.query import Term, WordQuery
from mlcore.words.tokens import joined, parts

MIN_BEGINNING = 3
"""Letters of an unknown word that is taken for the beginning of known ones."""
MIN_MISSPELLED = 5
"""Letters of an unknown word that is taken for a misspelling of known ones."""
TWO_SLIPS_FROM = 8
"""Letters from which on two slips are allowed instead of one."""
MAX_VARIANTS = 8
"""Known words that one unknown word may stand for."""


class Vocabulary(Protocol):
    """What is known of all words. A word is the part of a token, or a whole one in one piece."""

    @property
    def size(self) -> int:
        """Number of documents."""

    def frequencies(self, stems: Collection[str]) -> Mapping[str, int]:
        """Return how many documents hold each of these stems; what none holds may be missing."""

    def starting_with(self, beginning: str, limit: int) -> Sequence[str]:
        """Return words with this beginning, those of the most documents first."""

    def resembling(self, word: str, slips: int) -> Iterable[str]:
        """Return words that may be as close as :func:`distance` ``slips``; more may be among
        them."""


def idf_of(size: int, frequencies: Mapping[str, int]) -> Callable[[str], float]:
    """Return the inverse document frequency of stems, ln(1 + (N - n + 0.5) / (n + 0.5)).

    (Robertson and Zaragoza 2009, section 3.3, with 1 added as in Lucene, so that it is positive.)
    """

    def idf(stem: str) -> float:
        documents = min(frequencies.get(stem, 0), size)
        return math.log(1 + (size - documents + 0.5) / (documents + 0.5))

    return idf


def stems_of(query: WordQuery) -> set[str]:
    """Return every stem that is looked for."""
    return {each.stem for term in query.terms for each in (term, *term.parts)}


def expand(query: WordQuery, vocabulary: Vocabulary) -> WordQuery:
    """Tell of each word that nothing holds which known words it may be the beginning or a
    misspelling of."""
    known = vocabulary.frequencies(stems_of(query))
    terms = tuple(_expanded(term, known, vocabulary) for term in query.terms)
    return query if terms == query.terms else replace(query, terms=terms)


def _expanded(term: Term, known: Mapping[str, int], vocabulary: Vocabulary) -> Term:
    if term.parts:
        return replace(term, parts=tuple(_expanded(part, known, vocabulary) for part in term.parts))
    word = term.word
    if known.get(term.stem) or term.is_stop or not word.isalpha() or len(word) < MIN_BEGINNING:
        return term
    longer = vocabulary.starting_with(word, MAX_VARIANTS)
    if longer or len(word) < MIN_MISSPELLED:
        return replace(term, variants=tuple((each, "prefix") for each in longer))
    return replace(term, variants=tuple((each, "typo") for each in _closest(word, vocabulary)))


def _closest(word: str, vocabulary: Vocabulary) -> list[str]:
    """Return the known words at the smallest distance that is not too large."""
    slips = 2 if len(word) >= TWO_SLIPS_FROM else 1
    found: dict[int, list[str]] = {}
    for each in vocabulary.resembling(word, slips):
        steps = distance(word, each, slips)
        if steps <= slips:
            found.setdefault(steps, []).append(each)
    return found[min(found)][:MAX_VARIANTS] if found else []


def distance(one: str, other: str, most: int) -> int:
    """Return how many letters to add, drop, change or exchange with their neighbour make one word
    the other; any number above ``most`` where it takes more.

    (Optimal string alignment; Damerau 1964 found four fifths of misspellings to be one such slip.)
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, start=1):
        before, last, row = row, before, [at]
        for beside, sign in enumerate(other, start=1):
            step = min(before[beside] + 1, row[-1] + 1, before[beside - 1] + (letter != sign))
            if at > 1 and beside > 1 and letter == other[beside - 2] and one[at - 2] == sign:
                step = min(step, last[beside - 2] + 1)
            row.append(step)
        if min(row) > most:
            return most + 1
    return row[-1]


def affixes(word: str, slips: int) -> tuple[str, str]:
    """Return a beginning and an end of which a misspelled word keeps one.

    One slip touches at most two neighbours, so that one of two pieces that leave a letter between
    them is untouched. Of two slips the same is assumed with shorter pieces; it fails where one is
    near each end.
    """
    if slips < 2:
        cut = (len(word) - 1) // 2
        return word[:cut], word[cut + 1 :]
    third = len(word) // 3
    return word[:third], word[-third:]


def written_words(document: Document) -> set[str]:
    """Return the words of a document: the parts of its tokens, and whole ones in one piece."""
    words: set[str] = set()
    for token in document.tokens:
        words.add(joined(token))
        words.update(parts(token))
    return words


class MemoryVocabulary:
    """The words of documents that are at hand."""

    def __init__(self, documents: Iterable[Document], language: Language) -> None:
        self.size = 0
        self._stems: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        for document in documents:
            self.size += 1
            words = written_words(document)
            self._words.update(words)
            self._stems.update({language.stem(word) for word in words})
        self._sorted = sorted(self._words)
        self._mirrored = sorted(word[::-1] for word in self._words)

    def idf(self, stem: str) -> float:
        """Return how rare a stem is; see :func:`idf_of`."""
        return idf_of(self.size, self._stems)(stem)

    def frequencies(self, stems: Collection[str]) -> Mapping[str, int]:
        """Return how many documents hold each of these stems."""
        return {stem: self._stems[stem] for stem in stems if stem in self._stems}

    def starting_with(self, beginning: str, limit: int) -> list[str]:
        """Return words with this beginning, those of the most documents first."""
        found = _between(self._sorted, beginning)
        return sorted(found, key=lambda word: (-self._words[word], word))[:limit]

    def resembling(self, word: str, slips: int) -> list[str]:
        """Return words that keep the beginning or the end of ``word``."""
        beginning, end = affixes(word, slips)
        found = dict.fromkeys(_between(self._sorted, beginning))
        found |= dict.fromkeys(each[::-1] for each in _between(self._mirrored, end[::-1]))
        near = (each for each in found if abs(len(each) - len(word)) <= slips and each.isalpha())
        return sorted(near, key=lambda each: (-self._words[each], each))


def _between(words: Sequence[str], beginning: str) -> list[str]:
    """Return those of sorted words that begin so."""
    found = []
    for word in words[bisect_left(words, beginning) :]:
        if not word.startswith(beginning):
            break
        found.append(word)
    return found
