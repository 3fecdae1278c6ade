"""Axes: where a value lies on them, where they are marked, and how figures are written."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlcore.i18n import figure
from mlcore.reporting.svg import LETTER


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values, linear or logarithmic, and where it is marked."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    """Values with their figures, ascending."""
    is_log: bool = False

    @property
    def widest(self) -> float:
        """Width of the widest figure."""
        return max(len(label) for _, label in self.ticks) * LETTER

    def share(self, value: float) -> float:
        """Tell how far along the axis a value lies: 0 at its beginning, 1 at its end."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def axis_of(
    values: Sequence[float], *, ticks: Sequence[float] | None = None, whole: bool = False
) -> Axis:
    """Lay a linear axis around some values.

    Args:
        values: at least one.
        ticks: where it is marked; round numbers where not given.
        whole: no mark between whole numbers.
    """
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
    return Axis(low, high, tuple((mark, _tick_label(mark, step)) for mark in marks))


def log_axis(values: Sequence[float]) -> Axis:
    """Lay a logarithmic axis around some values, all above zero, marked at the powers of ten."""
    low = math.floor(math.log10(min(values)) + 1e-9)
    high = max(low + 1, math.ceil(math.log10(max(values)) - 1e-9))
    marks = [10.0**power for power in range(low, high + 1)]
    return Axis(marks[0], marks[-1], tuple((mark, _tick_label(mark, mark)) for mark in marks), True)


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


def spell(value: float) -> str:
    """Write a value with three significant digits or more, as a person would."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) < 1e-3:
        return f"{value:.2e}"
    decimals = 0 if float(value).is_integer() else max(0, 2 - math.floor(math.log10(abs(value))))
    return figure(value, f",.{min(decimals, 3)}f").replace("-", "\N{MINUS SIGN}")


def alike(values: Sequence[float]) -> Callable[[float], str]:
    """Return what writes these values with the same number of decimals."""
    largest = max(map(abs, values))
    decimals = 3 if largest < 10 else 1 if largest < 1000 else 0

    def write(value: float) -> str:
        return figure(value, f",.{decimals}f").replace("-", "\N{MINUS SIGN}")

    return write
