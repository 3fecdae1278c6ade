"""Bytes that somebody sent become an upright RGB picture, or a refusal with a reason.

This is the only file that opens pictures. The web, the interface for programs, the command line,
imports and query pictures all pass through :func:`decode_image`, so the limits hold everywhere.
Untrusted bytes belong into :mod:`mlcore.decoding`, which runs these functions in a limited process:
besides time and memory, that bounds crashes of a library, such as a damaged HEIC file can cause.
"""

import io
import math
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
import pi_heif
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from mlcore.colours import ColourName, dominant_colour
from mlcore.config import ImageLimits
from mlcore.errors import ImageRejectedError
from mlcore.metadata import read_metadata, read_orientation
from mlcore.words import gettext_noop

PictureFormat: TypeAlias = Literal["JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF"]

ACCEPTED = "JPEG, PNG, WebP, GIF, AVIF, HEIC"
"""The formats by the names people know."""

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

BACKGROUND = (255, 255, 255)
"""RGB behind transparent pixels: the page that most transparent pictures are drawn for."""

# Importing these registers them, so that Image.open never loads Pillow's other forty formats.
_PLUGINS = (AvifImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin)
# The main picture only; one thread, because pictures are already decoded side by side.
pi_heif.register_heif_opener(
    thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
)

# Pillow warns above 89 million pixels and refuses above twice that. ImageLimits is what decides
# here, and it is checked before anything is decoded; Pillow's refusal stays as the outer bound.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Damaged metadata is nobody's concern here, and a log full of it hides what is.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)

# Only to say it in words: none of these is ever opened.
_KNOWN_OTHERS = (
    (b"II*\x00", gettext_noop("this is a TIFF or raw camera file; send %(accepted)s.")),
    (b"MM\x00*", gettext_noop("this is a TIFF or raw camera file; send %(accepted)s.")),
    (b"BM", gettext_noop("this is a BMP picture; send %(accepted)s.")),
    (b"8BPS", gettext_noop("this is a Photoshop document; send %(accepted)s.")),
    (b"%PDF", gettext_noop("this is a PDF document; send %(accepted)s.")),
    (b"%!PS", gettext_noop("this is a PostScript document; send %(accepted)s.")),
    (b"<svg", gettext_noop("this is an SVG drawing; send %(accepted)s.")),
    (b"<?xml", gettext_noop("this is an XML or SVG file; send %(accepted)s.")),
    (b"PK\x03\x04", gettext_noop("this is a zip archive; send %(accepted)s.")),
    (b"\x00\x00\x01\x00", gettext_noop("this is an icon file; send %(accepted)s.")),
    (b"\x00\x00\x00\x0cjP  ", gettext_noop("this is a JPEG 2000 picture; send %(accepted)s.")),
    (b"\xff\x0a", gettext_noop("this is a JPEG XL picture; send %(accepted)s.")),
    (b"\x00\x00\x00\x0cJXL ", gettext_noop("this is a JPEG XL picture; send %(accepted)s.")),
)

# What brings a picture of that EXIF orientation upright (Exif 2.32, section 4.6.4, tag 274).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A picture as people see it."""

    image: Image.Image
    """8-bit RGB, upright, without metadata; smaller than the file where a draft was asked for."""
    format: PictureFormat
    """Told from the bytes, never from a name."""
    width: int
    """Pixels of the upright picture in the file."""
    height: int
    """Pixels of the upright picture in the file."""
    description: str | None
    """From IPTC, XMP or EXIF; see :func:`mlcore.metadata.read_metadata`."""
    taken_at: datetime | None
    """The camera's own clock, without a time zone."""


@dataclass(frozen=True, slots=True)
class Renditions:
    """What may be served: WebP files made from pixels alone."""

    display: bytes
    """At most ``DISPLAY_SIDE`` pixels on the long side."""
    thumbnail: bytes
    """At most ``THUMBNAIL_SIDE`` pixels on the long side."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a picture before it is loaded."""

    colour: ColourName
    placeholder: bytes
    """WebP of at most ``PLACEHOLDER_SIDE`` pixels on the long side, to be shown enlarged."""


