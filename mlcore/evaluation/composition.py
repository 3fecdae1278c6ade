"""Whether a model reads a caption's grammar: does the true caption beat a slightly wrong one?

The test of Yuksekgonul et al. 2023 ("When and why vision-language models behave like
bags-of-words"), with the changes of :mod:`mlcore.evaluation.caption_changes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mlcore.config import FloatMatrix, ImageLimits
from mlcore.errors import DatasetError
from mlcore.evaluation.caption_changes import KINDS, wrong_captions
from mlcore.evaluation.encoding import encode_captions, encode_pictures
from mlcore.evaluation.intervals import group_numbers, mean_intervals
from mlcore.evaluation.ranking import TIE
from mlcore.progress import NoProgress, Progress

if TYPE_CHECKING:
    from mlcore.datasets import CaptionDataset
    from mlcore.encoders import Encoder

EXAMPLES = 5
"""Kept of each kind."""


@dataclass(frozen=True, slots=True)
class KindResult:
    """How one kind of change was seen through."""

    pairs: int
    won: int
    share: float
    """won / pairs; 0.5 is chance."""
    low: float
    high: float
    """The 95 % bootstrap interval of the share, over pictures."""


@dataclass(frozen=True, slots=True)
class Example:
    """A wrong caption that was believed."""

    kind: str
    picture: str
    """Its name."""
    caption: str
    wrong: str
    margin: float
    """Cosine of the wrong caption less that of the true one."""


@dataclass(frozen=True, slots=True)
class CompositionResult:
    """How often true captions beat slightly wrong ones."""

    kinds: dict[str, KindResult]
    """Only kinds that the captions have pairs of."""
    share: float
    """Over all pairs of all kinds."""
    low: float
    high: float
    """The 95 % bootstrap interval of the share, over pictures."""
    examples: tuple[Example, ...]
    """Of each kind the pairs that were lost most clearly."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values under the names of the fields."""
        return asdict(self) | {"examples": [asdict(example) for example in self.examples]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what ``as_dict`` wrote."""
        return cls(
            kinds={kind: KindResult(**result) for kind, result in values["kinds"].items()},
            share=values["share"],
            low=values["low"],
            high=values["high"],
            examples=tuple(Example(**example) for example in values["examples"]),
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """A caption of a picture, and a wrong one."""

    kind: str
    picture: int
    caption: int
    """Places in the dataset: of the picture, and of the caption among all captions."""
    wrong: str


def evaluate_composition(
    encoder: Encoder,
    data: CaptionDataset,
    *,
    limits: ImageLimits | None = None,
    progress: Progress | None = None,
) -> CompositionResult:
    """Score every caption against its wrong ones, with its own picture.

    A pair is won where the true caption scores higher; a tie is lost.

    Args:
        encoder: the model under test.
        data: captioned pictures; English.
        limits: what a picture may measure.
        progress: told of pictures encoded, then captions.

    Raises:
        DatasetError: no caption can be made wrong.
        ImageRejectedError: a picture that cannot be read.
        EvaluationStoppedError: it was asked to stop.
    """
    progress = progress or NoProgress()
    pairs = pairs_of(data)
    (images,) = encode_pictures(encoder, data, limits or ImageLimits(), progress)
    texts = encode_captions(encoder, data.captions, progress)
    return score_pairs(encoder, data, pairs, images, texts, progress)


def pairs_of(data: CaptionDataset) -> list[Pair]:
    """Return every caption with each of its wrong ones.

    Raises:
        DatasetError: no caption can be made wrong.
    """
    pairs = list(_pairs(data))
    if not pairs:
        raise DatasetError("composition.nothing_to_change", source=data.source)
    return pairs


def score_pairs(
    encoder: Encoder,
    data: CaptionDataset,
    pairs: Sequence[Pair],
    images: FloatMatrix,
    texts: FloatMatrix,
    progress: Progress,
) -> CompositionResult:
    """Score pairs, given the vectors of all pictures, (n, dim), and of all captions, (m, dim)."""
    wrong = encode_captions(encoder, [pair.wrong for pair in pairs], progress)
    own = images[[pair.picture for pair in pairs]]
    true = texts[[pair.caption for pair in pairs]]
    margins = np.einsum("ij,ij->i", own, wrong) - np.einsum("ij,ij->i", own, true)
    won = margins < -TIE
    pictures = np.array([pair.picture for pair in pairs])
    kinds: dict[str, KindResult] = {}
    examples: list[Example] = []
    for kind in KINDS:
        places = np.flatnonzero([pair.kind == kind for pair in pairs])
        if not len(places):
            continue
        kinds[kind] = KindResult(
            len(places), int(won[places].sum()), *_share(won[places], pictures[places])
        )
        worst = places[np.argsort(-margins[places], kind="stable")][:EXAMPLES]
        examples += [
            _example(data, pairs[place], float(margins[place])) for place in worst if not won[place]
        ]
    return CompositionResult(kinds, *_share(won, pictures), tuple(examples))


def _pairs(data: CaptionDataset) -> Iterator[Pair]:
    place = 0
    for number, image in enumerate(data):
        for caption in image.captions:
            for wrong in wrong_captions(caption):
                yield Pair(wrong.kind, number, place, wrong.text)
            place += 1


def _share(won: np.ndarray[Any, Any], pictures: np.ndarray[Any, Any]) -> tuple[float, float, float]:
    groups = group_numbers(pictures.tolist())
    ((low, high),) = mean_intervals(won[:, None].astype(np.float64), groups)
    return float(won.mean()), low, high


def _example(data: CaptionDataset, pair: Pair, margin: float) -> Example:
    image = data[pair.picture]
    return Example(pair.kind, image.name, data.captions[pair.caption], pair.wrong, margin)
