"""From which addresses a browser may choose, by the size it needs and the formats it knows."""

from dataclasses import dataclass
from functools import lru_cache

from gallery.models import Image


@dataclass(frozen=True, slots=True)
class Sources:
    """One picture in all its sizes; ``srcset`` as HTML has it."""

    page: str
    """Address of the picture's page."""
    avif: str
    webp: str
    fallback: str
    """For browsers that know no ``srcset``."""


def sources(image: Image) -> Sources:
    """List the sizes of a picture, none twice: those smaller than it is, and the largest."""
    page = image.get_absolute_url()
    avif, webp = (
        ", ".join([page + ending for ending in endings])
        for endings in _endings(image.width, image.height)
    )
    return Sources(page, avif, webp, f"{page}{Image.RENDITION_SIDES[1]}.webp")


@lru_cache(maxsize=1024)  # cameras have few formats
def _endings(width: int, height: int) -> tuple[list[str], list[str]]:
    """Return what stands behind the page's address in ``srcset``, for AVIF and for WebP."""
    long_side = max(width, height)
    *smaller, largest = Image.RENDITION_SIDES
    sides = [*(side for side in smaller if side < long_side), largest]
    widths = [round(width * min(1, side / long_side)) or 1 for side in sides]
    sizes = list(zip(sides, widths, strict=True))
    avif, webp = ([f"{side}.{kind} {wide}w" for side, wide in sizes] for kind in ("avif", "webp"))
    return avif, webp
