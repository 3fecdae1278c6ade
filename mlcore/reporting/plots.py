"""The plots of an evaluation, of a comparison, and of a training."""

import math
from collections.abc import Iterable, Mapping, Sequence

from mlcore.evaluation.intervals import wilson
from mlcore.i18n import figure, gettext, gettext_noop
from mlcore.reporting import charts
from mlcore.reporting.labels import (
    direction_words,
    figure_words,
    in_order,
    kind_words,
    metric_words,
    scenario_words,
)
from mlcore.reporting.svg import Svg
from mlcore.reporting.tables import Values, directions

RANK_EDGES = (1, 2, 6, 11, 21, 51, 101)
CHANCE = 0.5
"""How often the true caption wins against one wrong one by luck."""

_LENGTHS = (
    (gettext_noop("Up to 7 words"), 0, 7),
    (gettext_noop("8 to 12 words"), 8, 12),
    (gettext_noop("13 words and more"), 13, math.inf),
)


def recall_plot(evaluation: Values) -> Svg:
    """Hit rate against k, a line for each direction, with 95 % intervals."""
    series: dict[str, list[charts.Point]] = {}
    intervals: dict[str, list[charts.Interval]] = {}
    for direction in directions(evaluation):
        values = evaluation[direction]
        ks = sorted(int(name.partition("@")[2]) for name in values if name.startswith("hit_rate@"))
        label = direction_words(direction)
        series[label] = [(k, values[f"hit_rate@{k}"]) for k in ks]
        spans = values.get("intervals") or {}
        if all(f"hit_rate@{k}" in spans for k in ks):
            intervals[label] = [tuple(spans[f"hit_rate@{k}"]) for k in ks]
    ticks = sorted({x for points in series.values() for x, _ in points})
    return charts.lines(
        series,
        title=gettext("How often the right one is among the first k"),
        x_label=gettext("k, the number of results looked at"),
        # xgettext:no-python-format  # noqa: ERA001
        y_label=gettext("hit rate at k (R@k), with 95 % interval")
        if intervals
        else gettext("hit rate at k (R@k)"),
        intervals=intervals,
        y_range=(0.0, 1.0),
        x_ticks=ticks or None,
    )


def rank_plot(outcomes: Sequence[Values]) -> Svg:
    """How many queries found their picture at which rank."""
    return charts.histogram(
        [outcome["rank"] for outcome in outcomes],
        edges=RANK_EDGES,
        title=gettext("Where the right picture stood"),
        x_label=gettext("rank of the first right picture, from 1"),
        y_label=gettext("queries"),
    )


def length_plot(outcomes: Sequence[Values], *, k: int = 10) -> Svg:
    """Hit rate for short, middling and long queries."""
    values: dict[str, float] = {}
    intervals: dict[str, charts.Interval] = {}
    for label, shortest, longest in _LENGTHS:
        ranks = [
            outcome["rank"]
            for outcome in outcomes
            if shortest <= len(outcome["query"].split()) <= longest
        ]
        if ranks:
            hits = sum(rank <= k for rank in ranks)
            named = f"{gettext(label)} ({figure(len(ranks), ',')})"
            values[named] = hits / len(ranks)
            intervals[named] = wilson(hits, len(ranks))
    return charts.bars(
        values,
        title=gettext("By the length of the query"),
        x_label=gettext("hit rate at %(k)d, with 95 %% interval") % {"k": k},
        intervals=intervals,
        x_range=(0.0, 1.0),
    )


def composition_plot(composition: Values) -> Svg:
    """How often the true caption wins against a wrong one, by what was changed in it."""
    kinds = {
        gettext("%(kind)s (%(count)s pairs)")
        % {"kind": kind_words(kind), "count": figure(result["pairs"], ",")}: result
        for kind, result in composition["kinds"].items()
        if result["pairs"]
    }
    return charts.bars(
        {label: result["share"] for label, result in kinds.items()},
        title=gettext("Telling true captions from slightly wrong ones"),
        # xgettext:no-python-format  # noqa: ERA001
        x_label=gettext("share that the true one wins, with 95 % interval"),
        intervals={label: (result["low"], result["high"]) for label, result in kinds.items()},
        references=dict.fromkeys(kinds, CHANCE),
        reference_label=gettext("by chance"),
        x_range=(0.0, 1.0),
    )


