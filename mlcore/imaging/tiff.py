"""TIFF 6.0 (Adobe, 1992), as scanners and programs write it: its first whole page, as a picture.

Raw files of cameras are TIFF too. What their first page shows is a small preview, so they are
told apart here: a preview is not the picture.
"""

import numpy as np
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin

from mlcore.errors import ImageRejectedError
from mlcore.imaging.formats import ACCEPTED

_REDUCED = 1
"""Of ``NewSubfileType``: a smaller version of another page."""
_OF_SENSORS = frozenset({32803, 34892})
"""Kinds of colour that a sensor has: a mosaic, or light before it is developed."""
_WHITE_IS_ZERO = 0
_PAGES = 16
"""Looked through for one that is whole."""


def to_first_page(opened: TiffImagePlugin.TiffImageFile, name: str) -> None:
    """Go to the first page that is not a reduced version of another, before anything is decoded.

    Raises:
        ImageRejectedError: there is none, it is a raw file, or its pixels are no shades of 8 or 16
            bits.
    """
    for page in range(_PAGES):
        try:
            opened.seek(page)
        except EOFError:
            break
        tags = opened.tag_v2
        if (
            ExifTags.Base.DNGVersion in tags
            or tags.get(ExifTags.Base.PhotometricInterpretation) in _OF_SENSORS
        ):
            break
        if not int(tags.get(ExifTags.Base.NewSubfileType, 0)) & _REDUCED:
            if opened.mode in ("I", "F"):
                raise ImageRejectedError(name, "image.is_deep")
            return
    raise ImageRejectedError(name, "image.is_raw", accepted=ACCEPTED)


def as_seen(opened: TiffImagePlugin.TiffImageFile) -> Image.Image:
    """Return the pixels that were loaded in a mode that other formats have too."""
    if opened.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        seen = ImageCms.profileToProfile(
            opened, lab, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
        assert seen is not None  # noqa: S101  (only where it is changed in place)
        seen.info.pop("icc_profile", None)
        return seen
    is_negative = opened.tag_v2.get(ExifTags.Base.PhotometricInterpretation) == _WHITE_IS_ZERO
    if is_negative and opened.mode.startswith("I;16"):  # Pillow turns those of 8 bits by itself
        return Image.fromarray(65535 - np.asarray(opened))
    return opened
