"""From which addresses a browser may choose, by the size it needs and the formats it knows."""

from dataclasses import dataclass

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
    long_side = max(image.width, image.height)
    *smaller, largest = Image.RENDITION_SIDES
    sides = [*(side for side in smaller if side < long_side), largest]
    widths = [round(image.width * min(1, side / long_side)) or 1 for side in sides]
    avif, webp = (
        ", ".join(
            f"{page}{side}.{kind} {width}w" for side, width in zip(sides, widths, strict=True)
        )
        for kind in ("avif", "webp")
    )
    return Sources(page, avif, webp, f"{page}{Image.RENDITION_SIDES[1]}.webp")
