"""Plots as SVG, to be put into a page as they are: no script, no style attribute, no library.

Each is one ``<svg role="img">`` with a title and a description. Text and axes take the colour of
the page (``currentColor``); the colours of the series stand out on light and on dark grounds alike
(3 to 1 or more), and each series has its own dashes and marks, so that nothing hangs on colour. A
page may restyle it by the classes ``plot``, ``plot-grid`` and ``plot-series-1`` and so on. The same
input gives the same bytes.

The drawing is 400 units wide, so that its text stays readable on a telephone.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from mlcore.words import figure, gettext


class Svg(str):
    """Markup that is whole: whatever others wrote is escaped in it, as the tests show.

    A template engine asks by ``__html__`` whether it still has to escape something.
    """

    __slots__ = ()

    def __html__(self) -> str:
        return self


Point = tuple[float, float]
Interval = tuple[float, float]

_WIDTH = 400.0
_TEXT = 12.5
"""Height of the letters; 10 pixels on a screen that leaves 320 to the plot."""
_LINE = 17.0
"""From one line of text to the next."""
_LETTER = 6.4
"""Mean width of a letter: text is laid out without measuring it."""
_EDGE = 6.0
"""What is kept free at the right and left."""

_COLOURS = ("#12897c", "#c9641b", "#6d6fd6", "#b64f8d", "#768016", "#7d868e")
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "4 2", "1 3")

_MOST_POINTS = 240
"""A longer line is drawn as means of neighbours: more could not be told apart."""
_MARKED = 20
"""Lines of at most so many points show each of them."""


def lines(
    series: Mapping[str, Sequence[Point]],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    intervals: Mapping[str, Sequence[Interval]] | None = None,
    y_range: Interval | None = None,
    x_ticks: Sequence[float] | None = None,
) -> Svg:
    """Draw one line for each series.

    Args:
        series: name to points (x, y), in the order they are joined. Points that are not finite
            leave a gap.
        title: stands above the plot and is its accessible name.
        x_label: what x counts, with its unit.
        y_label: what y measures, with its unit.
        intervals: name to (low, high) for each point of that series, drawn as whiskers.
        y_range: the least that the y axis shows; round numbers around the data where not given.
        x_ticks: where the x axis is marked; round numbers where not given.
    """
    thin = {name: _thinned(points) for name, points in series.items()}
    whiskers = {
        name: list(zip(thin[name], spans, strict=True)) for name, spans in (intervals or {}).items()
    }
    xs = [x for points in thin.values() for x, _ in points if math.isfinite(x)]
    ys = [y for points in thin.values() for _, y in points if math.isfinite(y)]
    ys += [end for spans in whiskers.values() for _, span in spans for end in span]
    head = _head(title, y_label, list(series) if len(series) > 1 else [])
    if not xs or not ys:
        return _nothing_to_draw(head, title)
    x_axis = _axis(xs, ticks=x_ticks, whole=all(float(x).is_integer() for x in xs))
    y_axis = _axis([*ys, *(y_range or ())])
    frame = _Frame.around(head, x_axis, y_axis, has_x_label=bool(x_label))
    parts = [*head.parts, *_grid(frame, x_label)]
    for number, (name, points) in enumerate(thin.items()):
        parts.append(_path(frame, points, number))
        parts += (
            _whisker(frame.x(x), frame.y(low), frame.y(high), number, upright=True)
            for (x, _), (low, high) in whiskers.get(name, [])
        )
        if len(points) <= _MARKED:
            parts += (
                _mark(frame.x(x), frame.y(y), number, f"{name}: {_spell(x)}, {_spell(y)}")
                for x, y in points
                if math.isfinite(x) and math.isfinite(y)
            )
    return _svg(frame.height, title, _describe_lines(series, x_label, y_label), parts)


def bars(
    values: Mapping[str, float],
    *,
    title: str,
    x_label: str = "",
    intervals: Mapping[str, Interval] | None = None,
    references: Mapping[str, float] | None = None,
    reference_label: str = "",
    x_range: Interval | None = None,
) -> Svg:
    """Draw one bar for each value, lying, from zero; its figure stands beside its name.

    Args:
        values: label to length; negative ones go to the left.
        title: stands above the plot and is its accessible name.
        x_label: what the values measure, with their unit.
        intervals: label to (low, high), drawn as a whisker over the bar.
        references: label to a value of elsewhere, drawn as an upright stroke across the bar.
        reference_label: what the strokes are, for the legend.
        x_range: the least that the axis shows.
    """
    intervals, references = intervals or {}, references or {}
    head = _head(title, "", [])
    if not values:
        return _nothing_to_draw(head, title)
    ends = [0.0, *values.values(), *references.values(), *(x_range or ())]
    axis = _axis([*ends, *(end for span in intervals.values() for end in span)])
    figures = _alike([*values.values(), *(end for span in intervals.values() for end in span)])
    rows = 36.0
    top = head.bottom + (_LINE if references else 0.0)
    bottom = top + rows * len(values)
    # The figures below stand in the middle of their ticks, also at both ends.
    left, right = (_EDGE + len(axis.ticks[end][1]) * _LETTER / 2 for end in (0, -1))
    frame = _Frame(left, _WIDTH - right, top, bottom, axis, None, bool(x_label))
    parts = list(head.parts)
    if references:
        stroke = _line(_EDGE + 4, head.bottom - 5, _EDGE + 4, head.bottom + 7, "plot-reference", 2)
        parts += [
            stroke,
            _text(_EDGE + 12, head.bottom + 6, reference_label or gettext("reference")),
        ]
    parts += _scale(frame, x_label)
    for row, (label, value) in enumerate(values.items()):
        y = top + row * rows
        parts += (
            _line(
                frame.x(tick),
                y + 15,
                frame.x(tick),
                y + 31,
                "plot-axis" if tick == 0 else "plot-grid",
            )
            for tick, _ in axis.ticks
        )
        start, end = sorted((frame.x(0.0), frame.x(value)))
        span = intervals.get(label)
        shown = figures(value)
        if span:
            low, high = figures(span[0]), figures(span[1])
            shown += f" ({gettext('%(low)s to %(high)s') % {'low': low, 'high': high}})"
        parts.append(_text(frame.left, y + 12, label))
        parts.append(_text(frame.right, y + 12, shown, anchor="end", heavy=True))
        parts.append(
            f'<rect class="plot-series-1" x="{start:.1f}" y="{y + 17:.1f}" '
            f'width="{end - start:.1f}" height="12" fill="{_COLOURS[0]}" fill-opacity="0.75"/>'
        )
        if span:
            parts.append(_whisker(frame.x(span[0]), y + 23, frame.x(span[1]), None, upright=False))
        if label in references:
            x = frame.x(references[label])
            parts.append(_line(x, y + 14, x, y + 32, "plot-reference", 2))
    words = "; ".join(f"{label}: {_spell(value)}" for label, value in values.items())
    return _svg(frame.height, title, gettext("Bars. %(values)s.") % {"values": words}, parts)


def histogram(
    values: Iterable[float],
    *,
    edges: Sequence[int],
    title: str,
    x_label: str = "",
    y_label: str = "",
) -> Svg:
    """Draw how many values fall into each of some ranges of whole numbers.

    Args:
        values: what is counted, none below the first edge.
        edges: where each range begins, ascending; the last one is open.
        title: stands above the plot and is its accessible name.
        x_label: what the values are.
        y_label: what is counted.

    Raises:
        ValueError: a value lies below the first edge, or the edges do not ascend.
    """
    counts = _count(values, edges)
    labels = [
        _range_label(start, end) for start, end in zip(edges, [*edges[1:], None], strict=True)
    ]
    head = _head(title, y_label, [])
    total = sum(counts)
    if not total:
        return _nothing_to_draw(head, title)
    y_axis = _axis([0, *counts], whole=True)
    # Room above the tallest column for its share.
    frame = _Frame.around(head, None, y_axis, has_x_label=bool(x_label), above=14.0)
    parts = [*head.parts, *_grid(frame, x_label)]
    step = (frame.right - frame.left) / len(counts)
    for place, (label, count) in enumerate(zip(labels, counts, strict=True)):
        x, y = frame.left + place * step, frame.y(count)
        middle = x + step / 2
        parts.append(
            f'<rect class="plot-series-1" x="{x + 2:.1f}" y="{y:.1f}" width="{step - 4:.1f}" '
            f'height="{frame.bottom - y:.1f}" fill="{_COLOURS[0]}" fill-opacity="0.75">'
            f"<title>{escape(label)}: {count:,}</title></rect>"
        )
        parts.append(_text(middle, y - 4, f"{100 * count / total:.0f} %", anchor="middle"))
        parts.append(_text(middle, frame.bottom + 15, label, anchor="middle"))
    words = "; ".join(f"{label}: {count:,}" for label, count in zip(labels, counts, strict=True))
    return _svg(frame.height, title, gettext("Columns. %(values)s.") % {"values": words}, parts)


def round_ticks(low: float, high: float, *, about: int = 5, whole: bool = False) -> list[float]:
    """Return evenly spaced round numbers (1, 2 or 5 times a power of ten) that enclose a range.

    Args:
        low: where the range begins.
        high: where it ends, not below ``low``; an empty range is widened.
        about: how many steps are wanted; up to twice as many, or half, may come.
        whole: no step below 1.
    """
    if high - low < 1e-12 * max(abs(low), abs(high), 1e-12):
        margin = abs(low) / 2 or 0.5
        low, high = low - margin, high + margin
    rough = (high - low) / about
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough * 0.999)
    if whole:
        step = max(1.0, round(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * number for number in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    @property
    def widest(self) -> float:
        return max(len(label) for _, label in self.ticks) * _LETTER


def _axis(
    values: Sequence[float], *, ticks: Sequence[float] | None = None, whole: bool = False
) -> _Axis:
    low, high = min(values), max(values)
    if ticks is None:
        marks = round_ticks(low, high, whole=whole)
        low, high = marks[0], marks[-1]
    else:
        marks = list(ticks)
        low, high = min(low, *marks), max(high, *marks)
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = min((b - a for a, b in itertools.pairwise(marks)), default=1.0)
    return _Axis(low, high, tuple((mark, _tick_label(mark, step)) for mark in marks))


def _tick_label(value: float, step: float) -> str:
    if value == 0:
        return "0"
    if step < 1e-4:
        # As many digits as tell one tick from the next, where a small range lies far from 0.
        digits = math.floor(math.log10(abs(value)) + 1e-9) - math.floor(math.log10(step) + 1e-9)
        mantissa, _, exponent = f"{value:.{max(0, digits)}e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return figure(value, f",.{decimals}f").replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True, slots=True)
class _Head:
    """What stands above the plot: title, legend, and what y measures."""

    parts: tuple[str, ...]
    bottom: float


def _head(title: str, y_label: str, names: Sequence[str]) -> _Head:
    parts = [_text(_EDGE, 15, title, heavy=True)]
    y = 15.0
    if names:
        y += _LINE + 2
        x = _EDGE
        for number, name in enumerate(names):
            width = 30 + len(name) * _LETTER + 12
            if x > _EDGE and x + width > _WIDTH:
                x, y = _EDGE, y + _LINE
            parts.append(_stroke(f"M{x:.1f} {y - 4:.1f}h22", number))
            parts.append(_mark(x + 11, y - 4, number))
            parts.append(_text(x + 28, y, name))
            x += width
    if y_label:
        y += _LINE
        parts.append(_text(_EDGE, y, y_label, soft=True))
    return _Head(tuple(parts), y + 12)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the data is drawn, and how a value becomes a place."""

    left: float
    right: float
    top: float
    bottom: float
    x_axis: _Axis | None
    y_axis: _Axis | None
    has_x_label: bool

    @classmethod
    def around(
        cls,
        head: _Head,
        x_axis: _Axis | None,
        y_axis: _Axis,
        *,
        has_x_label: bool,
        above: float = 0.0,
    ) -> "_Frame":
        left = _EDGE + y_axis.widest + 8
        overhang = len(x_axis.ticks[-1][1]) * _LETTER / 2 if x_axis else 0.0
        top = head.bottom + above
        return cls(left, _WIDTH - _EDGE - overhang, top, top + 150, x_axis, y_axis, has_x_label)

    @property
    def height(self) -> float:
        return self.bottom + 22 + (_LINE if self.has_x_label else 0)

    def x(self, value: float) -> float:
        assert self.x_axis is not None  # noqa: S101  (only plots with such an axis ask)
        share = (value - self.x_axis.low) / (self.x_axis.high - self.x_axis.low)
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        assert self.y_axis is not None  # noqa: S101  (only plots with such an axis ask)
        share = (value - self.y_axis.low) / (self.y_axis.high - self.y_axis.low)
        return self.bottom - share * (self.bottom - self.top)


