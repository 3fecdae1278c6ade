"""TIFF as scanners and programs write it; raw files of cameras are TIFF too, and told apart."""

import io
import struct
import zlib
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin

from mlcore.config import ImageLimits
from mlcore.errors import ImageRejectedError
from mlcore.imaging.decode import DecodedImage, decode_image
from mlcore.imaging.sandbox import get_decoder
from tests import pictures

DEFLATE = 8


def decode(data: bytes, **options: Any) -> DecodedImage:
    return decode_image(data, name="scan.tif", **options)


def tiff(
    pixels: NDArray[Any], photometric: int, order: Literal["<", ">"] = "<", **more: int
) -> bytes:
    """Write one strip by hand, in a depth that Pillow does not write; ``more`` are other tags."""
    height, width, channels = pixels.shape
    bits = pixels.dtype.itemsize * 8
    strip = zlib.compress(pixels.astype(pixels.dtype.newbyteorder(order)).tobytes())
    depths = struct.pack(f"{order}{channels}H", *[bits] * channels)
    start = 8 + len(strip) + len(strip) % 2
    tags = {
        "ImageWidth": width, "ImageLength": height, "Compression": DEFLATE,
        "PhotometricInterpretation": photometric, "StripOffsets": 8,
        "SamplesPerPixel": channels, "RowsPerStrip": height, "StripByteCounts": len(strip),
        **more,
    }  # fmt: skip
    entries = {ExifTags.Base[name].value: (4, 1, value) for name, value in tags.items()}
    depth = bits if channels == 1 else start
    entries[ExifTags.Base.BitsPerSample.value] = (3, channels, depth)
    ifd = struct.pack(f"{order}H", len(entries)) + b"".join(
        struct.pack(f"{order}HHI", number, kind, count)
        + (
            struct.pack(f"{order}HH", value, 0)
            if (kind, count) == (3, 1)
            else struct.pack(f"{order}I", value)
        )
        for number, (kind, count, value) in sorted(entries.items())
    )
    mark = b"II" if order == "<" else b"MM"
    header = mark + struct.pack(f"{order}HI", 42, start + len(depths))
    body = strip + b"\0" * (len(strip) % 2)
    return header + body + depths + ifd + struct.pack(f"{order}I", 0)


def looks_like(image: Image.Image, wanted: Image.Image) -> bool:
    apart = np.abs(np.asarray(image, dtype=int) - np.asarray(wanted.convert("RGB"), dtype=int))
    return float(apart.mean()) < 4


@pytest.mark.parametrize(
    "compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"]
)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
def test_what_scanners_write(mode: str, compression: str | None) -> None:
    picture = pictures.quadrants((64, 48))
    data = pictures.encode(picture.convert(mode), "TIFF", compression=compression)
    decoded = decode(data)
    assert (decoded.format, decoded.width, decoded.height) == ("TIFF", 64, 48)
    assert decoded.image.mode == "RGB"
    assert looks_like(decoded.image, picture.convert(mode))


@pytest.mark.parametrize("mode", ["1", "P", "RGBA"])
def test_other_modes(mode: str) -> None:
    picture = pictures.quadrants((64, 48)).convert(mode)
    data = pictures.encode(picture, "TIFF", compression="tiff_lzw")
    assert looks_like(decode(data).image, picture)


def test_a_fax() -> None:
    page = Image.new("1", (64, 48), 1)
    page.paste(0, (0, 0, 32, 48))
    seen = decode(pictures.encode(page, "TIFF", compression="group4")).image
    assert (seen.getpixel((5, 5)), seen.getpixel((60, 5))) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits(channels: int, order: Literal["<", ">"]) -> None:
    """Grey, RGB and CMYK are scaled to 8 bits, and not cut off."""
    ramp = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64, 1)
    pixels = np.repeat(ramp, channels, axis=2)
    seen = np.asarray(decode(tiff(pixels, {1: 1, 3: 2, 4: 5}[channels], order)).image)
    shades = pixels[..., 0] / 257
    if channels == 4:  # ink takes light away, and black takes what is left
        shades = (255 - shades) ** 2 / 255
    assert np.abs(seen - shades[..., None]).max() <= 3


def test_white_may_be_zero() -> None:
    ramp = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64, 1)
    seen = np.asarray(decode(tiff(ramp, 0)).image)
    assert np.abs(seen[..., 0] - (255 - ramp[..., 0] / 257)).max() <= 1


