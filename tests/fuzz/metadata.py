"""Feeds damaged metadata to its readers: whatever it is, the picture it belongs to is not lost.

Run ``python -m tests.fuzz.metadata --n 200000 --seed 1``; the exit status is 1 if a reader raised,
took more than a second, or a picture was refused for what is said of it. What is damaged is the
content of EXIF, IPTC, XMP and the texts of a PNG; what lies around it, lengths and checksums, is
whole, so that it is looked at. Sidecars are files, and damaged as such.
"""

import functools
import json
import random
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from PIL import ExifTags, Image

from mlcore.errors import ImageRejectedError
from mlcore.imaging.decode import decode_image
from mlcore.layouts.files import display_name
from mlcore.layouts.listing import ListedPicture
from mlcore.layouts.plain import read_beside
from mlcore.metadata.dates import moment_in_name, read_moment
from mlcore.metadata.photo import PhotoMetadata
from tests import pictures
from tests.fuzz.damage import Case, damaged, options, run

_MOMENTS = ("2019:07:01 12:30:15.25+02:00", "Mon, 01 Jul 2019 12:30:15 +0000", "20190701")


@functools.cache
def originals() -> Mapping[str, bytes]:
    return {
        "EXIF": _exif(),
        "IPTC": _iptc(),
        "XMP": _xmp(),
        "PNG tEXt": b"Description\0A boat at sunset",
        "PNG iTXt": b"Title\0\0\0de\0Titel\0" + "Schöner Abend".encode(),
        "PNG zTXt": b"Author\0\0" + zlib.compress(b"Jane Doe"),
        "PNG eXIf": _exif()[6:],
        "sidecar .txt": "Ein Boot\r\n“Two” boats, at sunset\n".encode(),
        "sidecar .json": json.dumps(
            {"caption": ["A boat", "Two"], "key": "1", "tags": "a;b", "date": _MOMENTS[0]}
        ).encode(),
        "sidecar of Takeout": json.dumps(
            {"title": "1.jpg", "description": "A boat", "photoTakenTime": {"timestamp": "156"}}
        ).encode(),
        "sidecar .xmp": _xmp(),
        "a moment": "\n".join(_MOMENTS).encode(),
        # Damage seldom leaves XML and JSON whole; here it is in what they hold alone.
        "values in XMP": b"Titel\0A boat\0sea\0Jane\0Lisbon\x002019-07-01T12:30:15Z\0Canon",
        "values in JSON": b"caption\0tags\0date\0split\0title\0photoTakenTime\0156",
    }


def _exif() -> bytes:
    block = Image.Exif()
    base = ExifTags.Base
    block[base.ImageDescription] = "A boat at sunset"
    block[base.Make], block[base.Model] = "Canon", "Canon EOS 5D"
    block[base.Orientation] = 6
    block[base.Artist], block[base.Copyright] = "Jane Doe", "Jane"
    block[base.XPTitle] = "Titel".encode("utf-16-le") + b"\0\0"
    block[base.XPKeywords] = "sea;boat".encode("utf-16-le")
    inner = block.get_ifd(ExifTags.IFD.Exif)
    inner[base.DateTimeOriginal], inner[base.OffsetTimeOriginal] = "2019:07:01 12:30:15", "+02:00"
    inner[base.SubsecTimeOriginal] = "25"
    inner[base.UserComment] = b"UNICODE\0" + "Ein Boot".encode("utf-16-be")
    block.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (48.0, 51.0, 29.0)
    return block.tobytes()


def _iptc() -> bytes:
    values = {5: [b"Titel"], 25: [b"sea", b"boat"], 55: [b"20190701"], 60: [b"123015+0200"],
              80: [b"Jane Doe"], 90: [b"Lisbon"], 120: ["Ein Boot für zwei".encode()]}  # fmt: skip
    data = pictures.with_iptc(b"\xff\xd8", values, character_set=b"\x1b%G")
    return data[6:]  # what stands behind the segment's length


def _xmp() -> bytes:
    return pictures.xmp(
        title="Titel", description="A boat", subject=["sea", "boat"], creator=["Jane Doe"],
        **{"photoshop:City": "Lisbon", "exif:DateTimeOriginal": "2019-07-01T12:30:15.25+02:00",
           "tiff:Make": "Canon", "tiff:Model": "EOS"},
    )  # fmt: skip


