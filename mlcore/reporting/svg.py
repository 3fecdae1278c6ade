"""The parts of a drawing as SVG, to be put into a page as it is: no script, no style attribute.

Each drawing is one ``<svg role="img">`` with a title and a description. Text and axes take the
colour of the page (``currentColor``); the colours of the series stand out on light and on dark
grounds alike (3 to 1 or more), and each series has its own dashes and marks, so that nothing hangs
on colour. A page may restyle it by the classes ``plot``, ``plot-grid`` and ``plot-series-1`` and so
on. The same input gives the same bytes.

The drawing is 400 units wide, so that its text stays readable on a telephone.
"""

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr


class Svg(str):
    """Markup that is whole: whatever others wrote is escaped in it, as the tests show.

    A template engine asks by ``__html__`` whether it still has to escape something.
    """

    __slots__ = ()

    def __html__(self) -> str:
        return self


WIDTH = 400.0
"""Of every drawing, in its own units."""
_TEXT = 12.5
"""Height of the letters; 10 pixels on a screen that leaves 320 to the plot."""
LINE = 17.0
"""From one line of text to the next."""
LETTER = 6.4
"""Mean width of a letter: text is laid out without measuring it."""
EDGE = 6.0
"""What is kept free at the right and left."""

COLOURS = ("#12897c", "#c9641b", "#6d6fd6", "#b64f8d", "#768016", "#7d868e")
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "4 2", "1 3")

_INK, _GROUND = "#222222", "#ffffff"


_MARKS = (
    "M{x:.1f} {y:.1f}m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0",
    "M{x:.1f} {y:.1f}m-3.2-3.2h6.4v6.4h-6.4z",
    "M{x:.1f} {y:.1f}m0-4.2l4.2 7.2h-8.4z",
    "M{x:.1f} {y:.1f}m0-4.6l4.6 4.6l-4.6 4.6l-4.6-4.6z",
)


def stroke(path: str, number: int) -> str:
    """Draw a path in the colour and dashes of a series."""
    dashes = _DASHES[number % len(_DASHES)]
    return (
        f'<path class="plot-series-{number % len(COLOURS) + 1}" d="{path}" fill="none" '
        f'stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="2" stroke-linejoin="round"'
        + (f' stroke-dasharray="{dashes}"' if dashes else "")
        + "/>"
    )


def mark(x: float, y: float, number: int, words: str = "") -> str:
    """Draw the mark of a series at a point; ``words`` are shown where it is pointed at."""
    shape = _MARKS[number % len(_MARKS)].format(x=x, y=y)
    told = f"<title>{escape(words)}</title>" if words else ""
    colour = COLOURS[number % len(COLOURS)]
    return f'<path class="plot-mark" d="{shape}" fill="{colour}">{told}</path>'


def whisker(along: float, start: float, end: float, number: int | None, *, upright: bool) -> str:
    """Draw an interval: upright at x, from y to y; or lying from x (``along``) at y, to x."""
    if upright:
        path = (
            f"M{along - 4:.1f} {start:.1f}h8M{along:.1f} {start:.1f}V{end:.1f}"
            f"M{along - 4:.1f} {end:.1f}h8"
        )
    else:
        path = (
            f"M{along:.1f} {start - 4:.1f}v8M{along:.1f} {start:.1f}H{end:.1f}"
            f"M{end:.1f} {start - 4:.1f}v8"
        )
    colour = "currentColor" if number is None else COLOURS[number % len(COLOURS)]
    return f'<path class="plot-whisker" d="{path}" fill="none" stroke="{colour}"/>'


def line(x1: float, y1: float, x2: float, y2: float, name: str, width: float = 1) -> str:
    """Draw a straight line of the class ``name``."""
    faint = ' stroke-opacity="0.16"' if name == "plot-grid" else ""
    return (
        f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="currentColor" stroke-width="{width:g}"{faint}/>'
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    heavy: bool = False,
    soft: bool = False,
) -> str:
    """Write one line of text."""
    more = "" if anchor == "start" else f' text-anchor="{anchor}"'
    more += ' font-weight="600"' if heavy else ""
    more += ' fill-opacity="0.75"' if soft else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(words)}</text>'


def drawing(height: float, title: str, description: str, parts: Iterable[str]) -> Svg:
    """Put a drawing together; ``description`` is for those who cannot see it."""
    return Svg(
        f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" role="img" '
        f"aria-label={quoteattr(title)} "
        f'viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}" height="{height:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="{_TEXT}" fill="currentColor">'
        f"<desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )


def standing_alone(plot: Svg) -> str:
    """Give a drawing its own ground: a file of its own has no page whose colours it could take."""
    start, tag, rest = plot.partition("<desc>")
    ground = f'<rect width="100%" height="100%" fill="{_GROUND}"/>'
    return (start + ground + tag + rest).replace("currentColor", _INK) + "\n"
