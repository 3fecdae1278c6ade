"""What a photograph says about itself: its description and the moment it was taken.

Every value here was written by a stranger's software. Whatever cannot be read counts as absent:
metadata never makes a picture fail.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from defusedxml import ElementTree
from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from mlcore.text import clean_line

MAX_DESCRIPTION = 2000
"""Characters kept of a description; a caption is a sentence, longer text is somebody's notes."""

MAX_XMP_BYTES = 1_000_000
"""A packet beyond this is edit history, and parsing it would cost more than the picture."""

# Cameras write these into every file: they name the camera, not what the picture shows.
_CAMERA_DEFAULTS = frozenset(
    {
        "default",
        "digital camera",
        "dcf 1.0",
        "konica minolta digital camera",
        "minolta digital camera",
        "olympus digital camera",
        "samsung camera pictures",
        "sony dsc",
    }
)

Picture = TypeVar("Picture", bound=Image.Image)
Value = TypeVar("Value")

_IPTC_CAPTION = (2, 120)
_DC_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
_RDF_ITEM = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True, slots=True)
class PhotoMetadata:
    """What was found; every part may be missing."""

    description: str | None = None
    """One line of text, at most ``MAX_DESCRIPTION`` characters."""
    taken_at: datetime | None = None
    """The camera's own clock: without a time zone, because most cameras do not record one."""


def read_metadata(image: ImageFile.ImageFile) -> PhotoMetadata:
    """Read the description and the time from a loaded picture.

    The description is the first that is present of the IPTC caption, XMP ``dc:description`` and
    EXIF ``ImageDescription``; the time is EXIF ``DateTimeOriginal``. Never raises.
    """
    description = None
    for source in (_iptc_caption, _xmp_description, _exif_description):
        description = _tidy(_or_none(source, image))
        if description:
            break
    return PhotoMetadata(description=description, taken_at=_or_none(_exif_taken_at, image))


def read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; 1 where it is absent or unreadable."""
    value = _or_none(lambda picture: picture.getexif().get(ExifTags.Base.Orientation), image)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _or_none(read: Callable[[Picture], Value], image: Picture) -> Value | None:
    # Pillow raises nearly anything on hostile metadata: struct.error, KeyError, SyntaxError...
    with contextlib.suppress(Exception):
        return read(image)
    return None


def _iptc_caption(image: ImageFile.ImageFile) -> str | None:
    fields = IptcImagePlugin.getiptcinfo(image) or {}
    value = fields.get(_IPTC_CAPTION)
    if isinstance(value, list):
        value = value[0]
    return _decode(value) if value else None


def _xmp_description(image: ImageFile.ImageFile) -> str | None:
    packet = image.info.get("xmp")
    if not isinstance(packet, bytes) or len(packet) > MAX_XMP_BYTES:
        return None
    root = ElementTree.fromstring(packet.rstrip(b"\x00 \t\r\n"))
    by_language: dict[str | None, str] = {}
    for item in root.iterfind(f".//{_DC_DESCRIPTION}//{_RDF_ITEM}"):
        by_language.setdefault(item.get(_XML_LANG), item.text or "")
    return by_language.get("x-default") or next(iter(by_language.values()), None)


def _exif_description(image: ImageFile.ImageFile) -> str | None:
    value = image.getexif().get(ExifTags.Base.ImageDescription)
    if not isinstance(value, str):
        return None
    # Pillow reads EXIF text as Latin-1; most software writes UTF-8 there.
    return _decode(value.encode("latin-1", "replace"))


def _exif_taken_at(image: ImageFile.ImageFile) -> datetime | None:
    value = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
    if not isinstance(value, str):
        return None
    # The zone is left out on purpose, see PhotoMetadata.taken_at.
    return datetime.strptime(value.strip("\x00 "), "%Y:%m:%d %H:%M:%S")


def _decode(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _tidy(text: str | None) -> str | None:
    if text is None:
        return None
    line = clean_line(text, MAX_DESCRIPTION)
    return None if line.casefold() in _CAMERA_DEFAULTS else line or None