def _grid(frame: _Frame, x_label: str) -> Iterator[str]:
    """Draw thin lines at the ticks, and the axis that the data stands on, with their figures."""
    if frame.y_axis:
        for value, label in frame.y_axis.ticks:
            y = frame.y(value)
            yield _line(frame.left, y, frame.right, y, "plot-grid")
            yield _text(frame.left - 6, y + 4, label, anchor="end", soft=True)
    if frame.x_axis:
        for value, _ in frame.x_axis.ticks:
            x = frame.x(value)
            yield _line(x, frame.top, x, frame.bottom + 4, "plot-grid")
    yield _line(frame.left, frame.bottom, frame.right, frame.bottom, "plot-axis")
    yield from _scale(frame, x_label)


def _scale(frame: _Frame, x_label: str) -> Iterator[str]:
    """Write the figures below the plot, and what they measure."""
    if frame.x_axis:
        for value, label in frame.x_axis.ticks:
            yield _text(frame.x(value), frame.bottom + 17, label, anchor="middle", soft=True)
    if x_label:
        middle = (frame.left + frame.right) / 2
        yield _text(middle, frame.bottom + 17 + _LINE, x_label, anchor="middle", soft=True)


def _path(frame: _Frame, points: Sequence[Point], number: int) -> str:
    steps = []
    pen = "M"
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        steps.append(f"{pen}{frame.x(x):.1f} {frame.y(y):.1f}")
        pen = "L"
    return _stroke("".join(steps), number)


