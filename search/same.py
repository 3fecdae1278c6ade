"""The picture of the gallery that an example is, whatever was done to it since.

A model's vector tells what a picture shows, and moves when the picture is compressed, cropped or
turned. So it only proposes: the nearest pictures are laid over the example by their placeholders,
which are in the database, and the few that fit are compared in detail, by their thumbnails. Where
none is the same, the example is looked at in other ways, which costs the encoder some pictures more
and is done once for each example.
"""

import base64
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from django.core.files.storage import default_storage
from PIL.Image import Image as Picture
from PIL.Image import Transpose

from gallery.access import Person
from gallery.models import Image
from gallery.storage import READERS, StorageUnavailableError
from mlcore.config import FloatMatrix, IdVector, ImageLimits
from mlcore.i18n import Message
from mlcore.imaging.same import (
    DETAIL_SIDE,
    LEAST_SHARE,
    SAME,
    Placement,
    place,
    shared_detail,
)
from mlcore.imaging.sandbox import get_decoder
from search.engine import SearchEngine

logger = logging.getLogger(__name__)

NEAREST = 50
"""Pictures that are laid over the example as it is."""
NEAREST_TURNED, NEAREST_OTHERWISE = 20, 200
"""Likewise over the example turned, which is found in the first places or not at all, and over one
that may be cropped."""
WHOLE = 0.8
"""Share that must be covered where an example is turned: crops are looked for upright only."""
FITTING, COMPARED = 0.65, 3
"""Correlation of placeholders from which details are compared, and of how many pictures."""
ELONGATED = 1.6
"""Long side over short side from which more of an example is looked at than its centre."""

_TURNS = (Transpose.ROTATE_90, Transpose.ROTATE_180, Transpose.ROTATE_270)
_SMALL = ImageLimits(min_side=1)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """An example picture that is searched with alone."""

    picture: Picture
    """Its middle, RGB, with the model's side as its short side."""
    vector: FloatMatrix
    """Of its centre square, float32 (1, dim)."""
    key: str = ""
    """Under which it is kept; empty where it is not."""


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """One way to look at the example."""

    picture: Picture
    vector: FloatMatrix
    depth: int
    least_share: float = LEAST_SHARE
    """Of a picture or the look, whichever is larger, that the other must cover."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    image: Image
    small: Picture


def same_pictures(
    example: Example,
    engine: SearchEngine,
    *,
    allowed: IdVector | None,
    user: Person,
    notices: list[Message],
) -> IdVector:
    """Return the ids of the pictures, of those allowed and visible, that are the example.

    Where files are out of reach, a notice says that it could not be told.

    Raises:
        BusyError: too many queries are waiting.
        VectorStoreError: the index cannot answer.
    """
    try:
        as_it_is = _Look(example.picture, example.vector, NEAREST)
        found = _found([as_it_is], engine, allowed, user)
        if not len(found):
            found = _found(_other_looks(example, engine), engine, allowed, user)
    except StorageUnavailableError:
        logger.exception("Thumbnails cannot be read; no example is compared with them.")
        notices.append(Message("search.not_compared"))
        return np.empty(0, dtype=np.int64)
    return found


def _other_looks(example: Example, engine: SearchEngine) -> list[_Look]:
    """Look at the example turned, and where it is elongated, at all of it pushed together."""
    turned = [example.picture.transpose(turn) for turn in _TURNS]
    side = engine.encoder.image_size
    pictures = list(turned)
    if max(example.picture.size) >= ELONGATED * min(example.picture.size):
        pictures.append(example.picture.resize((side, side)))
    vectors = engine.encode_pictures(pictures, f"{example.key}\0looks" if example.key else "")
    return [
        _Look(example.picture, example.vector, NEAREST_OTHERWISE),
        *(_Look(example.picture, row[None], NEAREST_OTHERWISE) for row in vectors[len(turned) :]),
        *(
            _Look(picture, row[None], NEAREST_TURNED, WHOLE)
            for picture, row in zip(turned, vectors, strict=False)
        ),
    ]


def _found(
    looks: Sequence[_Look], engine: SearchEngine, allowed: IdVector | None, user: Person
) -> IdVector:
    near = [
        [hit.image_id for hit in engine.index.search(look.vector, look.depth, allowed_ids=allowed)]
        for look in looks
    ]
    candidates = _candidates({pk for ids in near for pk in ids}, user)
    fitting: list[tuple[_Look, _Candidate, Placement]] = []
    for look, ids in zip(looks, near, strict=True):
        there = [candidates[pk] for pk in ids if pk in candidates]
        placed = zip(
            there,
            place(look.picture, [each.small for each in there], look.least_share),
            strict=True,
        )
        best = sorted(placed, key=lambda pair: -pair[1].score)[:COMPARED]
        fitting += [
            (look, candidate, placement)
            for candidate, placement in best
            if placement.score >= FITTING
        ]
    thumbnails = _thumbnails({candidate.image.pk: candidate.image for _, candidate, _ in fitting})
    same = {
        candidate.image.pk
        for look, candidate, placement in fitting
        if (thumbnail := thumbnails.get(candidate.image.pk)) is not None
        and shared_detail(look.picture, thumbnail, placement) >= SAME
    }
    return np.array(sorted(same), dtype=np.int64)


def _candidates(ids: set[int], user: Person) -> dict[int, _Candidate]:
    """Fetch the placeholders of those of these pictures that have one."""
    rows = Image.objects.visible_to(user).filter(pk__in=ids).exclude(placeholder="")
    images = list(rows.only("pk", "sha256", "placeholder"))
    files = [base64.b64decode(image.placeholder) for image in images]
    return {
        image.pk: _Candidate(image, small)
        for image, small in zip(images, _decoded(files), strict=True)
        if small is not None
    }


def _thumbnails(images: dict[int, Image]) -> dict[int, Picture]:
    with ThreadPoolExecutor(READERS) as readers:
        files = dict(zip(images, readers.map(_read, images.values()), strict=True))
    there = {pk: file for pk, file in files.items() if file}
    decoded = zip(there, _decoded(there.values()), strict=True)
    return {pk: picture for pk, picture in decoded if picture is not None}


def _read(image: Image) -> bytes:
    try:
        with default_storage.open(image.thumbnail_name) as file:
            return bytes(file.read())
    except FileNotFoundError:
        # The picture can still be found; the page of failures tells what its file lacks.
        logger.warning("The thumbnail of picture %s is missing.", image.pk)
        return b""


def _decoded(files: Iterable[bytes]) -> list[Picture | None]:
    return get_decoder().pixels(list(files), side=2 * DETAIL_SIDE, limits=_SMALL)
