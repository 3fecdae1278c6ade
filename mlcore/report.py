"""What an evaluation found, for people: plots, tables, and all of it as one HTML file.

Everything is made from plain values, as ``RetrievalMetrics.as_dict(outcomes=True)`` gives them and
as they are stored; so a report can be drawn on a machine that has no model.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from mlcore import plots
from mlcore.words import figure, gettext, gettext_noop

DIRECTIONS = {
    "text_to_image": gettext_noop("Words to pictures"),
    "image_to_text": gettext_noop("Pictures to words"),
    "image_to_image": gettext_noop("Pictures to pictures"),
}

KINDS = {
    "colour": gettext_noop("Colour"),
    "count": gettext_noop("Number"),
    "action": gettext_noop("Action"),
    "place": gettext_noop("Place"),
    "role": gettext_noop("Who does what"),
}
"""What was changed in a caption to make it wrong, as in :mod:`mlcore.rewording`."""

RANK_EDGES = (1, 2, 6, 11, 21, 51, 101)
CHANCE = 0.5
"""How often the true caption wins against one wrong one by luck."""

QUERIES_SHOWN = 20
"""The best, and the worst, in the file."""

_NAMES = {
    "hit_rate": gettext_noop("Hit rate"),
    "mrr": gettext_noop("MRR"),
    "median_rank": gettext_noop("Median rank"),
    "recall": gettext_noop("Recall"),
    "precision": gettext_noop("Precision"),
    "ndcg": gettext_noop("nDCG"),
}
"""In the order in which tables list them."""
_LENGTHS = (
    (gettext_noop("Up to 7 words"), 0, 7),
    (gettext_noop("8 to 12 words"), 8, 12),
    (gettext_noop("13 words and more"), 13, math.inf),
)

Values = Mapping[str, Any]


def metric_words(name: str) -> str:
    """Say ``hit_rate@5`` as "Hit rate at 5"."""
    base, _, k = name.partition("@")
    words = gettext(_NAMES.get(base, base.replace("_", " ")))
    return gettext("%(metric)s at %(k)s") % {"metric": words, "k": k} if k else words


def figure_words(value: float) -> str:
    """Write a figure to a thousandth, as every table here does."""
    return figure(value, ".3f").replace("-", "\N{MINUS SIGN}")


def kind_words(kind: str) -> str:
    """Say what was changed in a caption."""
    return gettext(KINDS[kind]) if kind in KINDS else kind


def direction_words(name: str) -> str:
    """Say what is asked and what is looked for."""
    return gettext(DIRECTIONS[name])


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
    names = dict.fromkeys(name for one in asked for name in _metric_names(one))
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


def _metric_names(direction: Values) -> list[str]:
    names = [
        name
        for name, value in direction.items()
        if name not in {"queries", "gallery"} and isinstance(value, int | float)
    ]
    return in_order(names)


def in_order(names: Iterable[str]) -> list[str]:
    """Sort the names of metrics as tables list them: by kind, then by k."""
    kinds = list(_NAMES)

    def place(name: str) -> tuple[int, int]:
        base, _, k = name.partition("@")
        return (kinds.index(base) if base in kinds else len(kinds), int(k or 0))

    return sorted(names, key=place)


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


# --- Plots -----------------------------------------------------------------------------------


def recall_plot(evaluation: Values) -> plots.Svg:
    """Hit rate against k, a line for each direction, with 95 % intervals."""
    series: dict[str, list[plots.Point]] = {}
    intervals: dict[str, list[plots.Interval]] = {}
    for direction in directions(evaluation):
        values = evaluation[direction]
        ks = sorted(int(name.partition("@")[2]) for name in values if name.startswith("hit_rate@"))
        label = direction_words(direction)
        series[label] = [(k, values[f"hit_rate@{k}"]) for k in ks]
        spans = values.get("intervals") or {}
        if all(f"hit_rate@{k}" in spans for k in ks):
            intervals[label] = [tuple(spans[f"hit_rate@{k}"]) for k in ks]
    ticks = sorted({x for points in series.values() for x, _ in points})
    return plots.lines(
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


def rank_plot(outcomes: Sequence[Values]) -> plots.Svg:
    """How many queries found their picture at which rank."""
    return plots.histogram(
        [outcome["rank"] for outcome in outcomes],
        edges=RANK_EDGES,
        title=gettext("Where the right picture stood"),
        x_label=gettext("rank of the first right picture, from 1"),
        y_label=gettext("queries"),
    )


def length_plot(outcomes: Sequence[Values], *, k: int = 10) -> plots.Svg:
    """Hit rate for short, middling and long queries."""
    values: dict[str, float] = {}
    intervals: dict[str, plots.Interval] = {}
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
    return plots.bars(
        values,
        title=gettext("By the length of the query"),
        x_label=gettext("hit rate at %(k)d, with 95 %% interval") % {"k": k},
        intervals=intervals,
        x_range=(0.0, 1.0),
    )


def wilson(hits: int, trials: int) -> plots.Interval:
    """The 95 % score interval of a share (Wilson 1927); ``trials`` at least 1."""
    z = 1.96
    share, weight = hits / trials, 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / weight
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2)) / weight
    return (max(0.0, middle - half), min(1.0, middle + half))


def composition_plot(composition: Values) -> plots.Svg:
    """How often the true caption wins against a wrong one, by what was changed in it."""
    kinds = {
        gettext("%(kind)s (%(count)s pairs)")
        % {"kind": kind_words(kind), "count": figure(result["pairs"], ",")}: result
        for kind, result in composition["kinds"].items()
        if result["pairs"]
    }
    return plots.bars(
        {label: result["share"] for label, result in kinds.items()},
        title=gettext("Telling true captions from slightly wrong ones"),
        # xgettext:no-python-format  # noqa: ERA001
        x_label=gettext("share that the true one wins, with 95 % interval"),
        intervals={label: (result["low"], result["high"]) for label, result in kinds.items()},
        references=dict.fromkeys(kinds, CHANCE),
        reference_label=gettext("by chance"),
        x_range=(0.0, 1.0),
    )


def evaluation_plots(evaluation: Values) -> list[plots.Svg]:
    """All plots that an evaluation has the figures for."""
    outcomes = evaluation.get("outcomes") or []
    drawn = [recall_plot(evaluation)]
    if outcomes:
        drawn += [rank_plot(outcomes), length_plot(outcomes)]
    if evaluation.get("composition"):
        drawn.append(composition_plot(evaluation["composition"]))
    return drawn


def comparison_plot(comparison: Values) -> plots.Svg:
    """How far a candidate lies from the live model, in the metrics that are shares.

    Args:
        comparison: ``mlcore.evaluation.Comparison.as_dict()``.
    """
    shares = {
        metric_words(name): comparison["metrics"][name]
        for name in in_order(comparison["metrics"])
        if name.startswith("hit_rate@") or name == "mrr"
    }
    return plots.bars(
        {label: found["difference"] for label, found in shares.items()},
        title=gettext("The candidate against the live model"),
        # xgettext:no-python-format  # noqa: ERA001
        x_label=gettext("difference, with 95 % interval; to the right is better"),
        intervals={label: (found["low"], found["high"]) for label, found in shares.items()},
    )


def training_plots(points: Iterable[Values]) -> list[plots.Svg]:
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
        plots.lines(
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
            plots.lines(
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
            drawn.append(plots.lines(curve, title=title, x_label=gettext("step")))
    return drawn


def _curves(
    names: Mapping[str, str], x: str, points: Sequence[Values]
) -> dict[str, list[plots.Point]]:
    found = {
        label: [
            (float(point[x]), float(point[name]))
            for point in points
            if x in point and name in point
        ]
        for name, label in names.items()
    }
    return {label: curve for label, curve in found.items() if curve}


# --- One file --------------------------------------------------------------------------------


def evaluation_html(
    evaluation: Values, *, training: Sequence[Values] = (), language: str = "en"
) -> str:
    """Write an evaluation as one HTML file that needs nothing beside it.

    Args:
        evaluation: ``RetrievalMetrics.as_dict(outcomes=True)``, with the result of the composition
            test under "composition" where it was made. What is absent is left out of the file.
        training: the run that the model came from, as for :func:`training_plots`.
        language: the code of that in which :mod:`mlcore.words` speaks.
    """
    outcomes = evaluation.get("outcomes") or []
    parts = [
        f"<h1>{escape(_title(evaluation))}</h1>",
        _facts(evaluation),
        _heading(gettext("Metrics")),
        _metrics_table(evaluation),
        _heading(gettext("Plots")),
        _figures(evaluation_plots(evaluation)),
    ]
    lost = (evaluation.get("composition") or {}).get("examples") or []
    if lost:
        parts += [_heading(gettext("True captions that lost to a wrong one")), _lost_table(lost)]
    if training:
        parts += [_heading(gettext("How it was trained")), _figures(training_plots(training))]
    if outcomes:
        ordered = sorted(outcomes, key=lambda outcome: float(outcome["rank"]))
        half = min(QUERIES_SHOWN, (len(ordered) + 1) // 2)
        parts += [_heading(gettext("Queries that it answers best")), _queries_table(ordered[:half])]
        worst = ordered[half:][-QUERIES_SHOWN:]
        if worst:
            parts += [
                _heading(gettext("Queries that it answers worst")),
                _queries_table(worst[::-1]),
            ]
    return _PAGE.format(
        language=language, title=escape(_title(evaluation)), style=_STYLE, body="\n".join(parts)
    )


def _heading(words: str) -> str:
    return f"<h2>{escape(words)}</h2>"


def _title(evaluation: Values) -> str:
    model = evaluation.get("model") or gettext("a model")
    return gettext("Evaluation of %(model)s") % {"model": model}


def _facts(evaluation: Values) -> str:
    config = evaluation.get("config") or {}
    first: Values = next((evaluation[name] for name in directions(evaluation)), {})
    facts = {
        gettext("Model"): evaluation.get("model"),
        gettext("Fingerprint"): evaluation.get("fingerprint"),
        gettext("Protocol"): config.get("protocol"),
        gettext("Data"): evaluation.get("dataset"),
        gettext("Queries"): figure(first["queries"], ",") if "queries" in first else None,
        gettext("Gallery"): figure(first["gallery"], ",") if "gallery" in first else None,
    }
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in facts.items()
        if value
    )
    return f"<dl>{items}</dl>"


def _metrics_table(evaluation: Values) -> str:
    columns = [direction_words(name) for name in directions(evaluation)]
    rows = metric_rows(evaluation)
    with_reference = any(row.reference for row in rows)
    head = [gettext("Metric"), *columns, *([gettext("Reference")] if with_reference else [])]
    body = [[row.name, *row.cells, *([row.reference] if with_reference else [])] for row in rows]
    return _table(head, body)


def _queries_table(outcomes: Sequence[Values]) -> str:
    body = [
        [
            outcome["query"],
            _rank_words(outcome["rank"]),
            ", ".join(map(str, outcome["relevant"])),
            ", ".join(map(str, outcome["top"])),
        ]
        for outcome in outcomes
    ]
    return _table(
        [gettext("Query"), gettext("Rank"), gettext("Should come"), gettext("Came first")], body
    )


def _lost_table(examples: Sequence[Values]) -> str:
    body = [
        [example["caption"], example["wrong"], kind_words(example["kind"]), example["picture"]]
        for example in examples
    ]
    return _table(
        [
            gettext("True"),
            gettext("Wrong, and nearer to the picture"),
            gettext("Changed"),
            gettext("Picture"),
        ],
        body,
    )


def _rank_words(rank: float) -> str:
    return figure(rank, ",.0f") if math.isfinite(rank) else gettext("not found")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    headings = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<div class="scrolls"><table><thead><tr>{headings}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figures(drawn: Iterable[str]) -> str:
    return f'<div class="plots">{"".join(f"<figure>{svg}</figure>" for svg in drawn)}</div>'


_STYLE = """
:root { color-scheme: light dark; --ground: #faf9f7; --surface: #fff; --ink: #1c1e20;
  --soft: #5a5f65; --line: #e4e1db; }
@media (prefers-color-scheme: dark) { :root { --ground: #121416; --surface: #1b1e21;
  --ink: #eceae6; --soft: #a6abb1; --line: #2d3236; } }
* { box-sizing: border-box; }
body { max-width: 70rem; margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 4rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin-top: 2.2rem; font-size: 1.2rem; }
dl { display: grid; gap: 0.3rem; }
dl div { display: grid; grid-template-columns: 8rem minmax(0, 1fr); }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(24rem,
  100%), 1fr)); align-items: start; }
figure, .scrolls { margin: 0; border: 1px solid var(--line); border-radius: 0.8rem;
  background: var(--surface); }
figure { padding: 1rem; }
.scrolls { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; }
table { width: 100%; border-collapse: collapse; font-size: 0.93rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: 0.5rem 0.8rem; text-align: start; vertical-align: top; }
thead th { color: var(--soft); font-size: 0.85rem; }
tbody th { min-width: 10rem; font-weight: 600; }
td { overflow-wrap: anywhere; min-width: 6rem; }
tbody tr > * { border-top: 1px solid var(--line); }
@media print { figure, .scrolls { break-inside: avoid; } }
"""

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