def _stroke(path: str, number: int) -> str:
    dashes = _DASHES[number % len(_DASHES)]
    return (
        f'<path class="plot-series-{number % len(_COLOURS) + 1}" d="{path}" fill="none" '
        f'stroke="{_COLOURS[number % len(_COLOURS)]}" stroke-width="2" stroke-linejoin="round"'
        + (f' stroke-dasharray="{dashes}"' if dashes else "")
        + "/>"
    )


_MARKS = (
    "M{x:.1f} {y:.1f}m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0",
    "M{x:.1f} {y:.1f}m-3.2-3.2h6.4v6.4h-6.4z",
    "M{x:.1f} {y:.1f}m0-4.2l4.2 7.2h-8.4z",
    "M{x:.1f} {y:.1f}m0-4.6l4.6 4.6l-4.6 4.6l-4.6-4.6z",
)


def _mark(x: float, y: float, number: int, words: str = "") -> str:
    shape = _MARKS[number % len(_MARKS)].format(x=x, y=y)
    told = f"<title>{escape(words)}</title>" if words else ""
    colour = _COLOURS[number % len(_COLOURS)]
    return f'<path class="plot-mark" d="{shape}" fill="{colour}">{told}</path>'


def _whisker(along: float, start: float, end: float, number: int | None, *, upright: bool) -> str:
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
    colour = "currentColor" if number is None else _COLOURS[number % len(_COLOURS)]
    return f'<path class="plot-whisker" d="{path}" fill="none" stroke="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, name: str, width: float = 1) -> str:
    faint = ' stroke-opacity="0.16"' if name == "plot-grid" else ""
    return (
        f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="currentColor" stroke-width="{width:g}"{faint}/>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    heavy: bool = False,
    soft: bool = False,
) -> str:
    more = "" if anchor == "start" else f' text-anchor="{anchor}"'
    more += ' font-weight="600"' if heavy else ""
    more += ' fill-opacity="0.75"' if soft else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(words)}</text>'