def reliability_plot(found: Values) -> Svg:
    """What came true against what was said: on the diagonal, probabilities are what they say.

    Args:
        found: one of the ``with_evidence`` of an evaluation, with its ``calibration``.
    """
    measured = found["calibration"]
    bins = sorted(measured["bins"], key=lambda one: float(one["predicted"]))
    label = gettext("measured")
    return charts.lines(
        {
            label: [(one["predicted"], one["observed"]) for one in bins],
            gettext("if they were exact"): [(0.0, 0.0), (1.0, 1.0)],
        },
        title=gettext("Are probabilities what they say? %(scenario)s")
        % {"scenario": scenario_words(found)},
        x_label=gettext("probability that was given; its calibration error is %(error)s")
        % {"error": figure_words(measured["ece"])},
        # xgettext:no-python-format  # noqa: ERA001
        y_label=gettext("share that came true, with 95 % interval"),
        intervals={label: [(one["low"], one["high"]) for one in bins]},
        y_range=(0.0, 1.0),
        x_ticks=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    )


def evaluation_plots(evaluation: Values) -> list[Svg]:
    """All plots that an evaluation has the figures for."""
    outcomes = evaluation.get("outcomes") or []
    drawn = [recall_plot(evaluation)]
    if outcomes:
        drawn += [rank_plot(outcomes), length_plot(outcomes)]
    if evaluation.get("composition"):
        drawn.append(composition_plot(evaluation["composition"]))
    by_evidence = evaluation.get("with_evidence") or []
    drawn += [reliability_plot(found) for found in by_evidence if found.get("calibration")]
    return drawn


def comparison_plot(comparison: Values) -> Svg:
    """How far a candidate lies from the live model, in the metrics that are shares.

    Args:
        comparison: ``mlcore.evaluation.Comparison.as_dict()``.
    """
    shares = {
        metric_words(name): comparison["metrics"][name]
        for name in in_order(comparison["metrics"])
        if name.startswith("hit_rate@") or name == "mrr"
    }
    return charts.bars(
        {label: found["difference"] for label, found in shares.items()},
        title=gettext("The candidate against the live model"),
        # xgettext:no-python-format  # noqa: ERA001
        x_label=gettext("difference, with 95 % interval; to the right is better"),
        intervals={label: (found["low"], found["high"]) for label, found in shares.items()},
    )


def training_plots(points: Iterable[Values]) -> list[Svg]:
    """The curves of a training: its loss, what it reaches on the validation part, its rates.

    Args:
        points: what ``Progress.measured`` was given, in order: those of kind "step", and all others
            as epochs.
    """
    points = list(points)
    steps = [point for point in points if point.get("kind") == "step"]
    epochs = [point for point in points if point.get("kind") != "step"]
    # Of a run with fast steps, or one of long ago, there may be more epochs than steps.
    finest = max(steps, epochs, key=len)
    drawn = [
        charts.lines(
            _curves({"loss": gettext("loss")}, "step", finest),
            title=gettext("Loss"),
            x_label=gettext("step"),
            y_label=gettext("contrastive loss"),
        )
    ]
    if epochs:
        names = (*(f"hit_rate@{k}" for k in (1, 5, 10)), "mrr")
        named = {name: metric_words(name) for name in names}
        drawn.append(
            charts.lines(
                _curves(named, "epoch", epochs),
                title=gettext("On the validation part, words to pictures"),
                x_label=gettext("epoch"),
                y_label=gettext("share of queries"),
            )
        )
    for name, title in (
        ("learning_rate", gettext("Learning rate")),
        ("temperature", gettext("Temperature")),
    ):
        if curve := _curves({name: title}, "step", finest):
            drawn.append(charts.lines(curve, title=title, x_label=gettext("step")))
    return drawn


def _curves(
    names: Mapping[str, str], x: str, points: Sequence[Values]
) -> dict[str, list[charts.Point]]:
    found = {
        label: [
            (float(point[x]), float(point[name]))
            for point in points
            if x in point and name in point
        ]
        for name, label in names.items()
    }
    return {label: curve for label, curve in found.items() if curve}
