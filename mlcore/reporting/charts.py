"""Charts of lines, bars and counts, as SVG; see :mod:`.svg` for what they look like in a page."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from mlcore.i18n import figure, gettext
from mlcore.reporting.axes import Axis, alike, axis_of, log_axis, spell
from mlcore.reporting.svg import (
    COLOURS,
    EDGE,
    LETTER,
    LINE,
    WIDTH,
    Svg,
    drawing,
    line,
    mark,
    stroke,
    text,
    whisker,
)

Point = tuple[float, float]
Interval = tuple[float, float]

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
    log: bool = False,
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
        log: both axes are logarithmic, marked at powers of ten; every value is above zero.
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
    ys += y_range or ()
    if log:
        x_axis, y_axis = log_axis(xs), log_axis(ys)
    else:
        x_axis = axis_of(xs, ticks=x_ticks, whole=all(float(x).is_integer() for x in xs))
        y_axis = axis_of(ys)
    frame = _Frame.around(head, x_axis, y_axis, has_x_label=bool(x_label))
    parts = [*head.parts, *_grid(frame, x_label)]
    for number, (name, points) in enumerate(thin.items()):
        parts.append(_path(frame, points, number))
        parts += (
            whisker(frame.x(x), frame.y(low), frame.y(high), number, upright=True)
            for (x, _), (low, high) in whiskers.get(name, [])
        )
        if len(points) <= _MARKED:
            parts += (
                mark(frame.x(x), frame.y(y), number, f"{name}: {spell(x)}, {spell(y)}")
                for x, y in points
                if math.isfinite(x) and math.isfinite(y)
            )
    return drawing(frame.height, title, _describe_lines(series, x_label, y_label), parts)


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
    axis = axis_of([*ends, *(end for span in intervals.values() for end in span)])
    figures = alike([*values.values(), *(end for span in intervals.values() for end in span)])
    rows = 36.0
    top = head.bottom + (LINE if references else 0.0)
    bottom = top + rows * len(values)
    # The figures below stand in the middle of their ticks, also at both ends.
    left, right = (EDGE + len(axis.ticks[end][1]) * LETTER / 2 for end in (0, -1))
    frame = _Frame(left, WIDTH - right, top, bottom, axis, None, bool(x_label))
    parts = list(head.parts)
    if references:
        sample = line(EDGE + 4, head.bottom - 5, EDGE + 4, head.bottom + 7, "plot-reference", 2)
        parts += [
            sample,
            text(EDGE + 12, head.bottom + 6, reference_label or gettext("reference")),
        ]
    parts += _scale(frame, x_label)
    for row, (label, value) in enumerate(values.items()):
        y = top + row * rows
        parts += (
            line(
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
        parts.append(text(frame.left, y + 12, label))
        parts.append(text(frame.right, y + 12, shown, anchor="end", heavy=True))
        parts.append(
            f'<rect class="plot-series-1" x="{start:.1f}" y="{y + 17:.1f}" '
            f'width="{end - start:.1f}" height="12" fill="{COLOURS[0]}" fill-opacity="0.75"/>'
        )
        if span:
            parts.append(whisker(frame.x(span[0]), y + 23, frame.x(span[1]), None, upright=False))
        if label in references:
            x = frame.x(references[label])
            parts.append(line(x, y + 14, x, y + 32, "plot-reference", 2))
    words = "; ".join(f"{label}: {spell(value)}" for label, value in values.items())
    return drawing(frame.height, title, gettext("Bars. %(values)s.") % {"values": words}, parts)


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
    y_axis = axis_of([0, *counts], whole=True)
    # Room above the tallest column for its share.
    frame = _Frame.around(head, None, y_axis, has_x_label=bool(x_label), above=14.0)
    parts = [*head.parts, *_grid(frame, x_label)]
    step = (frame.right - frame.left) / len(counts)
    for place, (label, count) in enumerate(zip(labels, counts, strict=True)):
        x, y = frame.left + place * step, frame.y(count)
        middle = x + step / 2
        parts.append(
            f'<rect class="plot-series-1" x="{x + 2:.1f}" y="{y:.1f}" width="{step - 4:.1f}" '
            f'height="{frame.bottom - y:.1f}" fill="{COLOURS[0]}" fill-opacity="0.75">'
            f"<title>{escape(label)}: {figure(count, ',')}</title></rect>"
        )
        parts.append(text(middle, y - 4, f"{100 * count / total:.0f} %", anchor="middle"))
        parts.append(text(middle, frame.bottom + 15, label, anchor="middle"))
    words = "; ".join(
        f"{label}: {figure(count, ',')}" for label, count in zip(labels, counts, strict=True)
    )
    return drawing(frame.height, title, gettext("Columns. %(values)s.") % {"values": words}, parts)


@dataclass(frozen=True, slots=True)
class _Head:
    """What stands above the plot: title, legend, and what y measures."""

    parts: tuple[str, ...]
    bottom: float


def _head(title: str, y_label: str, names: Sequence[str]) -> _Head:
    parts = [text(EDGE, 15, title, heavy=True)]
    y = 15.0
    if names:
        y += LINE + 2
        x = EDGE
        for number, name in enumerate(names):
            width = 30 + len(name) * LETTER + 12
            if x > EDGE and x + width > WIDTH:
                x, y = EDGE, y + LINE
            parts.append(stroke(f"M{x:.1f} {y - 4:.1f}h22", number))
            parts.append(mark(x + 11, y - 4, number))
            parts.append(text(x + 28, y, name))
            x += width
    if y_label:
        y += LINE
        parts.append(text(EDGE, y, y_label, soft=True))
    return _Head(tuple(parts), y + 12)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the data is drawn, and how a value becomes a place."""

    left: float
    right: float
    top: float
    bottom: float
    x_axis: Axis | None
    y_axis: Axis | None
    has_x_label: bool

    @classmethod
    def around(
        cls,
        head: _Head,
        x_axis: Axis | None,
        y_axis: Axis,
        *,
        has_x_label: bool,
        above: float = 0.0,
    ) -> "_Frame":
        left = EDGE + y_axis.widest + 8
        overhang = len(x_axis.ticks[-1][1]) * LETTER / 2 if x_axis else 0.0
        top = head.bottom + above
        return cls(left, WIDTH - EDGE - overhang, top, top + 150, x_axis, y_axis, has_x_label)

    @property
    def height(self) -> float:
        return self.bottom + 22 + (LINE if self.has_x_label else 0)

    def x(self, value: float) -> float:
        assert self.x_axis is not None  # noqa: S101  (only plots with such an axis ask)
        return self.left + self.x_axis.share(value) * (self.right - self.left)

    def y(self, value: float) -> float:
        assert self.y_axis is not None  # noqa: S101  (only plots with such an axis ask)
        return self.bottom - self.y_axis.share(value) * (self.bottom - self.top)


