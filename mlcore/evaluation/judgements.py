"""Do scores of pictures and captions agree with people's? Flickr8k's judgements, after CLIPScore.

Hodosh, Young and Hockenmaier (2013) had captions of some pictures judged beside other pictures: by
experts (three grades of 1 to 4 each), and by many people (the share who said yes). Kendall's tau of
score and grade is what metrics of captions are compared by (Hessel et al., "CLIPScore", EMNLP 2021,
table 1 and appendix). A caption beside its own picture is left out, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.datasets import CaptionDataset
from mlcore.errors import DatasetError
from mlcore.evaluation.rank_correlation import kendall
from mlcore.relevance import CAPTION, NAMES, PICTURE, RelevanceModel

Kind: TypeAlias = Literal["expert", "crowd"]

FILES: Mapping[Kind, str] = {
    "expert": "ExpertAnnotations.txt",
    "crowd": "CrowdFlowerAnnotations.txt",
}
_FOLDERS = ("Flickr8k_text", "")

PUBLISHED: Mapping[Kind, Mapping[str, float]] = {
    "expert": {"CIDEr": 0.439, "SPICE": 0.449, "CLIP-S": 0.512, "RefCLIP-S": 0.530},
    "crowd": {"CLIP-S": 0.344, "RefCLIP-S": 0.364},
}
"""Of Hessel et al. 2021, table 1: tau_c for the experts, tau_b for the crowd."""
PUBLISHED_TAU: Mapping[Kind, Literal["b", "c"]] = {"expert": "c", "crowd": "b"}

Scores: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What people said of one caption beside one picture."""

    picture: str
    """The name of its file."""
    caption: str
    """``file#n``: the n-th caption of a picture, from 0."""
    grades: tuple[float, ...]

    @property
    def is_own(self) -> bool:
        """Whether the caption was written about the picture."""
        return self.caption.rpartition("#")[0] == self.picture


@dataclass(frozen=True, slots=True)
class AgreementResult:
    """How far scores agree with one kind of judges."""

    kind: Kind
    pairs: int
    """Of picture and caption that were compared."""
    judgements: int
    """Grades given to them: each counts by itself."""
    own: int
    """Pairs left out because the caption is the picture's own."""
    damaged: int
    """Lines that could not be read."""
    absent: int
    """Pairs left out because the data set lacks the picture or the caption."""
    tau_b: dict[str, float]
    """By what scored (``picture``, ``captions``, ``all``)."""
    tau_c: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """JSON values under the names of the fields, with the ``published`` rows beside."""
        values = {name: getattr(self, name) for name in self.__slots__}
        tau = f"tau_{PUBLISHED_TAU[self.kind]}"
        return values | {"published": {"tau": tau, **PUBLISHED[self.kind]}}


def find_judgements(folder: Path) -> dict[Kind, Path]:
    """Return the files of judgements that a Flickr8k folder has.

    Raises:
        DatasetError: it has none.
    """
    found: dict[Kind, Path] = {}
    for kind, name in FILES.items():
        places = [folder / inner / name for inner in _FOLDERS]
        there = next((place for place in places if place.is_file()), None)
        if there is not None:
            found[kind] = there
    if not found:
        raise DatasetError("judgements.none", folder=str(folder), names=list(FILES.values()))
    return found


def read_judgements(path: Path, kind: Kind) -> tuple[list[Judgement], int]:
    """Read a file of judgements; return them, and how many lines are damaged.

    Raises:
        DatasetError: the file cannot be read.
    """
    read = _expert if kind == "expert" else _crowd
    found, damaged = [], 0
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DatasetError("judgements.unreadable", path=str(path)) from error
    for line in lines:
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("\t")]
        grades = read(fields[2:])
        if len(fields) < 3 or not fields[0] or "#" not in fields[1] or grades is None:
            damaged += 1
        else:
            found.append(Judgement(fields[0], fields[1], grades))
    return found, damaged


def _expert(fields: Sequence[str]) -> tuple[float, ...] | None:
    if len(fields) != 3 or any(field not in ("1", "2", "3", "4") for field in fields):
        return None
    return tuple(map(float, fields))


