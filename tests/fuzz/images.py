"""Feeds damaged pictures to the decoder: nothing but a refusal or a picture may come out.

Run ``python -m tests.fuzz.images --n 200000 --seed 1``; the exit status is 1 if anything else did.

HEIC goes through the limited processes, as everything does in the product, because its library can
be made to crash: pi-heif 1.4.0 on a metadata item of an unknown type (``pictures.heic_crasher``).
Everything else is decoded right here, where a crash would be noticed.
"""

import argparse
import functools
import random
import resource
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator

from mlcore.decoding import PictureDecoder
from mlcore.errors import ImageRejectedError
from mlcore.images import decode_image, make_renditions
from tests import pictures


@functools.cache
def _originals() -> dict[str, bytes]:
    described = pictures.described_jpeg(
        iptc=b"A caption",
        xmp="A caption",
        exif="A caption",
        taken_at="2019:05:03 10:11:12",
        gps=True,
    )
    photo = pictures.photo()
    return pictures.every_format() | {
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


def damaged_files(count: int, source: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` damaged pictures, each with the name of what it was made from."""
    originals = list(_originals().items())
    for _ in range(count):
        name, data = source.choice(originals)
        damaged = bytearray(data)
        for _ in range(source.choice((1, 1, 1, 2, 8))):
            source.choice(_DAMAGES)(damaged, source)
        if data.startswith(b"\x89PNG") and source.random() < 0.7:
            # With a checksum that is wrong nothing behind it is ever looked at.
            damaged = bytearray(_mend_checksums(bytes(damaged)))
        yield name, bytes(damaged)


def is_heic(name: str) -> bool:
    return name in ("HEIF", "turned HEIC")


def _flip(data: bytearray, source: random.Random) -> None:
    if data:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def _overwrite(data: bytearray, source: random.Random) -> None:
    at = source.randrange(len(data) + 1)
    data[at : at + 4] = source.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"))


def _cut(data: bytearray, source: random.Random) -> None:
    del data[source.randrange(len(data) + 1) :]


def _remove(data: bytearray, source: random.Random) -> None:
    at = source.randrange(len(data) + 1)
    del data[at : at + source.randint(1, 40)]


def _repeat(data: bytearray, source: random.Random) -> None:
    at = source.randrange(len(data) + 1)
    data[at:at] = data[at : at + source.randint(1, 200)] * source.randint(1, 5)


def _graft(data: bytearray, source: random.Random) -> None:
    other = source.choice(list(_originals().values()))
    at = source.randrange(len(data) + 1)
    data[at:] = other[source.randrange(len(other)) :]


_DAMAGES = (_flip, _flip, _flip, _overwrite, _overwrite, _cut, _remove, _repeat, _graft)


def _mend_checksums(data: bytes) -> bytes:
    mended, at = data[:8], 8
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        content = data[at + 4 : at + 8 + size]
        mended += data[at : at + 4] + content + struct.pack(">I", zlib.crc32(content))
        at += 12 + size
    return mended + data[at:]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000, help="how many damaged files")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same files")
    options = parser.parse_args(arguments)
    outcomes = Counter[str]()
    slowest = 0.0
    started = time.perf_counter()
    memory = 0
    with PictureDecoder() as decoder:
        for at, (name, data) in enumerate(damaged_files(options.n, random.Random(options.seed))):
            began = time.perf_counter()
            try:
                if is_heic(name):
                    decoder.prepare(data, name=name)
                else:
                    make_renditions(decode_image(data, name=name))
                outcomes["decoded"] += 1
            except ImageRejectedError as error:
                outcomes["crashed" if "brings the process" in error.reason else "refused"] += 1
            except Exception as error:
                outcomes["wrong"] += 1
                print(f"number {at}, {name}: {error!r}", file=sys.stderr)  # noqa: T201
            if not is_heic(name):
                slowest = max(slowest, time.perf_counter() - began)
            if at == min(1_000, options.n // 2):
                memory = _peak_kilobytes()
    grown = (_peak_kilobytes() - memory) / 1024
    rate = options.n / (time.perf_counter() - started)
    print(  # noqa: T201
        f"{options.n} files, seed {options.seed}: {outcomes['decoded']} decoded, "
        f"{outcomes['refused']} refused, {outcomes['crashed']} refused after a crash of the "
        f"limited process, {outcomes['wrong']} wrong; slowest {slowest:.3f} s, "
        f"memory grew by {grown:.0f} MB, {rate:.0f} files/s"
    )
    return 1 if outcomes["wrong"] or slowest > 1 or grown > 50 else 0


def _peak_kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
