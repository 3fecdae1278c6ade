"""The decoder of untrusted bytes: what comes out looks right, and what is refused says why."""

import io
import random
import re
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageChops, ImageOps

from mlcore.config import ImageLimits
from mlcore.errors import ImageRejectedError
from mlcore.imaging.decode import (
    DecodedImage,
    decode_image,
    square,
)
from mlcore.imaging.formats import ACCEPTED
from mlcore.imaging.renditions import make_placeholder, make_rendition, make_renditions
from mlcore.metadata.photo import PhotoMetadata
from tests import pictures
from tests.fuzz.images import damaged_files, is_for_limited_process

Pixel = tuple[int, int, int]
QUADRANTS = (pictures.RED, pictures.GREEN, pictures.BLUE, pictures.YELLOW)


def decode(data: bytes, **options: object) -> DecodedImage:
    return decode_image(data, name="a picture", **options)  # type: ignore[arg-type]


def rejection(data: bytes, **options: object) -> str:
    with pytest.raises(ImageRejectedError) as caught:
        decode(data, **options)
    assert caught.value.name == "a picture"
    assert str(caught.value) == f"a picture: {caught.value.reason}"
    return str(caught.value.reason)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))  # noqa: TID251 - bytes that this project wrote
    image.load()
    return image


def centres(image: Image.Image) -> list[Pixel]:
    points = [(int(x * image.width), int(y * image.height)) for x, y in pictures.QUADRANT_CENTRES]
    return [image.getpixel(point) for point in points]  # type: ignore[misc]


def assert_close(got: list[Pixel], expected: tuple[Pixel, ...] | list[Pixel], within: int) -> None:
    assert np.abs(np.array(got) - np.array(expected)).max() <= within, (got, expected)


# --- what comes out ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF"])
def test_every_format_gives_the_same_picture(kind: str) -> None:
    decoded = decode(pictures.every_format()[kind])
    assert decoded.format == kind
    assert (decoded.width, decoded.height) == decoded.image.size == pictures.SIZE
    assert decoded.image.mode == "RGB"
    assert decoded.image.info == {}
    assert decoded.metadata == PhotoMetadata()
    assert_close(centres(decoded.image), QUADRANTS, within=3)


def with_alpha(colour: Pixel, alpha: int) -> Image.Image:
    return Image.new("RGBA", (20, 20), (*colour, alpha))


def grey_with_transparency() -> bytes:
    grey = Image.new("L", (20, 20), 90)
    grey.paste(7, (0, 0, 10, 20))
    return pictures.png(grey, transparency=7)


def palette_with_transparency() -> bytes:
    image = pictures.quadrants((20, 20)).quantize(4)
    red = image.getpixel((1, 1))
    return pictures.png(image, transparency=red)


def deep_with_transparency() -> bytes:
    levels = np.full((20, 20), 257 * 90, dtype=np.uint16)
    levels[:, :10] = 257 * 7 + 1
    return pictures.png(Image.fromarray(levels), transparency=257 * 7 + 1)


@pytest.mark.parametrize(
    ("data", "left", "right"),
    [
        (lambda: pictures.png(Image.new("1", (20, 20), 1)), (255,) * 3, (255,) * 3),
        (lambda: pictures.png(Image.new("L", (20, 20), 77)), (77,) * 3, (77,) * 3),
        (lambda: pictures.png(Image.new("LA", (20, 20), (0, 128))), (127,) * 3, (127,) * 3),
        # Fully transparent red is white, not red.
        (lambda: pictures.png(with_alpha((255, 0, 0), 0)), (255,) * 3, (255,) * 3),
        (lambda: pictures.webp(with_alpha((255, 0, 0), 0)), (255,) * 3, (255,) * 3),
        (lambda: pictures.png(with_alpha((0, 0, 255), 51)), (204, 204, 255), (204, 204, 255)),
        (lambda: pictures.png(with_alpha((0, 90, 255), 255)), (0, 90, 255), (0, 90, 255)),
        (grey_with_transparency, (255,) * 3, (90,) * 3),
        (palette_with_transparency, (255,) * 3, pictures.GREEN),
        (deep_with_transparency, (255,) * 3, (90,) * 3),
    ],
    ids=[
        "1", "L", "LA", "RGBA clear", "WebP clear", "RGBA faint", "RGBA solid", "L with tRNS",
        "P with tRNS", "I;16 with tRNS",
    ],
)  # fmt: skip
def test_modes(data: Callable[[], bytes], left: Pixel, right: Pixel) -> None:
    image = decode(data()).image
    assert image.mode == "RGB"
    got = [image.getpixel((2, 2)), image.getpixel((17, 2))]
    assert_close(got, [left, right], within=1)  # type: ignore[arg-type]


