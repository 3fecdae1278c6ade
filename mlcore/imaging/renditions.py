"""What is stored and served of a picture: files made from its pixels alone."""

import io
from dataclasses import dataclass
from typing import Literal, TypeAlias

from PIL import ExifTags, Image

from mlcore.imaging.colours import ColourName, dominant_colour

DISPLAY_SIDE = 1600
"""Pixels on the long side of the picture page: sharp on a laptop's whole width, about 150 kB."""

THUMBNAIL_SIDE = 480
"""Pixels on the long side in the gallery: a tile on a common screen."""

PLACEHOLDER_SIDE = 16
"""Pixels on the long side of what is shown, enlarged, until the picture has come: 100 bytes."""

PLACEHOLDER_QUALITY = 40
"""0 to 100; the browser smooths what this leaves."""

WEBP_QUALITY = 82
"""0 to 100; no difference from the source is seen at the sizes above."""

WEBP_METHOD = 2
"""0 (fast) to 6 (small). Per 224 x 224 photograph: method 2 takes 2.5 ms for 11.1 kB, method 4
takes 5.2 ms for 10.9 kB."""

AVIF_QUALITY = 60
"""0 to 100, on another scale than WebP's: looks the same at somewhat fewer bytes."""

AVIF_SPEED = 9
"""0 to 10 (fast). A photograph at 1600 pixels takes 0.2 s; at speed 8 it takes 0.8 s for 9 % fewer
bytes."""

RenditionFormat: TypeAlias = Literal["webp", "avif"]


@dataclass(frozen=True, slots=True)
class Renditions:
    """What may be served: WebP files made from pixels alone."""

    display: bytes
    """At most ``DISPLAY_SIDE`` pixels on the long side."""
    thumbnail: bytes
    """At most ``THUMBNAIL_SIDE`` pixels on the long side."""


@dataclass(frozen=True, slots=True)
class Credit:
    """What a file that is served may say of whoever made the picture; empty for nothing."""

    creator: str = ""
    copyright: str = ""

    def as_exif(self) -> bytes:
        """Return both as EXIF, in UTF-8; empty where there is nothing to say."""
        exif = Image.Exif()
        for tag, words in (
            (ExifTags.Base.Artist, self.creator),
            (ExifTags.Base.Copyright, self.copyright),
        ):
            if words:
                exif[tag] = words.encode()  # as text, Pillow would make it ASCII
        return exif.tobytes() if self else b""

    def __bool__(self) -> bool:
        return bool(self.creator or self.copyright)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What is shown of a picture before it is loaded."""

    dominant_colour: ColourName
    webp: bytes
    """At most ``PLACEHOLDER_SIDE`` pixels on the long side, to be shown enlarged."""


def make_renditions(image: Image.Image) -> Renditions:
    """Encode what may be served of an 8-bit RGB picture.

    The same pixels give the same bytes, and nothing is enlarged.
    """
    display = _fit(image, DISPLAY_SIDE)
    display_bytes = _to_webp(display)
    if max(display.size) <= THUMBNAIL_SIDE:
        return Renditions(display=display_bytes, thumbnail=display_bytes)
    return Renditions(display=display_bytes, thumbnail=_to_webp(_fit(display, THUMBNAIL_SIDE)))


def make_rendition(
    image: Image.Image,
    side: int,
    kind: RenditionFormat,
    credit: Credit = Credit(),
) -> bytes:
    """Encode a picture at no more than ``side`` pixels on the long side.

    Args:
        image: 8-bit RGB without metadata, as :func:`mlcore.imaging.decode.decode_image` returns it.
        side: Pixels; a picture that is smaller keeps its size.
        kind: What to encode it as.
        credit: What the file says beside its pixels.
    """
    small = _fit(image, side)
    exif = credit.as_exif()
    return _to_webp(small, exif=exif) if kind == "webp" else _to_avif(small, exif)


def make_placeholder(image: Image.Image) -> Placeholder:
    """Tell what an 8-bit RGB picture looks like from afar."""
    return Placeholder(
        dominant_colour=dominant_colour(image),
        webp=_to_webp(_fit(image, PLACEHOLDER_SIDE), PLACEHOLDER_QUALITY),
    )


def _fit(image: Image.Image, side: int) -> Image.Image:
    """Shrink to at most ``side`` pixels on the long side; never enlarge."""
    scale = side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(edge * scale)) for edge in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _to_webp(image: Image.Image, quality: int = WEBP_QUALITY, exif: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    # Said outright, so that no version of Pillow ever carries something over from the source.
    image.save(
        buffer,
        "WEBP",
        quality=quality,
        method=WEBP_METHOD,
        exif=exif,
        xmp=b"",
        icc_profile=b"",
    )
    return buffer.getvalue()


def _to_avif(image: Image.Image, exif: bytes) -> bytes:
    buffer = io.BytesIO()
    image.save(
        buffer,
        "AVIF",
        quality=AVIF_QUALITY,
        speed=AVIF_SPEED,
        max_threads=1,  # pictures are encoded side by side already
        exif=exif,
        xmp=b"",
        icc_profile=b"",
    )
    return buffer.getvalue()
