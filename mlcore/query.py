"""Turns what a person asks into one vector: texts and images, wanted and unwanted, each weighted.

A picture's score against a weighted sum of vectors is the same weighted sum of its scores against
each of them, so one lookup ranks the whole gallery by all parts of a query together.

Balance between text and images. In CLIP-like models texts and pictures lie in two separate narrow
cones (Liang et al. 2022, Mind the Gap, section 2), so a text typically scores about 0.3 with the
pictures that it describes, and a picture about 0.9 with its like. A constant offset changes no
ranking, but a difference in spread does: where scores of a picture vary more over the gallery than
scores of a text, a plain sum lets the picture decide. A query that holds both kinds therefore has
every part divided by the spread of its kind's scores over the gallery, which is the scale of
z-score fusion (Jain, Nandakumar and Ross 2005, Score normalization in multimodal biometric
systems). Then equal weights move the ranking equally, whatever the model. Queries of one kind are
plain weighted sums.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.errors import IndexMismatchError, InvalidQueryError

Kind: TypeAlias = Literal["text", "image"]

MAX_QUERY_CHARS = 300
"""Characters of a query text. CLIP reads 77 tokens, which is about as much English."""

TYPICAL_SPREAD: dict[Kind, float] = {"text": 0.03, "image": 0.1}
"""Standard deviation of scores over a gallery, assumed where no gallery is given that could tell.
A guess for CLIP, not a measurement. Only the ratio matters."""

MIN_GALLERY_SAMPLE = 16
"""Vectors below which a sample says too little about the spread of scores."""

MIN_SPREAD = 1e-3
"""A part that scores all pictures alike cannot rank them, however much it is amplified."""

MIN_NORM = 1e-6
"""Length of a sum, relative to its largest part, below which what remains is rounding."""

NORM_TOLERANCE = 1e-3
"""How far the L2 norm of a part's vector may be from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class QueryPart:
    """One thing asked for, or asked to be absent."""

    vector: FloatMatrix
    """float32, shape (dim,) or (1, dim), unit norm within 1e-3."""
    weight: float
    """Any finite number; negative steers away; 0 is as good as absent."""
    kind: Kind


def compose_query(parts: Sequence[QueryPart], *, gallery: FloatMatrix | None = None) -> FloatMatrix:
    """Combine parts into one query vector.

    The result is the normalised sum of weight * vector, with text and image parts balanced as the
    module's text tells. It does not depend on the order of the parts, bit for bit, and only the
    weights' ratios matter.

    Args:
        parts: what is asked for, all vectors of one width.
        gallery: float32, shape (n, dim), unit rows: a sample of the pictures that are searched,
            such as ``VectorIndex.sample()``. It is looked at only when ``parts`` hold texts and
            images; without it, :data:`TYPICAL_SPREAD` is assumed.

    Returns:
        float32, shape (1, dim), unit norm.

    Raises:
        InvalidQueryError: there are no parts, all weights are 0, the parts cancel out, a weight
            is not finite, or a vector is not a finite unit vector.
        IndexMismatchError: the parts, or the gallery, differ in width.
    """
    directions = [_direction(part) for part in parts]
    if len({direction.shape for direction in directions}) > 1:
        raise IndexMismatchError("query.widths")
    largest = max((abs(part.weight) for part in parts), default=0.0)
    if largest == 0:
        raise InvalidQueryError("query.nothing")
    # Scaled so that no weight is too large to calculate with; what vanishes beside it is left out.
    weights = [float(part.weight) / largest for part in parts]
    asked = sorted(
        (
            (part.kind, weight, direction)
            for part, weight, direction in zip(parts, weights, directions, strict=True)
            if weight != 0
        ),
        key=lambda item: (item[0], item[1], item[2].tobytes()),
    )
    spread = _spread_by_kind(asked, gallery)
    factors = np.array([weight / spread[kind] for kind, weight, _ in asked])
    factors /= np.abs(factors).max()
    total = (factors[:, np.newaxis] * np.stack([direction for *_, direction in asked])).sum(axis=0)
    norm = float(np.linalg.norm(total))
    if norm < MIN_NORM:
        raise InvalidQueryError("query.cancels_out")
    return np.asarray(total / norm, dtype=np.float32)[np.newaxis]