def test_palette_without_transparency() -> None:
    assert_close(
        centres(decode(pictures.png(pictures.quadrants().quantize(4))).image), QUADRANTS, 1
    )


def test_cmyk_looks_the_same() -> None:
    data = pictures.jpeg(pictures.quadrants().convert("CMYK"))
    assert opened(data).mode == "CMYK"
    assert_close(centres(decode(data).image), QUADRANTS, within=3)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    data = pictures.sixteen_bit_ramp()
    stored = opened(data)
    assert stored.mode == "I;16"
    shallow = np.asarray(decode(data).image)
    assert abs(shallow.mean() - 127.5) < 1
    exact = np.asarray(stored) / 257
    assert np.abs(shallow - exact[:, :, np.newaxis]).max() <= 0.5


def test_the_colour_profile_is_applied() -> None:
    swapped = decode(pictures.png(icc_profile=pictures.swapped_profile())).image
    expected = [(g, r, b) for r, g, b in QUADRANTS]
    assert_close(centres(swapped), expected, within=2)


def test_the_colour_profile_is_applied_beneath_transparency() -> None:
    data = pictures.png(with_alpha((200, 30, 30), 255), icc_profile=pictures.swapped_profile())
    assert_close([decode(data).image.getpixel((5, 5))], [(30, 200, 30)], within=2)  # type: ignore[list-item]


@pytest.mark.parametrize("profile", [b"", b"nonsense", pictures.swapped_profile()[:200]])
def test_a_broken_colour_profile_is_passed_over(profile: bytes) -> None:
    assert_close(centres(decode(pictures.png(icc_profile=profile)).image), QUADRANTS, within=1)


