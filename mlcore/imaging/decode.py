"""Bytes that somebody sent become an upright RGB picture, or a refusal with a reason.

This is the only file that opens pictures. The web, the interface for programs, the command line,
imports and query pictures all pass through :func:`decode_image`, so the limits hold everywhere.
Untrusted bytes belong into :mod:`mlcore.imaging.sandbox`, which runs these functions in a limited
process: besides time and memory, that bounds crashes of a library, such as a damaged HEIC file can
cause.
"""

import io
import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pi_heif
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from mlcore.config import ImageLimits
from mlcore.errors import ImageRejectedError
from mlcore.imaging import mending, tiff
from mlcore.imaging.formats import PictureFormat, check_bytes
from mlcore.imaging.metadata import read_metadata, read_orientation
from mlcore.metadata.photo import PhotoMetadata

BACKGROUND = (255, 255, 255)
"""RGB behind transparent pixels: the page that most transparent pictures are drawn for."""

# Importing these registers them, so that Image.open never loads Pillow's other forty formats.
_PLUGINS = (
    AvifImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
# The main picture only; one thread, because pictures are already decoded side by side.
pi_heif.register_heif_opener(
    thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
)

# Pillow warns above 89 million pixels and refuses above twice that. ImageLimits is what decides
# here, and it is checked before anything is decoded; Pillow's refusal stays as the outer bound.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Damaged metadata is nobody's concern here, and a log full of it hides what is.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

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
    metadata: PhotoMetadata
    """What the file says about itself; see :func:`mlcore.imaging.metadata.read_metadata`."""
    notes: tuple[str, ...] = ()
    """Codes of what was odd about the file, though its pixels could be read."""


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
    sides = (draft_side, draft_long_side)
    try:
        return _decode(data, kind, name, limits, *sides)
    except ImageRejectedError as error:
        if error.reason.code != "image.damaged":
            raise
        is_open = not isinstance(error.__cause__, UnidentifiedImageError)
        mended = _mended(data, kind, name, limits, sides, is_open=is_open)
        if mended is None:
            raise
        return mended


def _mended(
    data: bytes,
    kind: PictureFormat,
    name: str,
    limits: ImageLimits,
    sides: tuple[int | None, int | None],
    *,
    is_open: bool,
) -> DecodedImage | None:
    """Decode what is damaged outside of its pixels only; None where that is not so.

    ``is_open`` where Pillow could read what stands before the pixels.
    """
    if kind == "PNG":
        decoded = _decode(mending.without_extras(data), kind, name, limits, *sides)
        return replace(decoded, notes=("note.extras_damaged",))
    if kind == "JPEG" and not is_open:
        decoded = _decode(mending.without_notes(data), kind, name, limits, *sides)
        return replace(decoded, notes=("note.extras_damaged",))
    if kind != "JPEG" or not mending.ends_early(data):
        return None
    decoded = _decode(mending.with_end(data), kind, name, limits, *sides)
    shorter = _decode(mending.without_tail(data), kind, name, limits, *sides)
    if not mending.is_nearly_whole(decoded.image, shorter.image):
        return None
    return replace(decoded, notes=("note.end_missing",))


def _decode(
    data: bytes,
    kind: PictureFormat,
    name: str,
    limits: ImageLimits,
    draft_side: int | None,
    draft_long_side: int | None,
) -> DecodedImage:
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as opened:  # noqa: TID251 - the one place
            if isinstance(opened, TiffImagePlugin.TiffImageFile):
                tiff.to_first_page(opened, name)
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
            loaded: Image.Image = opened
            if isinstance(opened, TiffImagePlugin.TiffImageFile):
                loaded = tiff.as_seen(opened)
            image = _to_rgb(loaded)
            if orientation in _UPRIGHT:
                image = image.transpose(_UPRIGHT[orientation])
    except ImageRejectedError:
        raise
    except Image.DecompressionBombError:
        raise ImageRejectedError(name, "image.bomb", limit=_most_pixels(limits)) from None
    except MemoryError:
        raise ImageRejectedError(name, "image.too_much_memory") from None
    except UnidentifiedImageError as error:
        code = "image.odd_tiff" if kind == "TIFF" else "image.damaged"
        raise ImageRejectedError(name, code) from error
    except Exception as error:
        # On damaged files Pillow raises SyntaxError, ValueError, struct.error and more.
        raise ImageRejectedError(name, "image.damaged") from error
    image.info = {}
    width, height = size if orientation < 5 else size[::-1]
    return DecodedImage(
        image=image,
        format=kind,
        width=width,
        height=height,
        metadata=metadata,
    )


def square(image: Image.Image, side: int) -> Image.Image:
    """Return the centre of ``image`` as a square of ``side`` pixels, bicubic with antialiasing.

    Only the centre square is ever resampled, so the cost does not depend on the aspect ratio: to
    bring the short side to 224 pixels first, as CLIP's own preprocessing does, turns a picture of
    1 x 30,000 pixels into one of 224 x 6,720,000.
    """
    return _square_at(image, side, 0.5)


def ends(image: Image.Image, side: int) -> list[Image.Image]:
    """Return the squares at both ends of the long side, the left or upper one first."""
    return [_square_at(image, side, share) for share in (0.0, 1.0)]


def _square_at(image: Image.Image, side: int, share: float) -> Image.Image:
    """Return the square that has this share of what it leaves out to its left or above it."""
    width, height = image.size
    edge = min(width, height)
    left, top = share * (width - edge), share * (height - edge)
    return image.resize(
        (side, side), Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge)
    )


MIDDLE_SQUARES = 3
"""Squares along the long side that :func:`middle` keeps."""


def middle(image: Image.Image, side: int) -> Image.Image:
    """Return the middle of ``image`` with ``side`` pixels on the short side, and on the long side
    as many as there are, up to ``MIDDLE_SQUARES`` times as many.

    The :func:`square` of it is that of ``image``, pixel by pixel.
    """
    edge = min(image.size)
    # Even margins on both sides keep the pixels of the square where they were.
    sides = [
        side + 2 * int((min(each, MIDDLE_SQUARES * edge) - edge) / edge * side / 2)
        for each in image.size
    ]
    spans = [each * edge / side for each in sides]
    left, top = ((each - span) / 2 for each, span in zip(image.size, spans, strict=True))
    box = (left, top, left + spans[0], top + spans[1])
    return image.resize((sides[0], sides[1]), Image.Resampling.BICUBIC, box=box)


def small(image: Image.Image, side: int) -> Image.Image:
    """Return ``image`` with at most ``side`` pixels on the long side; never enlarged."""
    scale = min(1.0, side / max(image.size))
    width, height = (max(1, round(edge * scale)) for edge in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def _check_size(size: tuple[int, int], name: str, limits: ImageLimits) -> None:
    width, height = size
    measured = {"width": width, "height": height}
    if min(size) < limits.min_side:
        raise ImageRejectedError(name, "image.too_small", **measured, least=limits.min_side)
    if width * height > limits.max_pixels:
        limit = _most_pixels(limits)
        raise ImageRejectedError(name, "image.too_many_pixels", **measured, limit=limit)
    if max(size) > limits.max_aspect * min(size):
        times = f"{limits.max_aspect:g}"
        raise ImageRejectedError(name, "image.too_long", **measured, times=times)


def _most_pixels(limits: ImageLimits) -> str:
    most = min(limits.max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or limits.max_pixels))
    return f"{most / 1e6:.3g}"


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
