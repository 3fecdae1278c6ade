"""Answers of the limited process, read without believing them: it had the hostile bytes.

Each function raises KeyError, TypeError or ValueError for what is no answer to its request.
"""

from dataclasses import dataclass
from typing import Any, cast, get_args

from PIL import Image

from mlcore.errors import ImageRejectedError
from mlcore.i18n import known_messages
from mlcore.imaging.colours import COLOUR_NAMES
from mlcore.imaging.formats import PictureFormat
from mlcore.imaging.renditions import Placeholder
from mlcore.metadata.photo import PhotoMetadata

_MAX_PLACEHOLDER = 700  # bytes; it takes up to 200


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """All that is kept of a picture besides its original bytes."""

    format: PictureFormat
    width: int
    """Pixels, upright."""
    height: int
    """Pixels, upright."""
    metadata: PhotoMetadata
    """What the file says about itself."""
    display: bytes
    """WebP, see :class:`mlcore.imaging.renditions.Renditions`."""
    thumbnail: bytes
    """WebP."""
    placeholder: Placeholder
    notes: tuple[str, ...] = ()
    """Codes of what was odd about the file."""


def prepared_of(answer: dict[str, Any], body: bytes) -> PreparedPicture:
    """Read an answer without believing it: it comes from where the hostile bytes went."""
    kind, width, height = answer["format"], answer["width"], answer["height"]
    display, thumbnail = answer["display"], answer["thumbnail"]
    if not (
        kind in get_args(PictureFormat)
        and isinstance(width, int)
        and isinstance(height, int)
        and isinstance(display, int)
        and isinstance(thumbnail, int)
    ):
        raise ValueError("not an answer to this request")
    return PreparedPicture(
        format=cast(PictureFormat, kind),
        width=width,
        height=height,
        metadata=PhotoMetadata.from_answer(answer["metadata"]),
        display=body[:display],
        thumbnail=body[display : display + thumbnail],
        placeholder=placeholder_of(answer, body[display + thumbnail :]),
        notes=_notes(answer["notes"]),
    )


def _notes(codes: Any) -> tuple[str, ...]:
    if not isinstance(codes, list) or not all(code in known_messages() for code in codes):
        raise ValueError("not an answer to this request")
    return tuple(codes)


def refusal_of(name: str, code: str, params: dict[str, Any]) -> ImageRejectedError:
    """Read why a picture was refused, likewise."""
    if code not in known_messages():
        raise ValueError("not an answer to this request")
    refusal = ImageRejectedError(name, code, **params)
    str(refusal)  # raises where a parameter is missing
    return refusal


def placeholder_of(answer: dict[str, Any], body: bytes) -> Placeholder:
    """Read what a picture looks like from afar."""
    colour = answer["colour"]
    if colour not in COLOUR_NAMES or len(body) > _MAX_PLACEHOLDER:
        raise ValueError("not an answer to this request")
    return Placeholder(dominant_colour=colour, webp=body)


def picture_of(answer: dict[str, Any], body: bytes) -> Image.Image:
    """Read one picture."""
    width, height = answer["size"]
    return Image.frombytes("RGB", (width, height), body)


def pictures_of(answer: dict[str, Any], body: bytes, *, count: int) -> list[Image.Image | None]:
    """Read so many pictures; None for each that was refused."""
    found: list[Image.Image | None] = []
    start = 0
    for width, height in answer["sizes"]:
        end = start + 3 * width * height
        part = body[start:end]
        found.append(Image.frombytes("RGB", (width, height), part) if part else None)
        start = end
    if len(found) != count:
        raise ValueError("not an answer to this request")
    return found
