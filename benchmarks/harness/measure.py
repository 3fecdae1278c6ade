"""What a measurement is: ours and a peer's turn about, medians, and the bar that must be met."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from benchmarks.harness.photos import Photos

T = TypeVar("T")

Figure = Callable[[int], float]
"""Measures once, in the round of this number, and returns the figure."""


class BenchmarkError(Exception):
    """Something could not be measured; a sentence says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What a result must reach."""

    of: Literal["ours", "ratio"]
    at: Literal["least", "most"]
    value: float

    def is_met(self, value: float) -> bool:
        """Tell whether this value of what the bar is about reaches it."""
        return value >= self.value if self.at == "least" else value <= self.value

    def __str__(self) -> str:
        return f"{self.of} {'>=' if self.at == 'least' else '<='} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Result:
    """One figure of ours, and of the peer that was measured with it."""

    name: str
    ours: float
    unit: str
    peer: float | None = None
    peer_name: str = ""
    bar: Bar | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's."""
        return self.ours / self.peer if self.peer else None

    @property
    def ok(self) -> bool:
        """Whether the bar is met; true where there is none."""
        if self.bar is None:
            return True
        value = self.ours if self.bar.of == "ours" else self.ratio
        return value is not None and self.bar.is_met(value)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values, figures to four significant digits."""
        return {
            "name": self.name,
            "ours": _short(self.ours),
            "peer": _short(self.peer),
            "ratio": _short(self.ratio),
            "unit": self.unit,
            "bar": str(self.bar) if self.bar else None,
            "ok": self.ok,
            "peer_name": self.peer_name,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Conditions:
    """What every measurement of a run has in common."""

    photos: Photos
    scratch: Path
    """A folder for what is made on the way."""
    rounds: int = 5
    vectors: int = 1_000_000
    """In the large index."""
    clip: str = ""
    """Reference of a CLIP checkpoint; ViT-B/32 with random weights where empty."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Results that are measured together, because they share what is costly to make."""

    names: tuple[str, ...]
    run: Callable[[Conditions], Iterator[Result]]


def side_by_side(ours: Figure, peer: Figure, rounds: int) -> tuple[float, float]:
    """Measure both turn about and return the medians, after one round that does not count.

    Who begins changes from round to round, so that whatever else the machine does meets both.
    """
    figures: tuple[list[float], list[float]] = ([], [])
    both = (ours, peer)
    for number in range(rounds + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            figure = both[which](number)
            if number:
                figures[which].append(figure)
    return statistics.median(figures[0]), statistics.median(figures[1])


def alone(ours: Figure, rounds: int) -> float:
    """Return the median of what has no peer, after one round that does not count."""
    return statistics.median([ours(number) for number in range(rounds + 1)][1:])


def per_second(count: int, run: Callable[[], object]) -> float:
    """Run once, and return how many of ``count`` things a second that makes."""
    started = time.perf_counter()
    run()
    return count / (time.perf_counter() - started)


def median_ms(items: Sequence[T], run: Callable[[T], object]) -> float:
    """Run for each item by itself; return the median in milliseconds."""
    return statistics.median(each_ms(items, run))


def each_ms(items: Sequence[T], run: Callable[[T], object]) -> list[float]:
    """Run for each item by itself; return the milliseconds of each."""
    times = []
    for item in items:
        started = time.perf_counter()
        run(item)
        times.append(1000 * (time.perf_counter() - started))
    return times


def part_of(items: Sequence[T], number: int, size: int) -> list[T]:
    """Return the items of round ``number``: others in each round, from the start at the end."""
    return [items[place % len(items)] for place in range(number * size, (number + 1) * size)]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