# --- Around the damage ------------------------------------------------------------------------


def _in_jpeg(marker: int, content: bytes) -> bytes:
    data = pictures.jpeg(pictures.photo(size=(16, 16)))
    content = content[:65_533]
    segment = bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content
    return data[:2] + segment + data[2:]


def _in_png(kind: bytes, content: bytes) -> bytes:
    data = pictures.png(pictures.photo(size=(16, 16)))
    chunk = struct.pack(">I", len(content)) + kind + content
    return data[:33] + chunk + struct.pack(">I", zlib.crc32(kind + content)) + data[33:]


def _packet_of(content: bytes) -> bytes:
    texts = [escape(text, {'"': "&quot;"}) for text in _texts(content)]
    names = ("title", "description", "subject", "creator", "photoshop:City",
             "exif:DateTimeOriginal", "tiff:Make")  # fmt: skip
    return pictures.xmp(**dict(zip(names, texts, strict=False)))


def _object_of(content: bytes) -> bytes:
    """A row whose keys are known ones and damaged ones, with values of every type."""
    source = random.Random(content)
    texts = _texts(content)
    odd: list[Any] = [
        None, True, -1, 10**400, 1.5, [], {}, [None], [[]], {"raw": 1}, {"timestamp": "9" * 30},
    ]  # fmt: skip
    known = ["caption", "captions", "tags", "date", "split", "title", "photoTakenTime", "creator"]
    keys = [source.choice([*known, text]) for text in texts]
    return json.dumps({key: source.choice([*odd, *texts]) for key in keys}).encode()


def _texts(content: bytes) -> list[str]:
    text = content.decode("utf-8", "replace")
    return ["".join(filter(str.isprintable, part)) for part in text.split("\0")]


def _picture(name: str, content: bytes) -> bytes:
    if name == "EXIF":
        return _in_jpeg(0xE1, content)
    if name == "IPTC":
        return _in_jpeg(0xED, content)
    if name == "XMP":
        return _in_jpeg(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + content)
    return _in_png(name.removeprefix("PNG ").encode(), content)


class _OneFile:
    """What lies beside a picture."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, name: str, max_bytes: int) -> bytes:
        if len(self._data) > max_bytes:
            raise ImageRejectedError(display_name(name), "file.too_large", megabytes=1)
        return self._data


_NAMES = {
    "values in JSON": "1.json",
    "values in XMP": "1.xmp",
    "sidecar .txt": "1.txt",
    "sidecar .json": "1.json",
    "sidecar of Takeout": "1.jpg.json",
    "sidecar .xmp": "1.xmp",
}


def attempt(name: str, data: bytes) -> str:
    """Read damaged metadata; anything but an answer is raised."""
    if name == "a moment":
        for line in data.decode("utf-8", "replace").splitlines():
            read_moment(line)
            moment_in_name(f"IMG_{line}.jpg")
        return "read"
    if name == "values in XMP":
        data = _packet_of(data)
    elif name == "values in JSON":
        data = _object_of(data)
    if name in _NAMES:
        beside = ListedPicture("1.jpg", "1.jpg", beside=(_NAMES[name],))
        captions, said = read_beside(_OneFile(data), beside)  # type: ignore[arg-type]
        assert all(captions)
    else:
        said = decode_image(_picture(name, data), name="1.jpg").metadata
        captions = []
    return "read" if captions or said != PhotoMetadata() else "read as nothing"


def damaged_metadata(count: int, source: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` damaged blocks, each with the name of what it was made from."""
    kinds = list(originals().items())
    others = [data for _, data in kinds]
    for _ in range(count):
        name, data = source.choice(kinds)
        yield name, damaged(data, source, others)


def _cases(count: int, seed: int) -> Iterator[Case]:
    for name, data in damaged_metadata(count, random.Random(seed)):
        work: Callable[[], str] = functools.partial(attempt, name, data)
        yield name, work, True


def main(arguments: list[str] | None = None) -> int:
    chosen = options(__doc__, arguments)
    return run(_cases(chosen.n, chosen.seed), chosen.n, chosen.seed)


if __name__ == "__main__":
    sys.exit(main())
