"""The figures of a run as a table and plots, put into a page between two marks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.measure import BenchmarkError
from mlcore.reporting.charts import bars, lines
from mlcore.reporting.svg import standing_alone

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
IMAGES = "images"
"""Folder of the plots, beside the page."""


def rewrite(page: Path, report: Mapping[str, Any]) -> None:
    """Replace what stands between the marks of a page, and draw the plots beside it.

    Args:
        page: a Markdown file with both marks in it.
        report: as :meth:`benchmarks.harness.run.Report.as_dict` returns it.

    Raises:
        BenchmarkError: the page is not there or has no marks.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"{page} cannot be read ({error.strerror}).") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchmarkError(f"{page} has no place for figures: it needs {BEGIN} and {END}.")
    folder = page.parent / IMAGES
    folder.mkdir(exist_ok=True)
    results = [row for row in report["results"] if not _GROWN.match(row["name"])]
    parts = [*_machine(report), "", *_table(results), *_growth_tables(report["results"])]
    for name, (title, plot) in plots(report).items():
        (folder / name).write_text(plot, encoding="utf-8")
        parts += ["", f"![{title}]({IMAGES}/{name})"]
    page.write_text(f"{before}{begin}\n\n" + "\n".join(parts) + f"\n\n{end}{after}", "utf-8")


def plots(report: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return file names with the title and drawing of each plot that the figures suffice for."""
    found: dict[str, tuple[str, str]] = {}
    times = {
        row["name"]: 1 / row["ratio"] if row["unit"] in _TIMES else row["ratio"]
        for row in report["results"]
        if row["ratio"] and (row["unit"] in _TIMES or row["unit"].endswith("/s"))
        if row["name"] not in _NOT_RIVALS and not _GROWN.match(row["name"])
    }
    if times:
        title = "Times as fast as the peer"
        found["benchmark-ratios.svg"] = (title, standing_alone(bars(times, title=title)))
    for prefix, (title, x_label, units) in _GROWTH.items():
        series = {
            what: points
            for what, points in _series(report["results"], prefix).items()
            if what in units and all(value > 0 for _, value in points)
        }
        if series:
            drawing = lines(series, title=title, x_label=x_label, y_label=units["label"], log=True)
            found[f"benchmark-{prefix}.svg"] = (title, standing_alone(drawing))
    return found


_GROWN = re.compile(r"(?P<prefix>growth|vectors)_(?P<size>\d+)_(?P<what>\w+)")
_GROWTH: dict[str, tuple[str, str, dict[str, str]]] = {
    "growth": (
        "A request by its stages, as the gallery grows", "records",
        {"label": "ms", "encode": "ms", "lookup": "ms", "records": "ms", "render": "ms"},
    ),
    "vectors": (
        "A lookup and the build of an index, as vectors grow", "vectors",
        {"label": "ms, s", "lookup": "ms", "build": "s"},
    ),
}  # fmt: skip
"""By the first word of a result's name: title, what is counted, and what is drawn."""


def _series(rows: list[dict[str, Any]], prefix: str) -> dict[str, list[tuple[float, float]]]:
    """Return (size, figure) for each thing that was measured while growing."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        match = _GROWN.fullmatch(row["name"])
        if match and match["prefix"] == prefix:
            found.setdefault(match["what"], []).append((float(match["size"]), row["ours"]))
    return found


def _growth_tables(rows: list[dict[str, Any]]) -> Iterator[str]:
    for prefix, (title, counted, _) in _GROWTH.items():
        series = _series(rows, prefix)
        if not series:
            continue
        units = {
            match["what"]: row["unit"]
            for row in rows
            if (match := _GROWN.fullmatch(row["name"])) and match["prefix"] == prefix
        }
        notes = dict.fromkeys(
            row["note"] for row in rows if row["name"].startswith(f"{prefix}_") and row["note"]
        )
        yield from ("", f"**{title}** ({'; '.join(notes)})", "")
        yield f"| {counted} | " + " | ".join(f"{what}, {units[what]}" for what in series) + " |"
        yield "|--:|" + "--:|" * len(series)
        for size in sorted({size for points in series.values() for size, _ in points}):
            cells = (_cell(dict(points).get(size)) for points in series.values())
            yield f"| {size:,.0f} | " + " | ".join(cells) + " |"


_TIMES = ("ms", "s")
_NOT_RIVALS = ("tail_cost", "http_not_encoding")
"""Compared with a part of themselves."""


def _machine(report: Mapping[str, Any]) -> Iterator[str]:
    machine = report["machine"]
    flags = ", ".join(machine["flags"]) or "none of those that matter"
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    yield f"* **When:** {report['started']}, medians of {report['rounds']} rounds"
    yield (
        f"* **Machine:** {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}; {flags}"
    )
    yield (
        "* **Other work at the start:** load of "
        + ", ".join(f"{value:g}" for value in machine["load_at_start"])
        + " in the last 1, 5 and 15 minutes"
    )
    yield f"* **Versions:** Python {machine['python']}, {versions}"
    yield f"* **Input:** {report['photos']}"


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| | Ours | Peer | Ratio | Unit | Bar | | Peer is | |"
    yield "|---|--:|--:|--:|---|---|---|---|---|"
    for row in rows:
        verdict = "" if row["bar"] is None else "met" if row["ok"] else "**missed**"
        cells = [
            f"`{row['name']}`", *(_cell(row[key]) for key in ("ours", "peer", "ratio")),
            row["unit"], row["bar"] or "", verdict, row["peer_name"], row["note"],
        ]  # fmt: skip
        yield "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _cell(value: float | None) -> str:
    return "" if value is None else re.sub(r"\.0$", "", f"{value:,}")