def decode_image(
    data: bytes,
    *,
    name: str,
    limits: ImageLimits = ImageLimits(),  # noqa: B008 - frozen
    draft_side: int | None = None,
    draft_long_side: int | None = None,
) -> DecodedImage:
    """Decode one file into an upright 8-bit RGB picture.

    Animated files give their first frame, transparency is laid on white, 16 bits are scaled to 8,
    and an embedded colour profile is applied (to sRGB).

    Args:
        data: The whole file.
        name: What the file is called, for messages only.
        limits: Checked on the file's header, before any pixel is decoded.
        draft_side: The side of the square that will be cut. A JPEG may then be decoded at 1/2, 1/4
            or 1/8, as long as its short side keeps twice as many pixels: much cheaper for a big
            photograph, and the coarse reduction stays out of what an encoder sees.
        draft_long_side: The long side of what will be made; it keeps at least as many pixels.

    Raises:
        ImageRejectedError: whatever is wrong with the file, with a sentence for its owner.
    """
    kind = check_bytes(data, name=name, limits=limits)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as opened:  # noqa: TID251 - the one place
            size = opened.size
            _check_size(size, name, limits)
            if kind == "JPEG" and (draft_side or draft_long_side):
                opened.draft(None, _draft_size(size, draft_side or 0, draft_long_side or 0))
                opened.load()
            else:
                opened.load()
                # A HEIF file may turn out to be of another size than its header said.
                size = opened.size
                _check_size(size, name, limits)
            metadata = read_metadata(opened)
            orientation = read_orientation(opened)
            image = _to_rgb(opened)
            if orientation in _UPRIGHT:
                image = image.transpose(_UPRIGHT[orientation])
    except ImageRejectedError:
        raise
    except Image.DecompressionBombError:
        raise ImageRejectedError(
            name,
            gettext_noop("the picture has more than the limit of %(limit)s million pixels."),
            limit=_most_pixels(limits),
        ) from None
    except MemoryError:
        raise ImageRejectedError(
            name, gettext_noop("decoding it takes more memory than is allowed.")
        ) from None
    except Exception as error:
        # On damaged files Pillow raises SyntaxError, ValueError, struct.error and more.
        raise ImageRejectedError(
            name, gettext_noop("the file is damaged or incomplete and cannot be decoded.")
        ) from error
    image.info = {}
    width, height = size if orientation < 5 else size[::-1]
    return DecodedImage(
        image=image,
        format=kind,
        width=width,
        height=height,
        description=metadata.description,
        taken_at=metadata.taken_at,
    )


def check_bytes(data: bytes, *, name: str, limits: ImageLimits) -> PictureFormat:
    """Return the format that the first bytes tell; nothing is parsed, so this is safe anywhere.

    Raises:
        ImageRejectedError: the file is too large, empty, or in no format that is accepted.
    """
    if len(data) > limits.max_bytes:
        raise ImageRejectedError(
            name,
            gettext_noop("the file holds %(size)s; the limit is %(limit)s."),
            size=_megabytes(len(data)),
            limit=_megabytes(limits.max_bytes),
        )
    if not data:
        raise ImageRejectedError(name, gettext_noop("the file is empty."))
    kind = _sniff(data)
    if kind is None:
        raise ImageRejectedError(name, _why_not_accepted(data), accepted=ACCEPTED)
    return kind


def square(image: Image.Image, side: int) -> Image.Image:
    """Return the centre of ``image`` as a square of ``side`` pixels, bicubic with antialiasing.

    Only the centre square is ever resampled, so the cost does not depend on the aspect ratio: to
    bring the short side to 224 pixels first, as CLIP's own preprocessing does, turns a picture of
    1 x 30,000 pixels into one of 224 x 6,720,000.
    """
    width, height = image.size
    edge = min(width, height)
    left, top = (width - edge) / 2, (height - edge) / 2
    return image.resize(
        (side, side), Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge)
    )


def make_renditions(decoded: DecodedImage) -> Renditions:
    """Encode what may be served; the same pixels give the same bytes, and nothing is enlarged."""
    display = _fit(decoded.image, DISPLAY_SIDE)
    display_bytes = _to_webp(display)
    if max(display.size) <= THUMBNAIL_SIDE:
        return Renditions(display=display_bytes, thumbnail=display_bytes)
    return Renditions(display=display_bytes, thumbnail=_to_webp(_fit(display, THUMBNAIL_SIDE)))


def make_rendition(image: Image.Image, side: int, kind: RenditionFormat) -> bytes:
    """Encode a picture at no more than ``side`` pixels on the long side.

    Args:
        image: 8-bit RGB without metadata, as :func:`decode_image` returns it.
        side: Pixels; a picture that is smaller keeps its size.
        kind: What to encode it as.
    """
    small = _fit(image, side)
    return _to_webp(small) if kind == "webp" else _to_avif(small)


def look_of(image: Image.Image) -> Look:
    """Tell what a picture (8-bit RGB) looks like from afar."""
    return Look(
        colour=dominant_colour(image),
        placeholder=_to_webp(_fit(image, PLACEHOLDER_SIDE), PLACEHOLDER_QUALITY),
    )


