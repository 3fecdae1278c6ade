"""Damage outside the pixels never fails a picture; damage of the pixels does."""

import struct
import zlib

import pytest
from PIL import Image

from mlcore.errors import ImageRejectedError
from mlcore.imaging.decode import DecodedImage, decode_image
from tests import pictures


def decode(data: bytes) -> DecodedImage:
    return decode_image(data, name="x")


def with_chunk(kind: bytes, content: bytes, crc: int | None = None) -> bytes:
    data = pictures.png()
    told = zlib.crc32(kind + content) if crc is None else crc
    return (
        data[:33]
        + struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", told)
        + data[33:]
    )


@pytest.mark.parametrize(
    "data",
    [
        with_chunk(b"tIME", b"\x07\xe8\1\1\1\1\1", crc=0),
        with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"A" * 3_000_000)),
        with_chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(1_300_000) + b"x")),
    ],
    ids=["checksum", "text", "profile"],
)
def test_a_png_with_damage_beside_its_pixels(data: bytes) -> None:
    decoded = decode(data)
    assert list(decoded.image.getdata()) == list(decode(pictures.png()).image.getdata())
    assert decoded.notes in ((), ("note.extras_damaged",))


def test_a_jpeg_without_its_end() -> None:
    whole = pictures.jpeg(pictures.photo(3, (320, 240)))
    decoded = decode(whole[:-2])
    assert list(decoded.image.getdata()) == list(decode(whole).image.getdata())
    assert decoded.notes == ("note.end_missing",)
    assert decode(whole).notes == ()


def test_half_a_picture_is_refused() -> None:
    whole = pictures.jpeg(pictures.photo(3, (320, 240)))
    for share in (0.4, 0.66, 0.8):
        with pytest.raises(ImageRejectedError, match="damaged or incomplete"):
            decode(whole[: int(len(whole) * share)])
    png = pictures.png(Image.effect_noise((200, 200), 50))
    with pytest.raises(ImageRejectedError, match="damaged or incomplete"):
        decode(png[: len(png) // 2])


def test_a_jpeg_whose_iptc_is_cut_off() -> None:
    plain = pictures.oriented_jpeg(6)
    content = b"Photoshop 3.0\0" + b"8BIM\x04\x04"
    segment = b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
    decoded = decode(plain[:2] + segment + plain[2:])
    assert list(decoded.image.getdata()) == list(decode(plain).image.getdata())
    assert decoded.notes == ("note.extras_damaged",)