def _grid(frame: _Frame, x_label: str) -> Iterator[str]:
    """Draw thin lines at the ticks, and the axis that the data stands on, with their figures."""
    if frame.y_axis:
        for value, label in frame.y_axis.ticks:
            y = frame.y(value)
            yield line(frame.left, y, frame.right, y, "plot-grid")
            yield text(frame.left - 6, y + 4, label, anchor="end", soft=True)
    if frame.x_axis:
        for value, _ in frame.x_axis.ticks:
            x = frame.x(value)
            yield line(x, frame.top, x, frame.bottom + 4, "plot-grid")
    yield line(frame.left, frame.bottom, frame.right, frame.bottom, "plot-axis")
    yield from _scale(frame, x_label)


def _scale(frame: _Frame, x_label: str) -> Iterator[str]:
    """Write the figures below the plot, and what they measure."""
    if frame.x_axis:
        for value, label in frame.x_axis.ticks:
            yield text(frame.x(value), frame.bottom + 17, label, anchor="middle", soft=True)
    if x_label:
        middle = (frame.left + frame.right) / 2
        yield text(middle, frame.bottom + 17 + LINE, x_label, anchor="middle", soft=True)


def _path(frame: _Frame, points: Sequence[Point], number: int) -> str:
    steps = []
    pen = "M"
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        steps.append(f"{pen}{frame.x(x):.1f} {frame.y(y):.1f}")
        pen = "L"
    return stroke("".join(steps), number)


def _nothing_to_draw(head: _Head, title: str) -> Svg:
    words = gettext("Nothing has been measured yet.")
    note = text(EDGE, head.bottom + 14, words, soft=True)
    return drawing(head.bottom + 30, title, words, [*head.parts, note])


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
        return f"{figure(start, ',')}+"
    first, last = figure(start, ","), figure(end - 1, ",")
    return first if first == last else f"{first}\N{EN DASH}{last}"


def _describe_lines(series: Mapping[str, Sequence[Point]], x_label: str, y_label: str) -> str:
    def one(name: str, points: Sequence[Point]) -> str:
        if not points:
            return gettext("%(name)s: no points") % {"name": name}
        (x0, y0), (x1, y1) = points[0], points[-1]
        ends = {"y0": spell(y0), "x0": spell(x0), "y1": spell(y1), "x1": spell(x1)}
        return gettext("%(name)s: from %(y0)s at %(x0)s to %(y1)s at %(x1)s") % {
            "name": name,
            **ends,
        }

    named = {"y": y_label or gettext("Values"), "x": x_label or "x"}
    axes = gettext("%(y)s against %(x)s.") % named + " "
    return axes + "; ".join(one(name, points) for name, points in series.items()) + "."