def _crowd(fields: Sequence[str]) -> tuple[float, ...] | None:
    try:
        share, yes, no = float(fields[0]), int(fields[1]), int(fields[2])
    except (ValueError, IndexError):
        return None
    counted = len(fields) == 3 and yes >= 0 and no >= 0 and yes + no > 0 and 0 <= share <= 1
    return (share,) if counted else None


def judge(
    kind: Kind,
    judgements: Sequence[Judgement],
    damaged: int,
    data: CaptionDataset,
    score: Callable[[CaptionDataset, Sequence[int], Sequence[str]], Mapping[str, Scores]],
) -> AgreementResult:
    """Compare scores with what people said.

    Args:
        kind: who judged.
        judgements, damaged: from :func:`read_judgements`.
        data: the pictures, with captions in the order of their numbers.
        score: takes pictures, and for each pair a picture's row and a caption; returns the scores,
            (pairs,), by what scored.

    Raises:
        DatasetError: no pair is left to compare.
    """
    rows = {image.name.rpartition("/")[2]: row for row, image in enumerate(data)}
    kept: list[tuple[int, str, tuple[float, ...]]] = []
    own = absent = 0
    for each in judgements:
        written_of, _, number = each.caption.rpartition("#")
        row, source = rows.get(each.picture), rows.get(written_of)
        captions = () if source is None else data[source].captions
        if row is None or not number.isdecimal() or int(number) >= len(captions):
            absent += 1
        elif each.is_own:
            own += 1
        else:
            kept.append((row, captions[int(number)], each.grades))
    if not kept:
        raise DatasetError("judgements.nothing_to_compare", source=data.source)
    used = sorted({row for row, _, _ in kept})
    place = {row: at for at, row in enumerate(used)}
    scores = score(
        data.subset(used), [place[row] for row, _, _ in kept], [text for _, text, _ in kept]
    )
    counts = [len(grades) for _, _, grades in kept]
    grades = np.array([grade for _, _, each in kept for grade in each])
    taus = {name: kendall(np.repeat(each, counts), grades) for name, each in scores.items()}
    return AgreementResult(
        kind,
        pairs=len(kept),
        judgements=len(grades),
        own=own,
        damaged=damaged,
        absent=absent,
        tau_b={name: tau.b for name, tau in taus.items()},
        tau_c={name: tau.c for name, tau in taus.items()},
    )


def score_pairs_of(
    pictures: FloatMatrix,
    captions: Sequence[Sequence[str]],
    rows: Sequence[int],
    texts: Sequence[str],
    *,
    encode: Callable[[Sequence[str]], FloatMatrix],
    encode_sentences: Callable[[Sequence[str]], FloatMatrix] | None,
    model: RelevanceModel,
) -> dict[str, Scores]:
    """Score pairs of picture and caption by what the picture shows, and by its own captions.

    Args:
        pictures: float32 (n, d), unit rows.
        captions: of each picture; those that are judged are none of them.
        rows, texts: of each pair the picture's row, and the caption that is judged.
        encode: the text side of the model of pictures.
        encode_sentences: the encoder of captions, if there is one.
        model: weighs both.

    Returns:
        ``picture``: cosines; ``captions``: the best cosine with a caption of the picture; ``all``:
        log-odds from both. The last two are missing without an encoder of captions.
    """
    different = {text: at for at, text in enumerate(dict.fromkeys(texts))}
    column = [different[text] for text in texts]
    asked = encode(list(different))[column]
    evidence = np.full((len(texts), len(NAMES)), np.nan)
    evidence[:, PICTURE] = np.einsum("pd,pd->p", asked, pictures[list(rows)])
    if encode_sentences is None:
        return {"picture": evidence[:, PICTURE]}
    counts = [len(each) for each in captions]
    sentences = encode_sentences([text for each in captions for text in each])
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    told = encode_sentences(list(different))[column]
    for pair, row in enumerate(rows):
        evidence[pair, CAPTION] = (sentences[starts[row] : starts[row + 1]] @ told[pair]).max()
    return {
        "picture": evidence[:, PICTURE],
        "captions": evidence[:, CAPTION],
        "all": model.log_odds(evidence),
    }