def test_a_colour_profile_of_another_kind_is_passed_over() -> None:
    grey = pictures.png(Image.new("L", (20, 20), 90), icc_profile=pictures.swapped_profile())
    assert decode(grey).image.getpixel((5, 5)) == (90, 90, 90)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    data = pictures.oriented_jpeg(orientation)
    stored = opened(data)
    assert (stored.size == pictures.SIZE) == (orientation < 5)
    decoded = decode(data)
    assert (decoded.width, decoded.height) == decoded.image.size == pictures.SIZE
    assert_close(centres(decoded.image), QUADRANTS, within=3)
    # Turning is exact: Pillow's own way gives the same pixels.
    assert decoded.image.tobytes() == ImageOps.exif_transpose(stored).tobytes()


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_senseless_orientation_is_upright(value: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    assert_close(centres(decode(pictures.jpeg(exif=exif)).image), QUADRANTS, within=3)


def test_turned_heic_is_turned_once() -> None:
    decoded = decode(pictures.heic_turned())
    assert (decoded.width, decoded.height) == (32, 48)
    red, green, blue, yellow = QUADRANTS
    assert_close(centres(decoded.image), [blue, red, yellow, green], within=3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animations_give_their_first_frame(kind: str) -> None:
    data = pictures.animated(kind)
    assert opened(data).n_frames == 3  # type: ignore[attr-defined]
    assert_close(centres(decode(data).image), QUADRANTS, within=6)


def test_a_phone_s_double_picture_gives_its_first() -> None:
    """MPO is a JPEG with more pictures behind it, such as the other eye's, or a depth map."""
    data = pictures.encode(
        pictures.quadrants((1600, 800)), "MPO", save_all=True,
        append_images=[Image.new("RGB", (1600, 800))],
    )  # fmt: skip
    assert opened(data).format == "MPO"
    decoded = decode(data, draft_side=100)
    assert (decoded.format, decoded.width, decoded.image.size) == ("JPEG", 1600, (400, 200))
    assert_close(centres(decoded.image), QUADRANTS, within=3)


def test_a_long_animation_costs_one_frame() -> None:
    frame = Image.new("L", (2000, 2000), 200)
    data = pictures.encode(
        frame, "GIF", save_all=True, duration=20, optimize=False,
        append_images=[Image.new("L", (2000, 2000), shade) for shade in range(25)],
    )  # fmt: skip
    started = time.process_time()
    decoded = decode(data)
    assert time.process_time() - started < 1
    assert decoded.image.getpixel((1000, 1000)) == (200, 200, 200)


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda: pictures.png_claiming(20_000, 20_000), "64 million pixels"),
        (lambda: pictures.png_claiming(13_000, 13_000), "13,000 x 13,000 pixels: more than"),
        (pictures.one_bit_bomb, "64 million pixels"),
        (lambda: pictures.png_claiming(1, 30_000), "each side must have at least 16 pixels"),
        (lambda: pictures.png_claiming(16, 30_000), "at most 20 times the other"),
        (lambda: pictures.png_claiming(30_000, 16), "at most 20 times the other"),
        (lambda: pictures.png_claiming(15, 15), "15 x 15 pixels"),
    ],
    ids=["20k", "13k", "1-bit 20k", "1 px", "thin", "flat", "tiny"],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_without_decoding(data: Callable[[], bytes], reason: str) -> None:
    content = data()
    decode(pictures.png())  # whatever is loaded on first use
    tracemalloc.start()
    started = time.process_time()
    try:
        assert reason in rejection(content)
        assert time.process_time() - started < 0.1
        assert tracemalloc.get_traced_memory()[1] < 5_000_000 + 2 * len(content)
    finally:
        tracemalloc.stop()


def test_the_limits_are_inclusive() -> None:
    limits = ImageLimits(max_pixels=48 * 32, max_aspect=1.5, min_side=32, max_bytes=714)
    data = pictures.jpeg()
    assert len(data) == 714, "the test needs the exact size"
    assert decode(data, limits=limits).width == 48
    tighter = {"max_pixels": 48 * 32 - 1, "max_aspect": 1.49, "min_side": 33, "max_bytes": 713}
    for name, value in tighter.items():
        rejection(data, limits=ImageLimits(**{name: value}))  # type: ignore[arg-type]


