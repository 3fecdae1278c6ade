"""What an evaluation found, for people: plots, tables, and all of it as one HTML file.

Everything is made from plain values, as ``RetrievalMetrics.as_dict(outcomes=True)`` gives them and
as they are stored; so a report can be drawn on a machine that has no model.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape

from mlcore.i18n import figure, gettext
from mlcore.reporting.labels import (
    direction_words,
    figure_words,
    kind_words,
    metric_words,
    scenario_words,
)
from mlcore.reporting.plots import evaluation_plots, training_plots
from mlcore.reporting.tables import Values, directions, metric_names, metric_rows

QUERIES_SHOWN = 20
"""The best, and the worst, in the file."""


def evaluation_html(
    evaluation: Values, *, training: Sequence[Values] = (), language: str = "en"
) -> str:
    """Write an evaluation as one HTML file that needs nothing beside it.

    Args:
        evaluation: ``RetrievalMetrics.as_dict(outcomes=True)``, with the result of the composition
            test under "composition" where it was made. What is absent is left out of the file.
        training: the run that the model came from, as for :func:`training_plots`.
        language: the code of that in which :mod:`mlcore.i18n` speaks.
    """
    outcomes = evaluation.get("outcomes") or []
    parts = [
        f"<h1>{escape(_title(evaluation))}</h1>",
        _facts(evaluation),
        _heading(gettext("Metrics")),
        _metrics_table(evaluation),
        _evidence_table(evaluation.get("with_evidence") or []),
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


def _evidence_table(found: Sequence[Values]) -> str:
    """Return what queries found by the evidence that was known; nothing where none was asked."""
    if not found:
        return ""
    names = [name for name in metric_names(found[0]["metrics"]) if name != "median_rank"]
    body = []
    for one in found:
        measured = one.get("calibration")
        error = figure_words(measured["ece"]) if measured else "\N{EN DASH}"
        figures = [figure_words(one["metrics"][name]) for name in names]
        body.append([scenario_words(one), *figures, error])
    head = [gettext("Evidence"), *map(metric_words, names), gettext("Calibration error")]
    return _heading(gettext("By evidence, words to pictures")) + _table(head, body)


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