def _svg(height: float, title: str, description: str, parts: Iterable[str]) -> Svg:
    return Svg(
        f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" role="img" '
        f"aria-label={quoteattr(title)} "
        f'viewBox="0 0 {_WIDTH:.0f} {height:.0f}" width="{_WIDTH:.0f}" height="{height:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="{_TEXT}" fill="currentColor">'
        f"<desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )


def _nothing_to_draw(head: _Head, title: str) -> Svg:
    words = gettext("Nothing has been measured yet.")
    note = _text(_EDGE, head.bottom + 14, words, soft=True)
    return _svg(head.bottom + 30, title, words, [*head.parts, note])


def _thinned(points: Sequence[Point]) -> list[Point]:
    if len(points) <= _MOST_POINTS:
        return list(points)
    bounds = [round(n * len(points) / _MOST_POINTS) for n in range(_MOST_POINTS + 1)]
    groups = [points[a:b] for a, b in itertools.pairwise(bounds)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]


def _count(values: Iterable[float], edges: Sequence[int]) -> list[int]:
    if any(a >= b for a, b in itertools.pairwise(edges)):
        raise ValueError("the edges of a histogram must ascend")
    counts = [0] * len(edges)
    for value in values:
        if not value >= edges[0]:
            raise ValueError(f"{value} lies below the first edge, {edges[0]}")
        counts[sum(value >= edge for edge in edges) - 1] += 1
    return counts


def _range_label(start: int, end: int | None) -> str:
    if end is None:
        return f"{start:,}+"
    return f"{start:,}" if end == start + 1 else f"{start:,}\N{EN DASH}{end - 1:,}"


def _spell(value: float) -> str:
    """Write a value with three significant digits or more, as a person would."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) < 1e-3:
        return f"{value:.2e}"
    decimals = 0 if float(value).is_integer() else max(0, 2 - math.floor(math.log10(abs(value))))
    return figure(value, f",.{min(decimals, 3)}f").replace("-", "\N{MINUS SIGN}")


def _alike(values: Sequence[float]) -> Callable[[float], str]:
    """Return what writes these values with the same number of decimals."""
    largest = max(map(abs, values))
    decimals = 3 if largest < 10 else 1 if largest < 1000 else 0

    def write(value: float) -> str:
        return figure(value, f",.{decimals}f").replace("-", "\N{MINUS SIGN}")

    return write


def _describe_lines(series: Mapping[str, Sequence[Point]], x_label: str, y_label: str) -> str:
    def one(name: str, points: Sequence[Point]) -> str:
        if not points:
            return gettext("%(name)s: no points") % {"name": name}
        (x0, y0), (x1, y1) = points[0], points[-1]
        ends = {"y0": _spell(y0), "x0": _spell(x0), "y1": _spell(y1), "x1": _spell(x1)}
        return gettext("%(name)s: from %(y0)s at %(x0)s to %(y1)s at %(x1)s") % {
            "name": name,
            **ends,
        }

    named = {"y": y_label or gettext("Values"), "x": x_label or "x"}
    axes = gettext("%(y)s against %(x)s.") % named + " "
    return axes + "; ".join(one(name, points) for name, points in series.items()) + "."
