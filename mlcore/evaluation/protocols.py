"""The named protocols: which captions ask, and among which pictures."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.errors import DatasetError
from mlcore.evaluation.composition import CompositionResult, pairs_of, score_pairs
from mlcore.evaluation.encoding import encode_captions, encode_pictures, mirrored_and_cropped
from mlcore.evaluation.intervals import group_numbers, mean_intervals
from mlcore.evaluation.metrics import AT_K, DirectionMetrics, retrieval_metrics, score_each
from mlcore.evaluation.ranking import best_rows, relevant_ranks
from mlcore.evaluation.results import EvalConfig, QueryOutcome, RetrievalMetrics
from mlcore.progress import NoProgress, Progress

if TYPE_CHECKING:
    from mlcore.datasets import CaptionDataset
    from mlcore.encoder import Encoder

SHOWN = 10
"""Pictures kept of what each query found."""


def evaluate_retrieval(
    encoder: Encoder,
    data: CaptionDataset,
    config: EvalConfig,
    *,
    progress: Progress | None = None,
    extra_gallery: FloatMatrix | None = None,
    extra_names: Sequence[str] | None = None,
) -> RetrievalMetrics:
    """Encode a dataset and measure how well its captions find its pictures.

    A caption's one relevant picture is its own; a picture's relevant captions are its own.

    Args:
        encoder: the model under test.
        data: captioned pictures.
        config: the protocol and its numbers.
        progress: told of pictures encoded, then captions.
        extra_gallery: for the gallery "indexed": vectors of this encoder of the other pictures
            that may come back, float32 (m, dim). None of them may be a picture of ``data``.
        extra_names: what these are called in the outcomes, (m,); numbered when None.

    Raises:
        DatasetError: fewer pictures than ``reference-100`` draws, no ``extra_gallery`` where the
            configuration asks for one, or no caption that the composition test could change.
        ImageRejectedError: a picture that cannot be read.
        EvaluationStoppedError: the evaluation was asked to stop.
    """
    _require(data, config, extra_gallery)
    progress = progress or NoProgress()
    pairs = pairs_of(data) if config.composition else []
    karpathy = config.protocol == "karpathy-1k"
    changes = [mirrored_and_cropped] if karpathy and config.image_to_image else []
    images, *changed = encode_pictures(encoder, data, config.limits, progress, *changes)
    texts = encode_captions(encoder, data.captions, progress)
    asked = _Asked(data, config, images, texts, *_beside(extra_gallery, extra_names, encoder.dim))
    composition: CompositionResult | None = None
    if pairs:
        composition = score_pairs(encoder, data, pairs, images, texts, progress)
    if karpathy:
        to_image, outcomes = _every_caption(asked)
        return RetrievalMetrics(
            encoder.name,
            encoder.fingerprint,
            config,
            to_image,
            retrieval_metrics(images, texts, asked.captions_of, config.ks),
            None,
            _by_picture(asked, changed[0]) if changed else None,
            composition,
            outcomes,
        )
    to_image, spread, outcomes = _reference_draws(asked)
    return RetrievalMetrics(
        encoder.name,
        encoder.fingerprint,
        config,
        to_image,
        None,
        spread,
        composition=composition,
        outcomes=outcomes,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    data: CaptionDataset
    config: EvalConfig
    images: FloatMatrix
    texts: FloatMatrix
    beside: FloatMatrix
    """Pictures that are nobody's answer."""
    beside_names: Sequence[str]

    @property
    def owner(self) -> NDArray[np.int64]:
        """Which picture each caption belongs to."""
        return np.repeat(np.arange(len(self.data)), [len(image.captions) for image in self.data])

    @property
    def captions_of(self) -> list[NDArray[np.int64]]:
        """The captions of each picture."""
        owner = self.owner
        return np.split(np.arange(len(owner)), np.flatnonzero(np.diff(owner)) + 1)

    def gallery(self, rows: Sequence[int] | None = None) -> tuple[FloatMatrix, list[str]]:
        """Some pictures of the data, all when None, and those beside them; with their names."""
        chosen = range(len(self.data)) if rows is None else rows
        names = [self.data[row].name for row in chosen] + list(self.beside_names)
        images = self.images if rows is None else self.images[list(rows)]
        if not len(self.beside):
            return images, names
        return np.concatenate([images, self.beside]), names


def _require(data: CaptionDataset, config: EvalConfig, extra: FloatMatrix | None) -> None:
    if config.protocol == "reference-100" and len(data) < config.queries:
        raise DatasetError(
            f"reference-100 draws {config.queries} pictures, and {data.source} has only "
            f"{len(data)}; choose another split or fewer queries"
        )
    if config.gallery == "indexed" and extra is None:
        raise DatasetError(
            'The gallery "indexed" needs the vectors of everything that is indexed, which only '
            "the site has: use manage.py evaluate, or choose the gallery queried or split"
        )
    if config.gallery != "indexed" and extra is not None:
        raise ValueError(f"the gallery {config.gallery} takes no pictures from elsewhere")