def test_lab() -> None:
    data = pictures.encode(Image.new("LAB", (64, 48), (200, 128, 128)), "TIFF")
    red, green, blue = decode(data).image.getpixel((9, 9))  # type: ignore[misc]
    assert max(red, green, blue) - min(red, green, blue) <= 3
    assert 185 <= green <= 200


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_brought_upright(orientation: int) -> None:
    turned = Image.open(io.BytesIO(pictures.oriented_jpeg(orientation)))  # noqa: TID251
    exif = turned.getexif()
    data = pictures.encode(turned, "TIFF", exif=exif)
    decoded = decode(data)
    wanted = pictures.quadrants()
    assert (decoded.width, decoded.height) == wanted.size == decoded.image.size
    assert looks_like(decoded.image, wanted)


def test_the_first_whole_page() -> None:
    pages = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    data = pictures.encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert decode(data).image.getpixel((5, 5)) == (255, 0, 0)
    small = Image.new("RGB", (20, 20), "green")
    data = pictures.encode(small, "TIFF", save_all=True, append_images=pages[1:], tiffinfo={254: 1})
    with pytest.raises(ImageRejectedError, match="raw camera file"):
        decode(data)  # every page is a smaller version of something that is not here


def test_it_says_what_it_says() -> None:
    iptc = b"\x1c\x02\x19" + struct.pack(">H", 5) + b"beach"
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[ExifTags.Base.Artist] = "Ada"
    tags[ExifTags.Base.Model] = "Scanner 1"
    tags[ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "2019:07:01 10:00:00"}
    tags[ExifTags.Base.XMLPacket] = pictures.xmp(title="At sea")
    tags[TiffImagePlugin.IPTC_NAA_CHUNK] = iptc
    data = pictures.encode(
        pictures.quadrants(),
        "TIFF",
        tiffinfo=tags,
    )
    said = decode(data).metadata
    assert (said.title, said.creator, said.camera) == ("At sea", "Ada", "Scanner 1")
    assert said.keywords == ("beach",)
    assert said.taken_at is not None
    assert (said.taken_at.year, said.taken_from) == (2019, "camera")


def test_raw_files_and_measurements_are_told_apart() -> None:
    shades = np.zeros((48, 64, 1), np.uint16)
    for data in (
        tiff(shades, 32803),  # which Pillow does not open
        tiff(shades, 1, NewSubfileType=1),
        tiff(np.zeros((48, 64, 3), np.uint8), 2, DNGVersion=0x104),
    ):
        with pytest.raises(ImageRejectedError, match="raw camera file"):
            decode(data)
    canon = b"II*\0\x10\0\0\0CR\x02\0" + b"\0" * 64
    with pytest.raises(ImageRejectedError, match="raw camera file"):
        decode(canon)
    with pytest.raises(ImageRejectedError, match="32 bits"):
        decode(pictures.encode(Image.new("F", (64, 48)), "TIFF"))


def test_visitors_send_none() -> None:
    data = pictures.encode(pictures.quadrants(), "TIFF")
    with pytest.raises(ImageRejectedError, match=r"this is a TIFF .* AVIF, HEIC\.$"):
        decode(data, limits=ImageLimits(accepts_tiff=False))


def test_it_is_decoded_in_a_limited_process(capfd: pytest.CaptureFixture[str]) -> None:
    data = pictures.encode(pictures.quadrants(), "TIFF", compression="tiff_lzw")
    prepared = get_decoder().prepare(data, name="scan.tif")
    assert (prepared.format, prepared.width) == ("TIFF", pictures.quadrants().width)
    with pytest.raises(ImageRejectedError):
        get_decoder().prepare(data[: len(data) // 2], name="cut.tif")
    assert capfd.readouterr().err == ""


def test_a_header_that_promises_too_much_is_refused_before_it_is_decoded() -> None:
    data = bytearray(tiff(np.zeros((48, 64, 1), np.uint8), 1))
    at = data.index(struct.pack("<HHII", 256, 4, 1, 64))
    data[at + 8 : at + 12] = struct.pack("<I", 2_000_000)
    with pytest.raises(ImageRejectedError, match=r"million pixels|times the other"):
        decode(bytes(data))
