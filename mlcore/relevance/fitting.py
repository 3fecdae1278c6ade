"""Fitting a relevance model: logistic regressions on held-out captions.

Every caption that asks makes a pair with its own picture, and pairs with all others. A regression
for each pattern of evidence tells the first from the rest. Few of the others are drawn, and as one
pair in many is true the fit would say "no" to nearly everything; the intercept is corrected for
both (King and Zeng 2001, section 4.1), so that the model speaks at a prior of one half.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.errors import RelevanceError
from mlcore.relevance.bias import choose_bias, neighbour_bias
from mlcore.relevance.evidence import CAPTION, NAMES, PICTURE
from mlcore.relevance.held_out import (
    Captions,
    Encode,
    evidence_of,
    keywords,
    known_others,
    rounds,
    score_queries,
)
from mlcore.relevance.model import STRONG_WITH_BIAS, RelevanceModel, Weights
from mlcore.relevance.odds import probability_of
from mlcore.words import Language

LEAST_PICTURES = 200
"""Captioned pictures below which weights would follow from chance."""
MOST_PICTURES = 1_000
"""Captioned pictures that are fitted on; more add time and change no weight that matters."""

_OTHERS = 200
"""Pairs with another picture that are drawn for each query."""
_KEYWORDS = 10
"""Of so many pictures one asks by two words as well. With more of them words weigh more, and whole
sentences are no longer well calibrated (docs/evaluation.md)."""
_RIDGE = 1.0
"""Weight of the penalty on the weights, of standardised evidence: as if one pair said 0."""


def fit_on_captions(
    images: FloatMatrix,
    captions: Sequence[Sequence[str]],
    encode: Encode,
    encode_sentences: Encode | None,
    language: Language,
    *,
    encoders: Mapping[str, str],
    biased: Collection[str] = (),
    seed: int = 0,
) -> RelevanceModel:
    """Fit a relevance model on pictures with captions, which the encoder was not trained on.

    Args:
        images: float32 (n, dim) unit rows.
        captions: of each picture; pictures without any are passed over.
        encode: the text side of the model that made ``images``.
        encode_sentences: the encoder of sentences that captions are embedded by, if there is one.
        language: in which words are compared.
        encoders: by kind of evidence, the fingerprint of the encoder, kept in the model.
        biased: kinds of evidence, ``picture`` or ``caption``, whose scores will have a bias taken
            from them; which one is chosen here and stands in the model, for those who make the
            index.
        seed: decides which pictures are taken where there are more than ``MOST_PICTURES``, and
            which others are drawn. The same seed gives the same model.

    Raises:
        RelevanceError: fewer than ``LEAST_PICTURES`` captioned pictures.
    """
    having = [place for place, texts in enumerate(captions) if any(map(str.strip, texts))]
    if len(having) < LEAST_PICTURES:
        raise RelevanceError("relevance.too_few", pictures=len(having), least=LEAST_PICTURES)
    generator = np.random.default_rng(seed)
    if len(having) > MOST_PICTURES:
        having = sorted(generator.choice(having, MOST_PICTURES, replace=False).tolist())
    texts = [[text for text in captions[place] if text.strip()] for place in having]
    read = Captions.read(texts, encode, encode_sentences)
    bias = choose_biases(images[having], read, biased)
    blocks = _blocks(images[having], read, encode, encode_sentences, language, bias)
    model = fit(blocks, encoders=encoders, generator=generator)
    figures = {"pictures": len(having), "captions": len(read.asking), "seed": seed}
    strong = STRONG_WITH_BIAS if bias else model.strong
    return replace(model, bias=bias, strong=strong, figures=figures)


def choose_biases(
    images: FloatMatrix, captions: Captions, kinds: Collection[str]
) -> dict[str, tuple[int, float]]:
    """Choose k and alpha for pictures and for captions: first captions ask among the second.

    Returns:
        By kind of evidence; kinds that a bias gains nothing for are left out, and all are where
        fewer than ``LEAST_PICTURES`` have a second caption.
    """
    rows = np.flatnonzero([len(each) > 1 for each in captions.texts])
    if len(rows) < LEAST_PICTURES:
        return {}
    asking, bank = captions.first[rows], captions.first[rows] + 1
    numbers = np.arange(len(rows))
    tried = [(PICTURE, images[rows], captions.asking)]
    if captions.sentences is not None:
        tried.append((CAPTION, captions.sentences[bank], captions.sentences))
    chosen = {}
    for kind, vectors, texts in tried:
        if NAMES[kind] not in kinds:
            continue
        found = choose_bias(
            vectors, texts[bank], texts[asking], numbers, groups=numbers, bank_groups=numbers
        )
        if found.alpha:
            chosen[NAMES[kind]] = (found.k, found.alpha)
    return chosen


def biases(
    images: FloatMatrix,
    captions: Captions,
    bias: Mapping[str, tuple[int, float]],
    known: Sequence[Sequence[int]],
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Return the biases of pictures, (n,), and of all captions, with the known ones as the bank.

    None where there is none. A picture's own captions say nothing about it being a hub.
    """
    owner = np.repeat(np.arange(len(images)), [len(each) for each in captions.texts])
    rows = np.array(
        [start + place for start, places in zip(captions.first, known, strict=True)
         for place in places], dtype=np.int64,
    )  # fmt: skip
    found: list[NDArray[np.float32] | None] = [None, None]
    if "picture" in bias:
        found[0] = neighbour_bias(
            images, captions.asking[rows], *bias["picture"],
            groups=np.arange(len(images)), bank_groups=owner[rows],
        )  # fmt: skip
    if "caption" in bias and captions.sentences is not None:
        found[1] = neighbour_bias(
            captions.sentences, captions.sentences[rows], *bias["caption"],
            groups=owner, bank_groups=owner[rows],
        )  # fmt: skip
    return found[0], found[1]