def _direction(part: QueryPart) -> NDArray[np.float64]:
    """Check a part and return its vector at length exactly 1, shape (dim,)."""
    if part.vector.ndim not in (1, 2) or part.vector.size != part.vector.shape[-1]:
        raise InvalidQueryError("query.not_one_vector", shape=str(part.vector.shape))
    if not np.isfinite(part.weight):
        raise InvalidQueryError("query.weight", weight=str(part.weight))
    vector = part.vector.reshape(-1).astype(np.float64)
    norm = float(np.linalg.norm(vector))
    if not abs(norm - 1.0) <= NORM_TOLERANCE:  # also when it is NaN
        raise InvalidQueryError("query.not_unit", length=f"{norm:.4g}")
    return vector / norm


def _spread_by_kind(
    asked: Sequence[tuple[Kind, float, NDArray[np.float64]]], gallery: FloatMatrix | None
) -> dict[Kind, float]:
    """Standard deviation over the gallery of the scores of each kind's parts."""
    kinds = {kind for kind, _, _ in asked}
    if len(kinds) == 1:
        return dict.fromkeys(kinds, 1.0)
    if gallery is None or len(gallery) < MIN_GALLERY_SAMPLE:
        return TYPICAL_SPREAD
    width = len(asked[0][2])
    if gallery.ndim != 2 or gallery.shape[1] != width:
        raise IndexMismatchError("query.other_width", width=str(width), shape=str(gallery.shape))
    spread: dict[Kind, float] = {}
    for kind in kinds:
        weights = np.array([abs(weight) for of_kind, weight, _ in asked if of_kind == kind])
        vectors = np.stack([vector for of_kind, _, vector in asked if of_kind == kind])
        variances = (gallery @ vectors.T).var(axis=0)
        spread[kind] = max(float(np.sqrt(np.average(variances, weights=weights))), MIN_SPREAD)
    return spread


# Characters that steer how text is displayed and mean nothing to a model: the bidirectional
# controls of Unicode Standard Annex 9, the byte order mark and the zero width space. The zero
# width joiners stay: emoji and several scripts are spelled with them.
_INVISIBLE: dict[int, None] = dict.fromkeys(
    [0x061C, 0x200B, 0x200E, 0x200F, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
_CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
_REMOVED = {
    **_INVISIBLE,
    # A tab or a line break separates words: it becomes a space instead.
    **{ord(control): None for control in _CONTROLS if not control.isspace()},
}
_SURROGATES = re.compile("[\ud800-\udfff]")


def normalise_text(text: str) -> str:
    """Clean a query text: NFKC, no control or bidirectional characters, single spaces.

    The result may be empty. Cleaning it again changes nothing.

    Raises InvalidQueryError when it is longer than :data:`MAX_QUERY_CHARS` characters after
    cleaning, or holds half a surrogate pair, which no encoding can carry.
    """
    if _SURROGATES.search(text):
        raise InvalidQueryError("query.half_a_character")
    # Removal comes first: what stood between two characters may have kept them from composing.
    text = " ".join(text.translate(_REMOVED).split())
    # A decomposed text may be several times as long as what it composes to; a longer one is not
    # even composed, because long runs of combining marks take quadratic time.
    if len(text) <= 4 * MAX_QUERY_CHARS:
        # Full-width letters, ligatures and their like are what they look like.
        text = " ".join(unicodedata.normalize("NFKC", text).split())
    if len(text) > MAX_QUERY_CHARS:
        raise InvalidQueryError("query.too_long", count=len(text), limit=MAX_QUERY_CHARS)
    return text