def _beside(
    extra: FloatMatrix | None, names: Sequence[str] | None, dim: int
) -> tuple[FloatMatrix, Sequence[str]]:
    if extra is None:
        return np.empty((0, dim), dtype=np.float32), ()
    if names is None:
        names = [f"indexed picture {number}" for number in range(1, len(extra) + 1)]
    if len(names) != len(extra) or extra.shape[1] != dim:
        raise ValueError("extra_gallery needs a name for each row, and the width of the encoder")
    return extra, names


def _every_caption(asked: _Asked) -> tuple[DirectionMetrics, tuple[QueryOutcome, ...]]:
    gallery, names = asked.gallery()
    owner = asked.owner
    relevant = owner[:, None]
    metrics = retrieval_metrics(asked.texts, gallery, relevant, asked.config.ks, groups=owner)
    rows = range(len(owner))
    return metrics, _outcomes(asked, rows, gallery, names, relevant)


def _by_picture(asked: _Asked, changed: FloatMatrix) -> DirectionMetrics:
    gallery, _ = asked.gallery()
    own = np.arange(len(changed))[:, None]
    return retrieval_metrics(changed, gallery, own, asked.config.ks)


def _outcomes(
    asked: _Asked,
    captions: Sequence[int],
    gallery: FloatMatrix,
    names: Sequence[str],
    relevant: NDArray[np.integer[Any]],
) -> tuple[QueryOutcome, ...]:
    """Say what each of these captions found; ``relevant``: (n, 1), rows of the gallery."""
    texts = asked.texts[list(captions)]
    words = asked.data.captions
    ranks = relevant_ranks(texts, gallery, relevant)[:, 0]
    found = best_rows(texts, gallery, SHOWN)
    return tuple(
        QueryOutcome(
            words[caption],
            tuple(names[row] for row in right),
            int(rank),
            tuple(names[row] for row in top),
        )
        for caption, right, rank, top in zip(captions, relevant, ranks, found, strict=True)
    )


def _reference_draws(
    asked: _Asked,
) -> tuple[DirectionMetrics, dict[str, float], tuple[QueryOutcome, ...]]:
    """Return the mean over the draws, the standard deviation of each metric, and every query."""
    config, captions_of = asked.config, asked.captions_of
    ks = tuple(sorted({*config.ks, 5}))
    draws: list[DirectionMetrics] = []
    outcomes: list[QueryOutcome] = []
    pictures: list[int] = []
    whole = None if config.gallery == "queried" else asked.gallery()
    for draw in range(config.draws):
        generator = random.Random(f"{config.seed}:{draw}")  # noqa: S311 - a sample, not a secret
        chosen = generator.sample(range(len(asked.data)), config.queries)
        captions = [int(generator.choice(captions_of[index])) for index in chosen]
        gallery, names = whole or asked.gallery(chosen)
        rows = np.arange(len(chosen)) if whole is None else np.array(chosen)
        relevant = rows[:, None]
        draws.append(retrieval_metrics(asked.texts[captions], gallery, relevant, ks, resamples=0))
        outcomes += _outcomes(asked, captions, gallery, names, relevant)
        pictures += chosen
    average = _average(draws, ks, _pooled_intervals(outcomes, pictures, ks))
    spread = {name: float(np.std([one.flat()[name] for one in draws])) for name in average.flat()}
    return average, spread, tuple(outcomes)


def _average(
    draws: Sequence[DirectionMetrics],
    ks: Sequence[int],
    intervals: dict[str, tuple[float, float]],
) -> DirectionMetrics:
    def mean(figure: Callable[[DirectionMetrics], float]) -> float:
        return float(np.mean([figure(one) for one in draws]))

    def at_k(name: str, k: int) -> float:
        return mean(lambda one: getattr(one, name)[k])

    return DirectionMetrics(
        queries=draws[0].queries,
        gallery=draws[0].gallery,
        mrr=mean(lambda one: one.mrr),
        median_rank=mean(lambda one: one.median_rank),
        intervals=intervals,
        **{name: {k: at_k(name, k) for k in ks} for name in AT_K},
    )


def _pooled_intervals(
    outcomes: Sequence[QueryOutcome], pictures: Sequence[int], ks: Sequence[int]
) -> dict[str, tuple[float, float]]:
    """Intervals over the queries of all draws; a picture drawn twice counts as one group.

    The mean of the draws' median ranks has none: it is no mean over queries.
    """
    ranks = np.array([[outcome.rank] for outcome in outcomes], dtype=np.float64)
    scores = score_each(ranks, np.ones(len(ranks), dtype=np.int64), ks)
    values = np.stack(list(scores.values()), axis=1)
    return dict(zip(scores, mean_intervals(values, group_numbers(pictures)), strict=True))
