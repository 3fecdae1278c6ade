"""What a photograph says about itself: in EXIF, IPTC, XMP and the texts of a PNG.

Every value here was written by a stranger's software. Whatever cannot be read counts as absent:
metadata never makes a picture fail.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from mlcore.metadata.dates import read_moment
from mlcore.metadata.iptc import read_iptc
from mlcore.metadata.photo import (
    MAX_KEYWORD,
    MAX_KEYWORDS,
    PhotoMetadata,
    TakenFrom,
    longest,
)
from mlcore.metadata.sanitize import clean_line
from mlcore.metadata.text import decode_text
from mlcore.metadata.xmp import name_camera, read_xmp

# Cameras and phones write these into every file: they name the camera, not what the picture shows.
_CAMERA_DEFAULTS = frozenset(
    {
        "default",
        "digital camera",
        "dcf 1.0",
        "konica minolta digital camera",
        "minolta digital camera",
        "olympus digital camera",
        "samsung camera pictures",
        "screenshot",
        "sony dsc",
    }
)

Picture = TypeVar("Picture", bound=Image.Image)
Value = TypeVar("Value")

# What the Explorer of Windows writes, as UTF-16.
_XP_TITLE, _XP_COMMENT, _XP_AUTHOR, _XP_KEYWORDS, _XP_SUBJECT = range(0x9C9B, 0x9CA0)
_USER_COMMENT = ExifTags.Base.UserComment
_COMMENT_ENCODINGS = {b"ASCII\0\0\0": "ascii", b"UNICODE\0": "utf-16"}
_MOMENTS: tuple[tuple[int, int, int, TakenFrom], ...] = (
    (
        ExifTags.Base.DateTimeOriginal,
        ExifTags.Base.OffsetTimeOriginal,
        ExifTags.Base.SubsecTimeOriginal,
        "camera",
    ),
    (
        ExifTags.Base.DateTimeDigitized,
        ExifTags.Base.OffsetTimeDigitized,
        ExifTags.Base.SubsecTimeDigitized,
        "digitized",
    ),
)


def read_metadata(image: ImageFile.ImageFile) -> PhotoMetadata:
    """Read what a loaded picture says about itself.

    Words are the first that are present of IPTC, XMP, EXIF and a PNG's texts, keywords those of
    all of them together. The time is EXIF ``DateTimeOriginal``, else ``DateTimeDigitized``, else
    that of XMP, IPTC or a PNG's text. Never raises.
    """
    exif, xmp, iptc, text = (
        _without_noise(_or_none(read, image) or PhotoMetadata())
        for read in (_exif, _xmp, _iptc, _png_texts)
    )
    said = iptc.or_else(xmp).or_else(exif).or_else(text)
    dated = exif.or_else(xmp).or_else(iptc).or_else(text)
    return replace(
        said,
        keywords=said.keywords[:MAX_KEYWORDS],
        taken_at=dated.taken_at,
        taken_from=dated.taken_from,
    )


def read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; 1 where it is absent or unreadable."""
    value = _or_none(lambda picture: picture.getexif().get(ExifTags.Base.Orientation), image)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _or_none(read: Callable[[Picture], Value | None], image: Picture) -> Value | None:
    # Pillow raises nearly anything on hostile metadata: struct.error, KeyError, SyntaxError...
    with contextlib.suppress(Exception):
        return read(image)
    return None


def _without_noise(found: PhotoMetadata) -> PhotoMetadata:
    return replace(
        found, title=_unless_noise(found.title), description=_unless_noise(found.description)
    )


def _iptc(image: ImageFile.ImageFile) -> PhotoMetadata | None:
    return read_iptc(IptcImagePlugin.getiptcinfo(image) or {})


def _xmp(image: ImageFile.ImageFile) -> PhotoMetadata | None:
    packet = image.info.get("xmp")
    return read_xmp(packet) if isinstance(packet, bytes) else None


def _exif(image: ImageFile.ImageFile) -> PhotoMetadata | None:
    tags = image.getexif()
    inner = tags.get_ifd(ExifTags.IFD.Exif)

    def line(fact: str, *found: str) -> str:
        return next(filter(None, (clean_line(text, longest(fact)) for text in found)), "")

    taken_at, taken_from = _exif_moment(inner)
    words = (clean_line(word, MAX_KEYWORD) for word in _text(tags, _XP_KEYWORDS).split(";"))
    return PhotoMetadata(
        title=line("title", _text(tags, _XP_TITLE)),
        description=line(
            "description",
            _unless_noise(_text(tags, ExifTags.Base.ImageDescription)),
            _text(tags, _XP_COMMENT),
            _text(tags, _XP_SUBJECT),
            _or_none(lambda _: _user_comment(inner), image) or "",
        ),
        keywords=tuple(dict.fromkeys(filter(None, words)))[:MAX_KEYWORDS],
        creator=line("creator", _text(tags, ExifTags.Base.Artist), _text(tags, _XP_AUTHOR)),
        copyright=line("copyright", _text(tags, ExifTags.Base.Copyright).replace("\0", " ")),
        camera=name_camera(_text(tags, ExifTags.Base.Make), _text(tags, ExifTags.Base.Model)),
        taken_at=taken_at,
        taken_from=taken_from,
    )


def _unless_noise(text: str) -> str:
    return "" if text.strip("\0 ").casefold() in _CAMERA_DEFAULTS else text


def _exif_moment(inner: Any) -> tuple[datetime | None, TakenFrom]:
    for written, offset, fraction, by in _MOMENTS:
        moment = read_moment(
            _text(inner, written), offset=_text(inner, offset), fraction=_text(inner, fraction)
        )
        if moment is not None:
            return moment, by
    return None, ""


def _text(tags: Any, number: int) -> str:
    value = tags.get(number)
    if _XP_TITLE <= number <= _XP_SUBJECT:
        data = bytes(value) if isinstance(value, bytes | tuple) else b""
        return data.decode("utf-16-le", "ignore").rstrip("\0")
    # Pillow reads EXIF text as Latin-1; most software writes UTF-8 there.
    if isinstance(value, str):
        value = value.encode("latin-1", "replace")
    return decode_text(value) if isinstance(value, bytes) else ""


def _user_comment(inner: Any) -> str:
    value = inner.get(_USER_COMMENT)
    if not isinstance(value, bytes) or value[:8] not in _COMMENT_ENCODINGS:
        return ""
    encoding = _COMMENT_ENCODINGS[value[:8]]
    if encoding == "utf-16" and value[8:10] not in (b"\xff\xfe", b"\xfe\xff"):
        # Without a mark it is in the order of the file, which letters of ASCII give away.
        encoding = "utf-16-be" if value[8:9] == b"\0" else "utf-16-le"
    return value[8:].decode(encoding, "ignore").rstrip("\0 ")


def _png_texts(image: ImageFile.ImageFile) -> PhotoMetadata | None:
    """Read the keywords that PNG gives a meaning (PNG 1.2, section 4.2.3.1)."""
    if image.format != "PNG":
        return None
    texts = getattr(image, "text", {})

    def line(fact: str, name: str) -> str:
        return clean_line(str(texts.get(name, "")), longest(fact))

    taken_at = read_moment(str(texts.get("Creation Time", ""))[:100])
    return PhotoMetadata(
        title=line("title", "Title"),
        description=line("description", "Description"),
        creator=line("creator", "Author"),
        copyright=line("copyright", "Copyright"),
        taken_at=taken_at,
        taken_from="text" if taken_at else "",
    )
