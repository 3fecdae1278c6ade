"""Held-out captions as questions: one caption of each picture asks, and others are what is known.

A query's own caption is never evidence for it. Besides whole captions, two words of each ask as
well, since people seldom type sentences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.relevance.evidence import CAPTION, NAMES, PICTURE, WORDS
from mlcore.relevance.written import word_shares
from mlcore.words import Language, WordQuery

Encode: TypeAlias = Callable[[Sequence[str]], FloatMatrix]
"""Texts to float32 (n, dim) unit rows."""

_KEYWORDS = 2


@dataclass(frozen=True, slots=True)
class Captions:
    """Captions with their vectors, picture by picture."""

    texts: tuple[tuple[str, ...], ...]
    """Of each picture at least one."""
    asking: FloatMatrix
    """float32 (captions, dim): each as the model of the pictures reads it."""
    sentences: FloatMatrix | None
    """float32 (captions, width): each as the encoder of sentences reads it, if there is one."""

    @classmethod
    def read(
        cls, texts: Sequence[Sequence[str]], encode: Encode, encode_sentences: Encode | None
    ) -> Captions:
        """Encode captions."""
        every = [text for each in texts for text in each]
        sentences = encode_sentences(every) if encode_sentences else None
        return cls(tuple(map(tuple, texts)), encode(every), sentences)

    @property
    def first(self) -> NDArray[np.int64]:
        """(pictures,): the place of each picture's first caption."""
        counts = [len(each) for each in self.texts]
        return np.concatenate([[0], np.cumsum(counts[:-1])]).astype(np.int64)


def known_others(captions: int, asks: int, others: int) -> list[int]:
    """Return which captions of a picture are known: those after the one that asks, in a circle."""
    return [(asks + step) % captions for step in range(1, min(others, captions - 1) + 1)]


def evidence_of(
    images: FloatMatrix,
    captions: Captions,
    language: Language,
    *,
    asks: int,
    others: int,
    captioned: NDArray[np.bool_] | None = None,
    image_bias: NDArray[np.float32] | None = None,
    sentence_bias: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return all evidence of all pictures where the same caption of each picture asks.

    Args:
        images: float32 (n, dim), of the pictures that the captions belong to, in their order.
        captions: of these pictures.
        language: in which words are compared.
        asks: which caption of each picture asks, from 0; counted round where it has fewer.
        others: how many others are known, those that follow in a circle; fewer where there are not
            so many.
        captioned: (n,): pictures of which any is known; all when None.
        image_bias, sentence_bias: (n,) and (captions,), to be taken from the cosines; see
            :mod:`mlcore.relevance.bias`.

    Returns:
        float32 (n queries, n pictures, kinds); NaN where a picture lacks that kind. The picture
        meant by a query is the one of the same number.
    """
    first = captions.first
    counts = [len(each) for each in captions.texts]
    mine = [asks % count for count in counts]
    asking = first + mine
    known = [
        known_others(count, own, others) if captioned is None or captioned[picture] else []
        for picture, (count, own) in enumerate(zip(counts, mine, strict=True))
    ]
    queries = [texts[own] for texts, own in zip(captions.texts, mine, strict=True)]
    return score_queries(
        queries,
        captions.asking[asking],
        None if captions.sentences is None else captions.sentences[asking],
        images,
        captions,
        language,
        known,
        image_bias,
        sentence_bias,
    )


def score_queries(
    queries: Sequence[str],
    asking: FloatMatrix,
    sentences: FloatMatrix | None,
    images: FloatMatrix,
    captions: Captions,
    language: Language,
    known: Sequence[Sequence[int]],
    image_bias: NDArray[np.float32] | None = None,
    sentence_bias: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the evidence of pictures for any queries.

    Args:
        queries, asking, sentences: q texts, and their vectors by both encoders.
        images, captions, language, image_bias, sentence_bias: as for :func:`evidence_of`.
        known: of each picture, which of its captions are known.

    Returns:
        float32 (q, pictures, kinds); NaN where a picture lacks that kind.
    """
    evidence = np.full((len(queries), len(images), len(NAMES)), np.nan, dtype=np.float32)
    evidence[:, :, PICTURE] = asking @ images.T - (0.0 if image_bias is None else image_bias)
    having = np.array([bool(places) for places in known])
    if not having.any():
        return evidence
    starts = captions.first
    rows = np.concatenate(
        [start + np.array(places) for start, places in zip(starts, known, strict=True) if places]
    )
    if sentences is not None and captions.sentences is not None:
        scores = sentences @ captions.sentences[rows].T
        if sentence_bias is not None:
            scores -= sentence_bias[rows]
        sizes = [len(places) for places in known if places]
        ends = np.concatenate([[0], np.cumsum(sizes[:-1])]).astype(np.int64)
        evidence[:, having, CAPTION] = np.maximum.reduceat(scores, ends, axis=1)
    written = [
        [texts[place] for place in places]
        for texts, places in zip(captions.texts, known, strict=True)
    ]
    evidence[:, :, WORDS] = word_shares(queries, written, language)
    return evidence


def keywords(caption: str, language: Language) -> str:
    """Return two telling words of a caption, in their order; which ones depends on it alone."""
    terms = [term.token for term in WordQuery.of(caption, language).telling]
    chosen = sorted(terms, key=lambda term: hashlib.sha256(f"{caption}:{term}".encode()).digest())
    return " ".join(term for term in terms if term in chosen[:_KEYWORDS])


def rounds(captions: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Yield which caption asks and how many others are known: one, then all of them."""
    most = max(len(each) for each in captions)
    yield 0, 1
    if most > 2:
        yield 1, most - 1
