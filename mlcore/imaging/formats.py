"""Which formats are accepted, told from a file's first bytes and never from its name."""

from typing import Literal, TypeAlias

from mlcore.config import ImageLimits
from mlcore.errors import ImageRejectedError

PictureFormat: TypeAlias = Literal["JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF", "TIFF"]

ACCEPTED_OF_STRANGERS = "JPEG, PNG, WebP, GIF, AVIF, HEIC"
"""The formats by the names people know."""
ACCEPTED = f"{ACCEPTED_OF_STRANGERS}, TIFF"
"""And what is accepted of those who look after the pictures."""

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)

# In either order of bytes, and of either size of offsets.
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Only to say what it is: none of these is ever opened.
_KNOWN_OTHERS = (
    *((magic, "image.is_tiff") for magic in _TIFF),
    (b"IIRO", "image.is_raw"),
    (b"IIU\0", "image.is_raw"),
    (b"FUJIFILMCCD-RAW", "image.is_raw"),
    (b"BM", "image.is_bmp"),
    (b"8BPS", "image.is_photoshop"),
    (b"%PDF", "image.is_pdf"),
    (b"%!PS", "image.is_postscript"),
    (b"<svg", "image.is_svg"),
    (b"<?xml", "image.is_xml"),
    (b"PK\x03\x04", "image.is_zip"),
    (b"\x00\x00\x01\x00", "image.is_icon"),
    (b"\x00\x00\x00\x0cjP  ", "image.is_jpeg_2000"),
    (b"\xff\x0a", "image.is_jpeg_xl"),
    (b"\x00\x00\x00\x0cJXL ", "image.is_jpeg_xl"),
)


def check_bytes(data: bytes, *, name: str, limits: ImageLimits) -> PictureFormat:
    """Return the format that the first bytes tell; nothing is parsed, so this is safe anywhere.

    Raises:
        ImageRejectedError: the file is too large, empty, or in no format that is accepted.
    """
    if len(data) > limits.max_bytes:
        raise ImageRejectedError(
            name,
            "image.too_many_bytes",
            size=f"{len(data) / 2**20:.1f}",
            limit=f"{limits.max_bytes / 2**20:.1f}",
        )
    if not data:
        raise ImageRejectedError(name, "image.empty")
    kind = _sniff(data)
    accepted = ACCEPTED if limits.accepts_tiff else ACCEPTED_OF_STRANGERS
    if kind is None or (kind == "TIFF" and not limits.accepts_tiff):
        raise ImageRejectedError(name, _why_not_accepted(data), accepted=accepted)
    return kind


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
    return "TIFF" if data.startswith(_TIFF) and data[8:10] != b"CR" else None  # Canon's CR2


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
    for magic, code in _KNOWN_OTHERS:
        if start.startswith(magic):
            return code
    return "image.unknown_format"
