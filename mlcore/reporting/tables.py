"""The metrics of an evaluation as a table: one row each, one column for each direction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlcore.i18n import figure, gettext
from mlcore.reporting.labels import DIRECTIONS, in_order, metric_words

Values = Mapping[str, Any]
"""An evaluation, or a part of one, as ``RetrievalMetrics.as_dict(outcomes=True)`` gives it."""


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric in each direction that was asked, as it stands in a table."""

    name: str
    cells: tuple[str, ...]
    """Figures, with the standard deviation over draws (±) and the 95 % interval where there are
    such; a dash where a direction has none."""
    reference: str = ""


def directions(evaluation: Values) -> list[str]:
    """The directions that were asked, by their keys."""
    return [name for name in DIRECTIONS if evaluation.get(name)]


def metric_rows(evaluation: Values) -> list[MetricRow]:
    """Every metric, one row each; with the reference beside it where there is one."""
    asked = [evaluation[name] for name in directions(evaluation)]
    names = dict.fromkeys(name for one in asked for name in metric_names(one))
    known = evaluation.get("reference") or {}
    spread = evaluation.get("spread") or {}
    return [
        MetricRow(
            metric_words(name),
            tuple(
                _figure(one, name, spread if place == 0 else {}) for place, one in enumerate(asked)
            ),
            figure(known[name], ".3f") if name in known else "",
        )
        for name in names
    ]


def metric_names(direction: Values) -> list[str]:
    """The metrics that one direction has, in the order of tables."""
    names = [
        name
        for name, value in direction.items()
        if name not in {"queries", "gallery"} and isinstance(value, int | float)
    ]
    return in_order(names)


def _figure(direction: Values, name: str, spread: Values) -> str:
    value = direction.get(name)
    if value is None:
        return "\N{EN DASH}"
    digits = 1 if name == "median_rank" else 3
    form = f".{digits}f"
    words = figure(value, form)
    if name in spread:
        words += f" ± {figure(spread[name], form)}"
    if interval := (direction.get("intervals") or {}).get(name):
        low, high = (figure(end, form) for end in interval)
        words += f" ({gettext('%(low)s to %(high)s') % {'low': low, 'high': high}})"
    return words