def _sniff(data: bytes) -> PictureFormat | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _sniff_brands(data)
    return None


def _sniff_brands(data: bytes) -> PictureFormat | None:
    """Tell AVIF from HEIC: one container, named by its brands (ISO/IEC 23008-12, section 10)."""
    major = data[8:12]
    if major in _AVIF_BRANDS:
        return "AVIF"
    if major not in _HEIF_BRANDS:
        return None
    # "mif1" and "msf1" say only that it is a picture; the compatible brands say of which kind.
    box = data[16 : min(int.from_bytes(data[:4], "big"), 256)]
    compatible = {box[at : at + 4] for at in range(0, len(box), 4)}
    return "AVIF" if major in (b"mif1", b"msf1") and compatible & _AVIF_BRANDS else "HEIF"


def _why_not_accepted(data: bytes) -> str:
    start = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, words in _KNOWN_OTHERS:
        if start.startswith(magic):
            return words
    return gettext_noop("this is not a picture in a format that is accepted; send %(accepted)s.")


def _check_size(size: tuple[int, int], name: str, limits: ImageLimits) -> None:
    width, height = size
    measured = {"width": f"{width:,}", "height": f"{height:,}"}
    if min(size) < limits.min_side:
        raise ImageRejectedError(
            name,
            gettext_noop(
                "the picture measures %(width)s x %(height)s pixels; each side must have at least "
                "%(least)s pixels."
            ),
            **measured,
            least=str(limits.min_side),
        )
    if width * height > limits.max_pixels:
        raise ImageRejectedError(
            name,
            gettext_noop(
                "the picture measures %(width)s x %(height)s pixels: more than the limit of "
                "%(limit)s million pixels."
            ),
            **measured,
            limit=_most_pixels(limits),
        )
    if max(size) > limits.max_aspect * min(size):
        raise ImageRejectedError(
            name,
            gettext_noop(
                "the picture measures %(width)s x %(height)s pixels; one side may be at most "
                "%(times)s times the other."
            ),
            **measured,
            times=f"{limits.max_aspect:g}",
        )


def _most_pixels(limits: ImageLimits) -> str:
    most = min(limits.max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or limits.max_pixels))
    return f"{most / 1e6:.3g}"


def _megabytes(count: int) -> str:
    return f"{count / 2**20:.1f} MB"


def _draft_size(size: tuple[int, int], short: int, long: int) -> tuple[int, int]:
    scale = min(1.0, max(2 * short / min(size), long / max(size)))
    return math.ceil(size[0] * scale), math.ceil(size[1] * scale)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Bring any mode to 8-bit RGB that looks the same; a new image in every case."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        image = _to_eight_bits(image)
    if image.has_transparency_data:
        image = _on_background(image)
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    if profile:
        image = _to_srgb(image, profile)
    return image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; Pillow's own conversion clips everything above 255 to white."""
    deep = np.asarray(image)
    # 65535 / 257 = 255 exactly; half a step is added to round.
    shallow = ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        shallow[deep == transparent] = 255
    return Image.fromarray(shallow)


def _on_background(image: Image.Image) -> Image.Image:
    mode, colour = ("L", 255) if image.mode in ("L", "LA") else ("RGB", BACKGROUND)
    with_alpha = image.convert(mode + "A")
    flat = Image.new(mode, image.size, colour)
    flat.paste(with_alpha, mask=with_alpha.getchannel("A"))
    return flat


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Apply an embedded ICC profile; one that is broken or of another kind is passed over."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        # By far the most common profile says that nothing needs doing.
        if (source.profile.profile_description or "").startswith("sRGB"):
            return image
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return image
    return converted if converted is not None else image


def _fit(image: Image.Image, side: int) -> Image.Image:
    """Shrink to at most ``side`` pixels on the long side; never enlarge."""
    scale = side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(edge * scale)) for edge in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _to_webp(image: Image.Image, quality: int = WEBP_QUALITY) -> bytes:
    buffer = io.BytesIO()
    # Said outright, so that no version of Pillow ever carries something over from the source.
    image.save(
        buffer,
        "WEBP",
        quality=quality,
        method=WEBP_METHOD,
        exif=b"",
        xmp=b"",
        icc_profile=b"",
    )
    return buffer.getvalue()


def _to_avif(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(
        buffer,
        "AVIF",
        quality=AVIF_QUALITY,
        speed=AVIF_SPEED,
        max_threads=1,  # pictures are encoded side by side already
        exif=b"",
        xmp=b"",
        icc_profile=b"",
    )
    return buffer.getvalue()
