"""Retrieval metrics: how often, and how high up, the right pictures come back.

Names follow information retrieval. *Recall@k* is the share of the relevant items among the first
k; *hit rate@k* is whether any relevant item is among them. Papers about CLIP call the second one
"R@k". With one relevant item per query the two are equal.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix, ImageLimits
from mlcore.errors import DatasetError
from mlcore.progress import NoProgress, Progress

if TYPE_CHECKING:
    from mlcore.datasets import CaptionDataset
    from mlcore.encoder import Encoder

TIE = 1e-6
"""Cosines closer than this count as equal: float32 products of equal vectors differ by as much."""

REFERENCE_100 = {"precision@5": 0.176, "recall@5": 0.880, "mrr": 0.751, "ndcg@5": 0.783}
"""What a fine-tuned CLIP ViT-B/32 was reported to reach on 100 Flickr8k queries."""

_IMAGE_BATCH = 32

_BLOCK = 16_000_000
"""Scores held at a time: 64 MB, whatever the size of the gallery."""


@dataclass(frozen=True, slots=True)
class EvalConfig:
    """What is asked of the model.

    ``karpathy-1k``: every caption queries all pictures of the split, and every picture queries all
    captions (Karpathy and Fei-Fei 2015, section 4.1; the split there has 1,000 pictures).

    ``reference-100``: 100 captions of different pictures query a gallery, again and again over
    ``draws`` draws; the metrics are the mean over the draws, with the standard deviation beside.
    """

    protocol: Literal["karpathy-1k", "reference-100"] = "karpathy-1k"
    ks: tuple[int, ...] = (1, 5, 10)
    """The cut-offs; each at least 1."""
    gallery: Literal["queried", "split"] = "queried"
    """For ``reference-100``: the 100 queried pictures alone, or the whole split."""
    queries: int = 100
    """For ``reference-100``: captions in a draw."""
    draws: int = 20
    """For ``reference-100``."""
    seed: int = 0
    """For ``reference-100``: decides the draws."""
    limits: ImageLimits = field(default_factory=ImageLimits)


@dataclass(frozen=True, slots=True)
class DirectionMetrics:
    """Metrics of one direction, each a mean over the queries but the median rank."""

    queries: int
    gallery: int
    precision: dict[int, float]
    """k to the relevant share of the first k."""
    recall: dict[int, float]
    """k to the share of the relevant items that are among the first k."""
    hit_rate: dict[int, float]
    """k to the share of queries with any relevant item among the first k."""
    mrr: float
    """1 / rank of the first relevant item."""
    ndcg: dict[int, float]
    """k to the normalised discounted cumulative gain, gains being 0 or 1."""
    median_rank: float
    """Rank of the first relevant item, from 1."""

    def flat(self) -> dict[str, float]:
        """The metrics under names such as ``hit_rate@5``."""
        named: dict[str, float] = {}
        for name in ("precision", "recall", "hit_rate", "ndcg"):
            named |= {f"{name}@{k}": value for k, value in getattr(self, name).items()}
        return named | {"mrr": self.mrr, "median_rank": self.median_rank}


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

    def as_dict(self) -> dict[str, Any]:
        """JSON values; metrics named as in ``DirectionMetrics.flat``."""

        def direction(metrics: DirectionMetrics | None) -> dict[str, Any] | None:
            if metrics is None:
                return None
            return {"queries": metrics.queries, "gallery": metrics.gallery, **metrics.flat()}

        result = {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "config": asdict(self.config),
            "text_to_image": direction(self.text_to_image),
            "image_to_text": direction(self.image_to_text),
        }
        if self.spread is not None:
            result["spread"] = self.spread
            result["reference"] = REFERENCE_100
        return result


def evaluate_retrieval(
    encoder: Encoder,
    data: CaptionDataset,
    config: EvalConfig,
    *,
    progress: Progress | None = None,
) -> RetrievalMetrics:
    """Encode a dataset and measure how well its captions find its pictures.

    A caption's one relevant picture is its own; a picture's relevant captions are its own.

    Args:
        encoder: the model under test.
        data: captioned pictures.
        config: the protocol and its numbers.
        progress: told of pictures encoded, then captions.

    Raises:
        DatasetError: fewer pictures than ``reference-100`` draws.
        ImageRejectedError: a picture that cannot be read.
    """
    if config.protocol == "reference-100" and len(data) < config.queries:
        raise DatasetError(
            f"reference-100 draws {config.queries} pictures, and {data.source} has only "
            f"{len(data)}; choose another split or fewer queries"
        )
    progress = progress or NoProgress()
    images = _encode_images(encoder, data, config, progress)
    captions = data.captions
    texts = encoder.encode_texts(captions)
    owner = np.repeat(np.arange(len(data)), [len(image.captions) for image in data])
    if config.protocol == "reference-100":
        to_image, spread = _reference_draws(texts, images, owner, config)
        return RetrievalMetrics(encoder.name, encoder.fingerprint, config, to_image, None, spread)
    own_captions = np.split(np.arange(len(captions)), np.flatnonzero(np.diff(owner)) + 1)
    return RetrievalMetrics(
        encoder.name,
        encoder.fingerprint,
        config,
        retrieval_metrics(texts, images, [[int(index)] for index in owner], config.ks),
        retrieval_metrics(images, texts, own_captions, config.ks),
        None,
    )


def retrieval_metrics(
    queries: FloatMatrix,
    gallery: FloatMatrix,
    relevant: Sequence[Sequence[int] | NDArray[np.int64]],
    ks: Sequence[int],
) -> DirectionMetrics:
    """Rank a gallery for every query by dot product and score the ranking.

    Ties are broken pessimistically: among equal scores the irrelevant items come first, so a
    model that gives every item one score earns the worst figures and not lucky ones.

    Args:
        queries: float32 (n, dim).
        gallery: float32 (m, dim), m at least 1.
        relevant: for each query, the rows of ``gallery`` that answer it; at least one.
        ks: cut-offs, each at least 1.

    Raises:
        ValueError: an empty input, a query with nothing relevant, or a cut-off below 1.
    """
    if not len(queries) or not len(gallery):
        raise ValueError("metrics need at least one query and one gallery item")
    if len(relevant) != len(queries) or not all(len(rows) for rows in relevant):
        raise ValueError("every query needs at least one relevant item")
    if not ks or min(ks) < 1:
        raise ValueError("cut-offs are counted from 1")
    ranks = _relevant_ranks(queries, gallery, relevant)
    counts = np.array([len(rows) for rows in relevant])
    found = {k: (ranks <= k).sum(axis=1) for k in ks}
    first = ranks[:, 0]
    # Absent ranks are infinite, and 1 / log2(infinity) is 0.
    gains = 1.0 / np.log2(ranks + 1.0)
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, counts.max() + 2)))
    return DirectionMetrics(
        queries=len(queries),
        gallery=len(gallery),
        precision={k: float((found[k] / k).mean()) for k in ks},
        recall={k: float((found[k] / counts).mean()) for k in ks},
        hit_rate={k: float((found[k] > 0).mean()) for k in ks},
        mrr=float((1.0 / first).mean()),
        ndcg={
            k: float(
                (
                    np.where(ranks <= k, gains, 0.0).sum(axis=1) / ideal[np.minimum(counts, k) - 1]
                ).mean()
            )
            for k in ks
        },
        median_rank=float(np.median(first)),
    )


def _encode_images(
    encoder: Encoder, data: CaptionDataset, config: EvalConfig, progress: Progress
) -> FloatMatrix:
    matrix = np.empty((len(data), encoder.dim), dtype=np.float32)
    done = 0
    progress.report(0, len(data), "encoding pictures")
    for batch in data.batches(_IMAGE_BATCH, side=encoder.image_size, limits=config.limits):
        matrix[done : done + len(batch)] = encoder.encode_images(batch)
        done += len(batch)
        progress.report(done, len(data), "encoding pictures")
    return matrix


def _relevant_ranks(
    queries: FloatMatrix,
    gallery: FloatMatrix,
    relevant: Sequence[Sequence[int] | NDArray[np.int64]],
) -> NDArray[np.float64]:
    """Return (n, most relevant items of any query): ascending ranks from 1, filled with inf."""
    width = max(len(rows) for rows in relevant)
    ranks = np.full((len(queries), width), np.inf)
    step = max(1, _BLOCK // len(gallery))
    for start in range(0, len(queries), step):
        block = queries[start : start + step] @ gallery.T
        wanted = np.full((len(block), width), -np.inf, dtype=np.float32)
        for row, rows in enumerate(relevant[start : start + step]):
            # Highest first: the j-th of them has j - 1 relevant items before it.
            wanted[row, : len(rows)] = np.sort(block[row, rows])[::-1]
        for column in range(width):
            there = np.isfinite(wanted[:, column])
            limit = wanted[:, column, None] - TIE
            others = (block >= limit).sum(axis=1) - (wanted >= limit).sum(axis=1)
            ranks[start : start + step, column] = np.where(there, others + column + 1, np.inf)
    return ranks


def _reference_draws(
    texts: FloatMatrix, images: FloatMatrix, owner: NDArray[np.int64], config: EvalConfig
) -> tuple[DirectionMetrics, dict[str, float]]:
    """Return the mean over the draws, and the standard deviation of each metric."""
    by_image = np.split(np.arange(len(owner)), np.flatnonzero(np.diff(owner)) + 1)
    ks = tuple(sorted({*config.ks, 5}))
    outcomes = []
    for draw in range(config.draws):
        generator = random.Random(f"{config.seed}:{draw}")  # noqa: S311 - a sample, not a secret
        chosen = generator.sample(range(len(images)), config.queries)
        asked = [generator.choice(by_image[index]) for index in chosen]
        if config.gallery == "queried":
            gallery, wanted = images[chosen], list(range(len(chosen)))
        else:
            gallery, wanted = images, chosen
        outcomes.append(retrieval_metrics(texts[asked], gallery, [[row] for row in wanted], ks))

    def mean(values: list[float]) -> float:
        return float(np.mean(values))

    def means(name: str) -> dict[int, float]:
        return {k: mean([getattr(one, name)[k] for one in outcomes]) for k in ks}

    average = DirectionMetrics(
        queries=config.queries,
        gallery=outcomes[0].gallery,
        precision=means("precision"),
        recall=means("recall"),
        hit_rate=means("hit_rate"),
        mrr=mean([one.mrr for one in outcomes]),
        ndcg=means("ndcg"),
        median_rank=mean([one.median_rank for one in outcomes]),
    )
    spread = {
        name: float(np.std([one.flat()[name] for one in outcomes])) for name in average.flat()
    }
    return average, spread
