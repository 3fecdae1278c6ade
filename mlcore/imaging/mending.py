"""Damage outside the pixels, put right: a file that is shown whole elsewhere is no damaged file."""

import struct
import zlib
from typing import cast

import numpy as np
from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What pixels are made from (PNG 1.2, section 4.1), and their orientation.
_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"acTL", b"gAMA", b"sRGB"})
_END = b"\xff\xd9"
_NOTES = frozenset({*range(0xE3, 0xEE), 0xEF, 0xFE})
"""Segments of a JPEG that say something of it (ITU T.81, B.2.4.6), but for those that say how its
pixels are meant: JFIF (0xE0), EXIF (0xE1, holds the orientation), profiles (0xE2), Adobe (0xEE)."""
_FIRST_SCAN = 0xDA
_TAIL = 48
"""Bytes left out to see where in the picture a JPEG's data ends."""
_LAST_ROWS = 32
"""Rows at the bottom that may be missing: one or two rows of blocks."""


def without_extras(data: bytes) -> bytes:
    """Return a PNG with nothing but its pixels: no texts, no profile, whatever state they are in.

    Damage in what is kept stays, and is found when it is decoded.
    """
    kept = [_SIGNATURE]
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            kept.append(data[at:])
            break
        if kind in _KEPT and (kind in (b"IHDR", b"IDAT", b"PLTE") or _is_whole(data[at:end])):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _is_whole(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def without_notes(data: bytes) -> bytes:
    """Return a JPEG without what is only said of it, such as IPTC in whatever state it is."""
    kept, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _FIRST_SCAN:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] not in _NOTES:
            kept.append(data[at:end])
        at = end
    return b"".join(kept) + data[at:]


def ends_early(data: bytes) -> bool:
    """Tell whether a JPEG lacks the mark of its end."""
    return _END not in data[-64:]


def with_end(data: bytes) -> bytes:
    """Return a JPEG with the mark of its end put behind it."""
    return data + _END


def without_tail(data: bytes) -> bytes:
    """Return the same picture with a little less of its data; for :func:`is_nearly_whole`."""
    return data[:-_TAIL] + _END


def is_nearly_whole(image: Image.Image, shorter: Image.Image) -> bool:
    """Tell whether a JPEG without its end holds all rows but the last few.

    Args:
        image: decoded from all of its data.
        shorter: decoded from :func:`without_tail`; where the two differ, there the data ends.
    """
    pixels, less = np.asarray(image), np.asarray(shorter)
    differing = np.flatnonzero((pixels != less).reshape(len(pixels), -1).any(axis=1))
    return cast(bool, len(differing) == 0 or differing[0] >= len(pixels) - _LAST_ROWS)
