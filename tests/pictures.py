"""Small pictures made on the spot: every format, every mode, and every kind of trouble."""

import base64
import functools
import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms

RED, GREEN, BLUE, YELLOW = (200, 30, 30), (30, 180, 60), (40, 60, 200), (230, 220, 60)
SIZE = (48, 32)

QUADRANT_CENTRES = ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))
"""Where :func:`quadrants` is red, green, blue and yellow, as shares of width and height."""


def quadrants(size: tuple[int, int] = SIZE) -> Image.Image:
    """Red, green over blue, yellow: a picture that shows when it is turned or mirrored."""
    image = Image.new("RGB", size)
    w, h = size
    image.paste(RED, (0, 0, w // 2, h // 2))
    image.paste(GREEN, (w // 2, 0, w, h // 2))
    image.paste(BLUE, (0, h // 2, w // 2, h))
    image.paste(YELLOW, (w // 2, h // 2, w, h))
    return image


def photo(seed: int = 0, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Smooth coloured noise, the same for the same seed: compresses like a photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encode(image: Image.Image, picture_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, picture_format, **options)
    return buffer.getvalue()


def jpeg(image: Image.Image | None = None, **options: Any) -> bytes:
    return encode(image or quadrants(), "JPEG", **{"quality": 95, "subsampling": 0} | options)


def png(image: Image.Image | None = None, **options: Any) -> bytes:
    return encode(image or quadrants(), "PNG", **options)


def webp(image: Image.Image | None = None, **options: Any) -> bytes:
    return encode(image or quadrants(), "WEBP", **{"lossless": True} | options)


def gif(image: Image.Image | None = None, **options: Any) -> bytes:
    return encode(image or quadrants(), "GIF", **options)


def avif(image: Image.Image | None = None, **options: Any) -> bytes:
    return encode(image or quadrants(), "AVIF", **{"quality": 95, "subsampling": "4:4:4"} | options)


def heic() -> bytes:
    """:func:`quadrants` at 48 x 32. Nothing here can write HEIC, so it was written beforehand."""
    return base64.b64decode(_HEIC)


def heic_turned() -> bytes:
    """:func:`quadrants`, stored with orientation 6: a turn to the right is needed."""
    return base64.b64decode(_HEIC_TURNED)


def heic_crasher() -> bytes:
    """A metadata item of a type that there is not: pi-heif 1.4.0 reads through a null pointer."""
    return heic_turned().replace(b"\0\2\0\0Exif", b"\0\2\0\0\xff\xff\xff\xff")


def every_format() -> dict[str, bytes]:
    """:func:`quadrants` in each format that is accepted, by the name DecodedImage has for it."""
    return {
        "JPEG": jpeg(),
        "PNG": png(),
        "WEBP": webp(),
        "GIF": gif(),
        "AVIF": avif(),
        "HEIF": heic(),
        "TIFF": encode(quadrants(), "TIFF", compression="tiff_lzw"),
    }


def oriented_jpeg(orientation: int) -> bytes:
    """A JPEG that is :func:`quadrants` once its EXIF orientation is applied."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = quadrants()
    if orientation in undo:
        image = image.transpose(undo[orientation])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return jpeg(image, exif=exif)


def described_jpeg(
    *,
    iptc: bytes | None = None,
    xmp: str | bytes | None = None,
    exif: str | bytes | None = None,
    taken_at: str | None = None,
    gps: bool = False,
) -> bytes:
    """A JPEG with metadata; ``xmp`` as text becomes a proper packet, as bytes it stays raw."""
    block = Image.Exif()
    if exif is not None:
        block[ExifTags.Base.ImageDescription] = exif
    if taken_at is not None:
        block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken_at
    if gps:
        block.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
        block.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (48.0, 51.0, 29.0)
    options: dict[str, Any] = {"exif": block}
    if xmp is not None:
        options["xmp"] = xmp_packet(xmp) if isinstance(xmp, str) else xmp
    data = jpeg(**options)
    return data if iptc is None else with_iptc_caption(data, iptc)


def xmp_packet(description: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
        '<rdf:li xml:lang="de">Nicht dies</rdf:li>'
        f'<rdf:li xml:lang="x-default">{description}</rdf:li>'
        "</rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def xmp(**said: str | list[str]) -> bytes:
    """A packet: Dublin Core's ``title``, ``description``, ``rights``, ``subject`` and ``creator``
    as elements, and whatever has a prefix as an attribute."""
    kinds = {"subject": "Bag", "creator": "Seq"}
    attributes = "".join(f' {name}="{value}"' for name, value in said.items() if ":" in name)
    elements = ""
    for name, value in said.items():
        if ":" in name:
            continue
        kind = kinds.get(name, "Alt")
        language = ' xml:lang="x-default"' if kind == "Alt" else ""
        items = "".join(
            f"<rdf:li{language}>{each}</rdf:li>"
            for each in ([value] if isinstance(value, str) else value)
        )
        elements += f"<dc:{name}><rdf:{kind}>{items}</rdf:{kind}></dc:{name}>"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f"{attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def with_iptc_caption(jpeg_data: bytes, caption: bytes) -> bytes:
    """Insert an IPTC caption (2:120) the way Photoshop does."""
    return with_iptc(jpeg_data, {120: [caption]})


def with_iptc(
    jpeg_data: bytes, values: dict[int, list[bytes]], character_set: bytes = b""
) -> bytes:
    """Insert IPTC datasets (2:number) the way Photoshop does, as an APP13 segment."""
    datasets = [(1, 90, character_set)] if character_set else []
    datasets += [(2, number, value) for number, each in values.items() for value in each]
    record = b"".join(
        b"\x1c" + bytes((part, number)) + struct.pack(">H", len(value)) + value
        for part, number, value in datasets
    )
    resource = (
        b"8BIM" + struct.pack(">H", 0x0404) + b"\0\0" + struct.pack(">I", len(record)) + record
    )
    if len(record) % 2:
        resource += b"\0"
    content = b"Photoshop 3.0\0" + resource
    segment = b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
    return jpeg_data[:2] + segment + jpeg_data[2:]


def sixteen_bit_ramp() -> bytes:
    """A grey PNG of 256 x 64 pixels with every 16-bit level from black to white, in steps of 4."""
    levels = np.linspace(0, 65535, 256 * 64).round().astype(np.uint16).reshape(64, 256)
    return png(Image.fromarray(levels))


@functools.cache
def swapped_profile() -> bytes:
    """An ICC profile whose red is sRGB's green and whose green is sRGB's red."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count = struct.unpack(">I", profile[128:132])[0]
    tags = bytearray(profile)
    at = {bytes(tags[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    red, green = at[b"rXYZ"], at[b"gXYZ"]
    tags[red : red + 4], tags[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(tags).replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


def png_claiming(width: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header says so, with next to nothing behind it."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return _png(_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(b"\0" * 100)))


def one_bit_bomb(side: int = 20_000) -> bytes:
    """A whole, valid PNG: 400 million pixels in some 49 kB."""
    row = b"\0" * (1 + (side + 7) // 8)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return _png(_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(row * side, 9)))


def text_bomb_png(megabytes: int = 70) -> bytes:
    """A small PNG with a compressed text that unpacks to very much."""
    text = b"Comment\0\0" + zlib.compress(b" " * (megabytes << 20), 9)
    data = png()
    return data[:33] + _chunk(b"zTXt", text) + data[33:]


def _png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def animated(picture_format: str, frames: int = 3, size: tuple[int, int] = SIZE) -> bytes:
    """First :func:`quadrants`, then plain frames."""
    rest = [Image.new("RGB", size, (at % 256, 0, 255)) for at in range(frames - 1)]
    options: dict[str, Any] = {"save_all": True, "append_images": rest, "duration": 50}
    if picture_format == "WEBP":
        options["lossless"] = True
    return encode(quadrants(size), picture_format, **options)


_HEIC = (
    "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAX5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABogABAAAAAAAAAToAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAAA5waXRtAAAAAAABAAAA/mlwcnAAAADeaXBjbwAAAHdodmNDAQQIAAAAnjgAAAAAHvAA/P/4+AAADwNgAAEA"
    "F0ABDAH//wQIAAADAJ44AAADAAAeugJAYQABACpCAQEECAAAAwCeOAAAAwAAHpAEECCy3VyU1zcBDQYEAAADAGQAAAMA"
    "BCBiAAEACEQBwXMYMAiQAAAAE2NvbHJuY2x4AAEADQAGgAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAAAwAAAA"
    "AQAAACAAAAAB////8AAAAAL////gAAAAAgAAABBwaXhpAAAAAAMICAgAAAAYaXBtYQAAAAAAAAABAAEFgQIDBYQAAAFC"
    "bWRhdAAAATYoAa8E+Oyl6frf+o////kf+y/FnaUeJ3ud5Sn+ab/+ra07rl697AIeVB3rgG6EcFAMtCGHZNG8y/9v6D6D"
    "+jfHof/9c61zbur/32/GntXfhTmIqqsoPXtox9WB//03N/8qPvZ/nP/zztu5bm2AVXirbqxevga3gBVtgtBG/rX2/3ju"
    "YIL+I1xtcdSJYNJ7/3au7VuVzq901jATuNoLY+wm3wUJJ5lKmov4+RKESoU+yJpPaA7QGx1ui5nl9qNxc3Aa7SASnsKt"
    "6aTwC0MAXVI8hBYiPGtV2dzuWzh9ahfuMQEB0jNCxrEyDqpG7ooG/BcoD2tMEQADTxvwomXRQNZvJxqFu+EzzgP0b4JG"
    "AMuJmSXs9qKQetdVU0hRvrNlGAsHzri+CMWRdNNpoULtT36uiVS1nCxg"
)
_HEIC_TURNED = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAEoAAgAAAAACNgABAAAAAAAAACQAAAA4aWluZgAAAAAA"
    "AgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADm"
    "aXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAq"
    "QgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQAN"
    "AAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAADAAAAABAAAAIAAAAAH////wAAAAAv///+AAAAACAAAAEHBp"
    "eGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEA"
    "AQAAAHZtZGF0AAAARigBrxOA5TH3/741P9vtP8SZLBKy8cVy1/hk/fwqOfzA/HJRz+lC7rc9/+IO3xXMK/OZqD/AMsA3"
    "BV2JJ/zchOv/tv7A4wIAAAAGRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAA="
)
