"""The share of queries' words that pictures hold, for all pairs at once.

As :func:`mlcore.words.score`, which compares one query with some pictures; here a matrix product
compares thousands with thousands. Prefixes and misspellings are left out: captions that ask are
whole sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore.words import Document, Language, WordQuery
from mlcore.words.scoring import QUALITY, weight_of
from mlcore.words.tokens import joined, parts
from mlcore.words.vocabulary import idf_of


def word_shares(
    queries: Sequence[str], documents: Sequence[Sequence[str]], language: Language
) -> NDArray[np.float32]:
    """Return which share of each query's words each document holds.

    Args:
        queries: what is asked.
        documents: of each picture, the texts on it; none for a picture that carries no words.
        language: of both.

    Returns:
        float32 (queries, documents), 0 to 1; NaN for documents without a word.
    """
    asked = [WordQuery.of(query, language).telling for query in queries]
    words = {term.word for terms in asked for term in terms}
    stems = {term.stem for terms in asked for term in terms}
    written = [_written(texts, language) for texts in documents]
    found: dict[str, int] = {}
    for _, of_document in written:
        for stem in of_document & stems:
            found[stem] = found.get(stem, 0) + 1
    idf = idf_of(sum(bool(each) for each, _ in written), found)
    weights = [[weight_of(term, idf) for term in terms] for terms in asked]
    quality = QUALITY["stem"]
    shares = np.zeros((len(queries), len(documents)), dtype=np.float32)
    for names, kept, part, worth in (
        (stems, [each for _, each in written], lambda term: term.stem, quality),
        (words, [each for each, _ in written], lambda term: term.word, 1.0 - quality),
    ):
        shares += worth * _product(asked, weights, names, kept, part)
    shares[:, [not each for each, _ in written]] = np.nan
    return shares


def _product(
    asked: Sequence[Sequence[Any]],
    weights: Sequence[Sequence[float]],
    names: set[str],
    kept: Sequence[set[str]],
    part: Callable[[Any], str],
) -> NDArray[np.float32]:
    column = {name: number for number, name in enumerate(sorted(names))}
    left = np.zeros((len(asked), len(column)), dtype=np.float32)
    for row, (terms, each) in enumerate(zip(asked, weights, strict=True)):
        total = sum(each)
        for term, weight in zip(terms, each, strict=True):
            left[row, column[part(term)]] += weight / total
    right = np.zeros((len(column), len(kept)), dtype=np.float32)
    for place, of_document in enumerate(kept):
        right[[column[name] for name in of_document if name in column], place] = 1.0
    return left @ right


def _written(texts: Sequence[str], language: Language) -> tuple[set[str], set[str]]:
    """Return the words of some texts, and their stems."""
    words: set[str] = set()
    for token in Document.of(caption=texts).tokens:
        words.update((joined(token), *parts(token)))
    return words, {language.stem(word) for word in words}
