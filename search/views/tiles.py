"""One picture of a gallery, as its template needs it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gallery.models import Image
from gallery.views.sources import Sources, sources
from mlcore.words import Marker
from search.views.reasons import Reason

SHAPE_STEPS = 20
"""Steps of width over height: pictures are shown with sides in the nearest twentieth, for which
gallery.css has a class each. At most one fortieth of a picture is cut off."""
SHAPES = (10, 48)
"""From half as wide as high to 2.4 times; what is narrower or wider shows its middle."""
USUAL_HEIGHT = 190
"""Pixels of a row on a common screen: for browsers that cannot tell how wide a picture will be."""


@dataclass(frozen=True, slots=True)
class Tile:
    image: Image
    relevance: float | None = None
    """Probability that it is what was asked for, 0 to 1; None where nothing was asked."""
    is_weak: bool = False
    divider: str = ""
    """What stands before it to unfold the weak ones, of which it is the first."""
    reason: str = ""
    """Why it was found, in a word."""
    reasons: Sequence[Reason] = ()
    """Why, in full."""
    less_url: str = ""
    """Address of the same search with less of this picture; empty where it has no address."""

    marker: Marker | None = None
    """What marks words in its text."""

    @property
    def pieces(self) -> Iterable[tuple[str, bool]]:
        """The caption in pieces, each with whether it is marked."""
        return self.marker.pieces(self.caption) if self.marker else [(self.caption, False)]

    @property
    def caption(self) -> str:
        return self.image.caption or str(self.image)

    @property
    def sources(self) -> Sources:
        return sources(self.image)

    @property
    def shape(self) -> int:
        """Width over height in steps, within ``SHAPES``."""
        steps = round(SHAPE_STEPS * self.image.width / self.image.height)
        return min(max(steps, SHAPES[0]), SHAPES[1])

    @property
    def width(self) -> int:
        """About how many pixels of a screen it is wide."""
        return USUAL_HEIGHT * self.shape // SHAPE_STEPS

    @property
    def relevance_shown(self) -> str:
        """The relevance as people read it; empty where nothing was asked."""
        if self.relevance is None:
            return ""
        return "< 1 %" if self.relevance < 0.01 else f"{100 * self.relevance:.0f} %"