def fit(
    blocks: Sequence[NDArray[np.float32]],
    *,
    encoders: Mapping[str, str],
    generator: np.random.Generator,
) -> RelevanceModel:
    """Fit a regression to each pattern of evidence that occurs.

    Args:
        blocks: each float32 (q, q pictures or more, kinds), the picture meant by a query having its
            number; NaN where evidence is missing.
        encoders: by kind, the fingerprint of the encoder.
        generator: draws the other pictures.
    """
    true, other = [], []
    for block in blocks:
        queries, pictures = block.shape[:2]
        own = np.arange(queries)
        # A picture's number, less one from its own on: every other one, and never itself.
        drawn = generator.integers(0, pictures - 1, (queries, min(_OTHERS, pictures - 1)))
        drawn += drawn >= own[:, None]
        true.append(block[own, own])
        other.append(block[own[:, None], drawn].reshape(-1, block.shape[2]))
    pairs = np.concatenate([*true, *other]).astype(np.float64)
    is_true = np.arange(len(pairs)) < sum(map(len, true))
    patterns = {}
    for size in range(1, len(NAMES) + 1):
        for kinds in combinations(range(len(NAMES)), size):
            there = ~np.isnan(pairs[:, kinds]).any(axis=1)
            if is_true[there].sum() >= LEAST_PICTURES:
                names = tuple(NAMES[kind] for kind in kinds)
                patterns[names] = _regression(pairs[there][:, kinds], is_true[there], names)
    return RelevanceModel(patterns, source="fitted", encoders=encoders)


def _blocks(
    images: FloatMatrix,
    captions: Captions,
    encode: Encode,
    encode_sentences: Encode | None,
    language: Language,
    bias: Mapping[str, tuple[int, float]],
) -> list[NDArray[np.float32]]:
    blocks = []
    for asks, others in rounds(captions.texts):
        known = [known_others(len(each), asks % len(each), others) for each in captions.texts]
        taken = biases(images, captions, bias, known)
        blocks.append(
            evidence_of(
                images, captions, language,
                asks=asks, others=others, image_bias=taken[0], sentence_bias=taken[1],
            )
        )  # fmt: skip
        asking = captions.texts[: len(images) // _KEYWORDS]
        queries = [keywords(each[asks % len(each)], language) for each in asking]
        sentences = encode_sentences(queries) if encode_sentences else None
        blocks.append(
            score_queries(
                queries, encode(queries), sentences, images, captions, language, known, *taken
            )
        )  # fmt: skip
    return blocks


def _regression(
    values: NDArray[np.float64], is_true: NDArray[np.bool_], names: Sequence[str]
) -> Weights:
    """Fit one pattern; evidence whose weight comes out below 0 is left out, as it never speaks
    against a picture."""
    kept = list(range(len(names)))
    while True:
        intercept, weights = logistic(values[:, kept], is_true)
        against = [kind for kind, weight in zip(kept, weights, strict=True) if weight < 0]
        if not against or len(kept) == 1:
            break
        kept = [kind for kind in kept if kind not in against] or kept[:1]
    # The share of true pairs that was fitted on is taken out: the prior becomes one half.
    intercept -= float(np.log(is_true.sum() / (~is_true).sum()))
    found = dict(zip(kept, weights, strict=True))
    return Weights(
        intercept, {name: max(float(found.get(kind, 0.0)), 0.0) for kind, name in enumerate(names)}
    )


def logistic(
    values: NDArray[np.float64], is_true: NDArray[Any]
) -> tuple[float, NDArray[np.float64]]:
    """Return intercept and weights of a logistic regression: Newton's method, with halved steps.

    (Hastie, Tibshirani and Friedman 2009, section 4.4.1.)

    Args:
        values: float64 (n, k).
        is_true: (n,), of both kinds at least one.
    """
    centre, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-12)
    columns = np.column_stack([np.ones(len(values)), (values - centre) / spread])
    truth = is_true.astype(np.float64)
    ridge = np.full(columns.shape[1], _RIDGE)
    ridge[0] = 0.0

    def loss(weights: NDArray[np.float64]) -> float:
        logits = columns @ weights
        likelihood = truth @ logits - np.logaddexp(0.0, logits).sum()
        return float(ridge @ weights**2 / 2 - likelihood)

    weights = np.zeros(columns.shape[1])
    weights[0] = np.log(truth.sum() / (1 - truth).sum())
    before = loss(weights)
    for _ in range(50):
        shares = probability_of(columns @ weights)
        gradient = columns.T @ (truth - shares) - ridge * weights
        curvature = (columns * (shares * (1 - shares))[:, None]).T @ columns + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        while (after := loss(weights + step)) > before and np.abs(step).max() > 1e-9:
            step /= 2
        weights, done = weights + step, before - after < 1e-9 * abs(before)
        before = after
        if done:
            break
    scaled = weights[1:] / spread
    return float(weights[0] - scaled @ centre), scaled
