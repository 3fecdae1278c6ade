"""Feeds damaged pictures to the decoder: nothing but a refusal or a picture may come out.

Run ``python -m tests.fuzz.images --n 200000 --seed 1``; the exit status is 1 if anything else did.

HEIC and TIFF go through the limited processes, as everything does in the product, because their
libraries can be made to crash: pi-heif 1.4.0 on a metadata item of an unknown type
(``pictures.heic_crasher``). Everything else is decoded right here, where a crash would be noticed.
"""

import functools
import random
import struct
import sys
import zlib
from collections.abc import Iterator

from PIL import Image

from mlcore.errors import ImageRejectedError
from mlcore.imaging.decode import decode_image
from mlcore.imaging.renditions import make_renditions
from mlcore.imaging.sandbox import PictureDecoder
from tests import pictures
from tests.fuzz.damage import Case, damaged, options, run


@functools.cache
def originals() -> dict[str, bytes]:
    described = pictures.described_jpeg(
        iptc=b"A caption",
        xmp="A caption",
        exif="A caption",
        taken_at="2019:05:03 10:11:12",
        gps=True,
    )
    photo = pictures.photo()
    return (
        pictures.every_format()
        | {
            "JPEG with metadata": described,
            "progressive JPEG": pictures.jpeg(photo, progressive=True),
            "CMYK JPEG": pictures.jpeg(photo.convert("CMYK")),
            "palette PNG": pictures.png(photo.quantize(16), transparency=3),
            "16-bit PNG": pictures.sixteen_bit_ramp(),
            "PNG with profile": pictures.png(icc_profile=pictures.swapped_profile()),
            "animated PNG": pictures.animated("PNG"),
            "animated GIF": pictures.animated("GIF"),
            "animated WebP": pictures.animated("WEBP"),
            "lossy WebP": pictures.webp(photo, lossless=False),
            "turned HEIC": pictures.heic_turned(),
        }
        | {f"TIFF, {name}": data for name, data in _tiffs(photo)}
    )


def _tiffs(photo: Image.Image) -> Iterator[tuple[str, bytes]]:
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield compression, pictures.encode(photo, "TIFF", compression=compression)
    yield "CMYK", pictures.encode(photo.convert("CMYK"), "TIFF", compression="tiff_lzw")
    yield "one bit", pictures.encode(photo.convert("1"), "TIFF", compression="group4")
    yield "16 bits", pictures.encode(photo.convert("I;16"), "TIFF", compression="tiff_lzw")
    pages = [photo, photo.convert("L")]
    yield "two pages", pictures.encode(photo, "TIFF", save_all=True, append_images=pages)


def damaged_files(count: int, source: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` damaged pictures, each with the name of what it was made from."""
    kinds = list(originals().items())
    others = [data for _, data in kinds]
    for _ in range(count):
        name, data = source.choice(kinds)
        broken = damaged(data, source, others)
        if data.startswith(b"\x89PNG") and source.random() < 0.7:
            # With a checksum that is wrong nothing behind it is ever looked at.
            broken = _mend_checksums(broken)
        yield name, broken


def is_for_limited_process(name: str) -> bool:
    """Tell whether a picture's library can crash."""
    return name in ("HEIF", "turned HEIC") or name.startswith("TIFF")


def _mend_checksums(data: bytes) -> bytes:
    mended, at = data[:8], 8
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        content = data[at + 4 : at + 8 + size]
        mended += data[at : at + 4] + content + struct.pack(">I", zlib.crc32(content))
        at += 12 + size
    return mended + data[at:]


def _cases(decoder: PictureDecoder, count: int, seed: int) -> Iterator[Case]:
    for name, data in damaged_files(count, random.Random(seed)):
        limited = is_for_limited_process(name)
        yield name, functools.partial(attempt, decoder if limited else None, data), not limited


def attempt(decoder: PictureDecoder | None, data: bytes) -> str:
    try:
        if decoder is None:
            make_renditions(decode_image(data, name="damaged").image)
        else:
            decoder.prepare(data, name="damaged")
    except ImageRejectedError as error:
        crashed = "brings the process" in str(error.reason)
        return "refused after a crash of the limited process" if crashed else "refused"
    return "decoded"


def main(arguments: list[str] | None = None) -> int:
    chosen = options(__doc__, arguments)
    with PictureDecoder() as decoder:
        return run(_cases(decoder, chosen.n, chosen.seed), chosen.n, chosen.seed)


if __name__ == "__main__":
    sys.exit(main())