def test_a_large_file_is_refused_unread() -> None:
    reason = rejection(b"\xff\xd8\xff" + bytes(21 << 20))
    assert reason == "the file holds 21.0 MB; the limit is 20.0 MB."


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF"])
def test_cut_off_files_are_refused(kind: str) -> None:
    data = pictures.heic() if kind == "HEIF" else pictures.encode(pictures.photo(), kind)
    assert "damaged or incomplete" in rejection(data[: len(data) // 2])


OTHERS = {
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "SVG with a declaration": b'\xef\xbb\xbf<?xml version="1.0"?><svg/>',
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "PSD": b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x40\0\0\0\x40\0\x08\0\3" + bytes(60),
    "FITS": b"SIMPLE  =                    T" + b" " * 50,
    "JPEG XL": b"\xff\x0a" + bytes(60),
    "JPEG XL box": b"\0\0\0\x0cJXL \r\n\x87\n",
    "CUR": b"\0\0\2\0\1\0" + bytes(60),
    "XPM": b"/* XPM */\nstatic char *x[] = {",
    "DCX": b"\xb1\x68\xde\x3a" + bytes(60),
    "PCD": b"PCD_" + bytes(60),
    "FLI": bytes(4) + b"\x11\xaf" + bytes(60),
    "QOI": b"qoif" + bytes(60),
    "zip": b"PK\3\4" + bytes(60),
    "ELF": b"\x7fELF" + bytes(60),
    "MP4": b"\0\0\0\x18ftypisom" + bytes(60),
    "WAV": b"RIFF\0\0\0\0WAVEfmt " + bytes(60),
    "text": b"two dogs on a beach",
    "nothing": b"",
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_refused(name: str) -> None:
    reason = rejection(OTHERS[name])
    assert reason.endswith(("send JPEG, PNG, WebP, GIF, AVIF, HEIC, TIFF.", "the file is empty."))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_other_format_that_pillow_writes_is_refused() -> None:
    """In each that it can write; none of them is opened."""
    Image.init()
    accepted = {"JPEG", "PNG", "WEBP", "GIF", "AVIF", "MPO", "HEIF", "TIFF"}
    tried = set()
    for kind in sorted(set(Image.SAVE) - accepted):
        for mode in ("RGB", "L", "1", "P", "F"):
            try:
                data = pictures.encode(pictures.quadrants((64, 64)).convert(mode), kind)
            except (OSError, ValueError, KeyError, SystemError, TypeError, AttributeError):
                continue
            assert "send JPEG" in rejection(data), kind
            tried.add(kind)
            break
    assert {"BMP", "ICO", "EPS", "PDF", "JPEG2000", "TGA", "PPM", "ICNS", "DDS"} <= tried


def test_the_name_of_a_file_decides_nothing() -> None:
    bmp = pictures.encode(pictures.quadrants(), "BMP")
    with pytest.raises(ImageRejectedError, match=r"^holiday.jpg: this is a BMP"):
        decode_image(bmp, name="holiday.jpg")
    assert decode_image(pictures.jpeg(), name="holiday.png").format == "JPEG"


def test_a_picture_pillow_would_open_as_another_format_is_refused() -> None:
    """A header that promises WebP in front of something else opens nothing else."""
    assert "damaged" in rejection(b"RIFF\x10\0\0\0WEBPVP8 " + pictures.png())
    assert "damaged" in rejection(pictures.png()[:8] + pictures.jpeg())


@pytest.mark.filterwarnings("ignore")
def test_only_rejections_come_out_of_damaged_files() -> None:
    """Seeded damage of every kind; ``python -m tests.fuzz.images`` does it for longer."""
    random_one = random.Random(1)
    outcomes = {"decoded": 0, "refused": 0}
    slowest = 0.0
    for name, data in damaged_files(3_000, random_one):
        if is_for_limited_process(name):
            continue  # its library can crash; see the test of that in test_sandbox.py
        started = time.perf_counter()
        try:
            decode(data)
            outcomes["decoded"] += 1
        except ImageRejectedError:
            outcomes["refused"] += 1
        slowest = max(slowest, time.perf_counter() - started)
    assert outcomes["refused"] > 500
    assert outcomes["decoded"] > 500, "the damage is so coarse that nothing gets far"
    assert slowest < 1


# --- metadata ---------------------------------------------------------------------------------


def test_descriptions_in_their_order() -> None:
    described = pictures.described_jpeg
    all_three = described(iptc=b"From IPTC", xmp="From XMP", exif="From EXIF")
    assert decode(all_three).metadata.description == "From IPTC"
    assert decode(described(xmp="From XMP", exif="From EXIF")).metadata.description == "From XMP"
    assert decode(described(exif="From EXIF")).metadata.description == "From EXIF"
    assert (
        decode(described(iptc=b" ", xmp=" ", exif="From EXIF")).metadata.description == "From EXIF"
    )


def test_descriptions_are_read_as_utf8_and_tidied() -> None:
    described = pictures.described_jpeg
    assert decode(described(exif="Café".encode())).metadata.description == "Café"
    assert (
        decode(described(iptc="Zürich  am\tSee\n".encode())).metadata.description == "Zürich am See"
    )
    assert decode(described(iptc="Zürich".encode("latin-1"))).metadata.description == "Zürich"
    assert (
        decode(described(xmp="Tom &amp; Jerry \u202eback")).metadata.description
        == "Tom & Jerry back"
    )
    assert decode(described(xmp="x" * 9000)).metadata.description == "x" * 5000


@pytest.mark.parametrize("noise", ["OLYMPUS DIGITAL CAMERA         ", "SONY DSC", "  "])
def test_what_cameras_write_everywhere_is_no_description(noise: str) -> None:
    assert decode(pictures.described_jpeg(exif=noise)).metadata.description == ""


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_descriptions_of_other_formats(kind: str) -> None:
    if kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", pictures.xmp_packet("From XMP").decode())
        data = pictures.png(pnginfo=info)
    else:
        data = pictures.encode(pictures.quadrants(), kind, xmp=pictures.xmp_packet("From XMP"))
    assert decode(data).metadata.description == "From XMP"


def test_the_time_it_was_taken() -> None:
    taken = decode(pictures.described_jpeg(taken_at="2019:05:03 10:11:12")).metadata.taken_at
    assert taken == datetime(2019, 5, 3, 10, 11, 12)
    for senseless in ("0000:00:00 00:00:00", "yesterday", ""):
        assert decode(pictures.described_jpeg(taken_at=senseless)).metadata.taken_at is None


HOSTILE_XMP = {
    "unbounded entities": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
    "a file": b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>',
    "not XML": b"\0\xff<<<",
    "deep": b"<a>" * 20_000,
}


@pytest.mark.parametrize("name", HOSTILE_XMP)
def test_hostile_xmp_is_as_good_as_none(name: str) -> None:
    decoded = decode(pictures.described_jpeg(xmp=HOSTILE_XMP[name], exif="From EXIF"))
    assert decoded.metadata.description == "From EXIF"


@pytest.mark.filterwarnings("ignore")
def test_garbage_metadata_never_fails_the_picture() -> None:
    random_one = random.Random(2)
    full = pictures.described_jpeg(
        iptc=b"From IPTC",
        xmp="From XMP",
        exif="From EXIF",
        taken_at="2019:05:03 10:11:12",
        gps=True,
    )
    # Everything between the start and the first quantisation table is metadata.
    start, end = 24, full.index(b"\xff\xdb")
    assert end > 500
    for _ in range(300):
        damaged = bytearray(full)
        for _ in range(random_one.randint(1, 8)):
            damaged[random_one.randrange(start, end)] = random_one.randrange(256)
        try:
            image = decode(bytes(damaged)).image
        except ImageRejectedError:
            # Damage to a segment's length moves everything behind it: no picture is left.
            with pytest.raises(Exception):  # noqa: B017, PT011
                opened(bytes(damaged))
            continue
        assert {image.size, image.size[::-1]} == {pictures.SIZE, pictures.SIZE[::-1]}


# --- what is made of it -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "box"),
    [((300, 200), (50, 0, 250, 200)), ((200, 300), (0, 50, 200, 250)), ((200, 200), None)],
)
def test_square_is_the_centre(size: tuple[int, int], box: tuple[int, int, int, int] | None) -> None:
    image = pictures.photo(3, size)
    got = square(image, 224)
    expected = image.resize((224, 224), Image.Resampling.BICUBIC, box=box)
    assert got.size == (224, 224)
    assert got.tobytes() == expected.tobytes()


def test_square_agrees_with_resizing_first() -> None:
    """CLIP's own order (short side to 224, then crop) gives the same picture but for rounding."""
    image = pictures.photo(4, (600, 400))
    first = image.resize((336, 224), Image.Resampling.BICUBIC).crop((56, 0, 280, 224))
    difference = np.asarray(ImageChops.difference(square(image, 224), first))
    assert difference.mean() < 0.5


@pytest.mark.parametrize("size", [(320, 16), (16, 320)])
def test_square_of_the_thinnest_picture_is_cheap(size: tuple[int, int]) -> None:
    image = decode(pictures.png(pictures.photo(0, size))).image
    started = time.process_time()
    assert square(image, 224).size == (224, 224)
    assert time.process_time() - started < 0.1


def test_draft_keeps_twice_the_side_and_the_measures_of_the_file() -> None:
    data = pictures.jpeg(pictures.photo(5, (2000, 1500)))
    decoded = decode(data, draft_side=100)
    assert (decoded.width, decoded.height) == (2000, 1500)
    assert decoded.image.size == (500, 375)  # a quarter; an eighth would leave 188 of 200
    full = square(decode(data).image, 100)
    difference = np.asarray(ImageChops.difference(square(decoded.image, 100), full))
    assert difference.mean() < 1.5
    assert decode(data, draft_long_side=1000).image.size == (1000, 750)
    assert decode(data, draft_long_side=1001).image.size == (2000, 1500)
    assert decode(data, draft_side=1000, draft_long_side=10).image.size == (2000, 1500)


def test_draft_of_a_turned_photograph() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    decoded = decode(pictures.jpeg(pictures.photo(5, (1600, 800)), exif=exif), draft_side=100)
    assert (decoded.width, decoded.height) == (800, 1600)
    assert decoded.image.size == (200, 400)


@pytest.mark.parametrize(
    ("size", "display", "thumbnail"),
    [
        ((2000, 1000), (1600, 800), (480, 240)),
        ((900, 1200), (900, 1200), (360, 480)),
        ((300, 200), (300, 200), (300, 200)),
        ((400, 20), (400, 20), (400, 20)),
        ((6000, 300), (1600, 80), (480, 24)),
    ],
)
def test_renditions_are_shrunk_and_never_enlarged(
    size: tuple[int, int], display: tuple[int, int], thumbnail: tuple[int, int]
) -> None:
    renditions = make_renditions(decode(pictures.jpeg(pictures.photo(6, size))).image)
    for data, expected in ((renditions.display, display), (renditions.thumbnail, thumbnail)):
        image = opened(data)
        assert (image.format, image.size) == ("WEBP", expected)


def test_renditions_look_like_the_picture() -> None:
    decoded = decode(pictures.jpeg(pictures.photo(7, (1000, 700))))
    renditions = make_renditions(decoded.image)
    for data in (renditions.display, renditions.thumbnail):
        image = opened(data).convert("RGB")
        expected = decoded.image.resize(image.size, Image.Resampling.BICUBIC)
        assert np.asarray(ImageChops.difference(image, expected)).mean() < 3


@pytest.mark.parametrize("kind", ["webp", "avif"])
def test_a_rendition_of_any_size_and_kind(kind: Literal["webp", "avif"]) -> None:
    decoded = decode(pictures.jpeg(pictures.photo(7, (1000, 700))))
    for side, size in ((240, (240, 168)), (960, (960, 672)), (1600, (1000, 700))):
        image = opened(make_rendition(decoded.image, side, kind))
        assert (image.format, image.size) == (kind.upper(), size)
        expected = decoded.image.resize(image.size, Image.Resampling.BICUBIC)
        assert np.asarray(ImageChops.difference(image.convert("RGB"), expected)).mean() < 4


def test_a_placeholder_is_a_colour_and_a_tiny_picture() -> None:
    placeholder = make_placeholder(decode(pictures.jpeg(pictures.photo(9, (1000, 700)))).image)
    assert opened(placeholder.webp).size == (16, 11)
    assert len(placeholder.webp) < 200
    blue = Image.new("RGB", (30, 20), pictures.BLUE)
    assert make_placeholder(blue).dominant_colour == "blue"


def test_renditions_are_the_same_each_time() -> None:
    data = pictures.jpeg(pictures.photo(8, (900, 700)))
    assert make_renditions(decode(data).image) == make_renditions(decode(data).image)


MARKER = b"<script>alert('polyglot')</script>"


def polyglots() -> dict[str, bytes]:
    """The marker in every place of a file that is not pixels."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Comment", MARKER.decode())
    xmp = pictures.xmp_packet(MARKER.decode().replace("<", "&lt;")) + MARKER
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = MARKER.decode()
    icc = pictures.swapped_profile() + MARKER
    return {
        "appended to JPEG": pictures.jpeg() + MARKER,
        "JPEG comment": pictures.jpeg(comment=MARKER),
        "JPEG EXIF": pictures.jpeg(exif=exif),
        "JPEG XMP": pictures.jpeg(xmp=xmp),
        "JPEG IPTC": pictures.described_jpeg(iptc=MARKER),
        "JPEG ICC": pictures.jpeg(icc_profile=icc),
        "PNG text": pictures.png(pnginfo=text),
        "PNG appended": pictures.png() + MARKER,
        "WebP all": pictures.webp(exif=exif, xmp=xmp, icc_profile=icc),
        "GIF comment": pictures.gif(comment=MARKER),
        "AVIF all": pictures.avif(exif=exif, xmp=xmp, icc_profile=icc),
    }


@pytest.mark.parametrize("name", polyglots())
def test_nothing_but_pixels_is_served(name: str) -> None:
    data = polyglots()[name]
    assert MARKER in data or b"alert" in data
    decoded = decode(data)
    renditions = make_renditions(decoded.image)
    avif, placeholder = (
        make_rendition(decoded.image, 40, "avif"),
        make_placeholder(decoded.image).webp,
    )
    for served in (renditions.display, renditions.thumbnail, avif, placeholder):
        assert b"alert" not in served
        chunks = re.findall(rb"EXIF|XMP |ICCP|Exif", served)
        assert chunks == []
        assert opened(served).info.keys() <= {"loop", "background", "timestamp", "duration"}


def test_no_place_is_served() -> None:
    data = pictures.described_jpeg(gps=True, taken_at="2019:05:03 10:11:12")
    assert opened(data).getexif().get_ifd(ExifTags.IFD.GPSInfo)
    served = opened(make_renditions(decode(data).image).display)
    assert dict(served.getexif()) == {}


def test_the_decoder_is_light_and_knows_no_other_format() -> None:
    """Not even after a file that none of the formats could make anything of."""
    code = """
import sys, mlcore.imaging.sandbox, mlcore.layouts
from mlcore.config import ImageLimits
from mlcore.errors import ImageRejectedError
from mlcore.imaging.decode import decode_image
PNG = b"\\x89PNG\\r\\n\\x1a\\n"
for start in (b"\\xff\\xd8\\xff", PNG, b"GIF89a", b"RIFF0000WEBPVP8 ", b"0000ftypavif"):
    try:
        decode_image(start + bytes(100), name="x")
    except ImageRejectedError:
        print("refused")
print(*sys.modules)
"""
    *refusals, modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert refusals == ["refused"] * 5
    loaded = set(modules.split())
    assert {"mlcore.imaging.decode", "mlcore.layouts", "PIL.AvifImagePlugin"} <= loaded
    assert not {"torch", "transformers", "faiss", "django"} & loaded
    assert not {"PIL.EpsImagePlugin", "PIL.PsdImagePlugin", "PIL.FitsImagePlugin"} & loaded


def test_pillow_is_kept_strict() -> None:
    from PIL import ImageFile

    assert ACCEPTED
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.flickr8k
def test_photographs_are_decoded_exactly(flickr8k_dir: "object") -> None:
    """Pillow's plain way, for photographs that need nothing done."""
    from pathlib import Path

    for path in sorted(Path(str(flickr8k_dir), "Flicker8k_Dataset").glob("*.jpg"))[:50]:
        data = path.read_bytes()
        assert decode(data).image.tobytes() == opened(data).convert("RGB").tobytes()
