"""Lines on two logarithmic axes, as SVG of a few kilobytes that read on light and on dark."""

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 560, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 40, 64, 44
_COLOURS = ("#12897c", "#c9641b", "#6d6fd6", "#b64f8d")
_DASHES = ("", "7 3", "2 3", "9 3 2 3")


def log_lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    title: str,
    x_label: str,
    y_label: str,
) -> str:
    """Draw one line for each series; its points (x, y) are all above zero."""
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    x_axis = _Axis(xs, _LEFT, _WIDTH - _RIGHT)
    y_axis = _Axis(ys, _HEIGHT - _BOTTOM, _TOP)
    parts = [
        _text(_LEFT, 16, title, weight="bold"),
        _text(_LEFT, _TOP - 10, y_label),
        _text(_WIDTH - _RIGHT, _HEIGHT - 8, x_label, anchor="end"),
        *_grid(x_axis, y_axis),
    ]
    left = float(_LEFT)
    for number, (name, points) in enumerate(series.items()):
        colour, dash = _COLOURS[number % 4], _DASHES[number % 4]
        path = " ".join(f"{x_axis.at(x):.1f},{y_axis.at(y):.1f}" for x, y in points)
        stroke = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{path}" {stroke}/>')
        parts += [
            f'<circle cx="{x_axis.at(x):.1f}" cy="{y_axis.at(y):.1f}" r="3" fill="{colour}">'
            f"<title>{escape(name)}: {x:,.4g}, {y:,.4g}</title></circle>"
            for x, y in points
        ]
        parts.append(f'<polyline points="{left:.0f},34 {left + 22:.0f},34" {stroke}/>')
        parts.append(_text(left + 27, 38, name))
        left += 42 + 6.6 * len(name)
    # A file of its own has no page whose colour its text could take: its ground is its own.
    ground = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="12" fill="#222222">\n<title>{escape(title)}</title>\n'
        + "\n".join([ground, *parts])
        + "\n</svg>\n"
    )


class _Axis:
    """Powers of ten around some values, laid out between two places."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(self.low + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._start + share * (self._end - self._start)

    @property
    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def _grid(x_axis: _Axis, y_axis: _Axis) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for tick in x_axis.ticks:
        x = x_axis.at(tick)
        yield f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#cccccc"/>'
        yield _text(x, bottom + 16, _spell(tick), anchor="middle")
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#cccccc"/>'
        yield _text(_LEFT - 6, y + 4, _spell(tick), anchor="end")


def _spell(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(words)}</text>"
    )
