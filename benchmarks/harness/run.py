"""Choosing measurements, running them, and the report of a run."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness.machine import describe
from benchmarks.harness.measure import BenchmarkError, Conditions, Measurement, Result
from benchmarks.harness.page import rewrite
from benchmarks.harness.photos import generated, photos_of
from mlcore.i18n import Message
from mlcore.progress import Progress, ProgressBar


@dataclass(slots=True)
class Report:
    """Everything a run found."""

    started: str
    machine: dict[str, Any]
    photos: str
    rounds: int
    results: list[Result] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            "started": self.started,
            "machine": self.machine,
            "photos": self.photos,
            "rounds": self.rounds,
            "results": [result.as_dict() for result in self.results],
        }


def add_options(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add what :func:`run` reads; ``names`` are those of all measurements."""
    helps = {
        "--photos": "pictures with captions, in any layout that imports know; generated otherwise",
        "--scratch": "keep here what is made on the way, and use it again",
        "--out": "write the whole report here, as JSON",
        "--page": "put the figures and plots into this Markdown page, between its marks",
    }
    for name, words in helps.items():
        parser.add_argument(name, type=Path, metavar="PATH", help=words)
    parser.add_argument(
        "--only", nargs="*", metavar="NAME", default=None,
        help="measure these only, or nothing but growth: " + ", ".join(names),
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5, help="medians are taken over so many (5)")
    parser.add_argument(
        "--vectors", type=int, default=1_000_000, help="size of the large index (1,000,000)"
    )
    parser.add_argument(
        "--clip", default="", metavar="MODEL",
        help="a CLIP checkpoint; ViT-B/32 at its true size with random weights otherwise",
    )  # fmt: skip
    parser.add_argument(
        "--from", nargs="+", type=Path, metavar="FILE", default=[],
        help="measure nothing; read reports that --out wrote, of which the first counts as whole",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the results as a JSON list")


def measure(
    measurements: Sequence[Measurement],
    growing: Sequence[Measurement],
    options: dict[str, Any],
    progress: Progress,
    keep: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Run the measurements that the options of :func:`add_options` ask for, and all that grows.

    ``keep`` is given the report after each result, so that a failure does not lose hours.

    Raises:
        BenchmarkError: the options make no sense, a peer is missing, or a measurement failed.
    """
    if options["rounds"] < 1:
        raise BenchmarkError("--rounds must be at least 1.")
    if options["vectors"] < 1_000:
        raise BenchmarkError("--vectors must be at least 1000.")
    known = {name for one in measurements for name in one.names}
    asked = known if options["only"] is None else set(options["only"])
    if asked - known:
        raise BenchmarkError(
            f"There is no measurement {', '.join(sorted(asked - known))}; --help lists them."
        )
    asked |= {name for one in growing for name in one.names}
    chosen = [one for one in (*measurements, *growing) if asked.intersection(one.names)]
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        photos = photos_of(options["photos"]) if options["photos"] else generated(scratch / "made")
        if options["scratch"]:
            scratch = options["scratch"]
            scratch.mkdir(parents=True, exist_ok=True)
        conditions = Conditions(
            photos, scratch.resolve(), options["rounds"], options["vectors"], options["clip"]
        )
        report = Report(
            datetime.now(UTC).isoformat(timespec="seconds"),
            describe(),
            photos.words,
            conditions.rounds,
        )
        total = sum(len(one.names) for one in chosen)
        done = 0
        for measurement in chosen:
            progress.report(done, total, Message(measurement.names[0]))
            wanted = asked.intersection(measurement.names)
            for number, result in enumerate(measurement.run(conditions), start=1):
                if result.name in wanted:
                    report.results.append(result)
                    wanted.remove(result.name)
                    keep(report)
                progress.report(done + number, total, Message(result.name))
                if not wanted:
                    break
            done += len(measurement.names)
            progress.report(done, total, Message(measurement.names[-1]))
    return report


def run(
    measurements: Sequence[Measurement],
    growing: Sequence[Measurement],
    options: dict[str, Any],
) -> tuple[str, int]:
    """Measure, keep the report where asked, and return what to print and the exit status.

    The status is 1 where a bar was missed.
    """
    if options["from"]:
        report, *others = [_read(path) for path in options["from"]]
        for other in others:
            report["results"] += other["results"]
    else:
        with ProgressBar("figures") as bar:
            report = measure(
                measurements, growing, options, bar, lambda so_far: _write(so_far, options["out"])
            ).as_dict()
    if options["page"]:
        rewrite(options["page"], report)
    rows = report["results"]
    said = json.dumps(rows, indent=2) if options["json"] else as_text(report)
    return said, 0 if all(row["ok"] for row in rows) else 1


def _write(report: Report, path: Path | None) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report.as_dict(), indent=1) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} is no report of a benchmark: {error}.") from error
    return report


def as_text(report: dict[str, Any]) -> str:
    """Write a report, as :meth:`Report.as_dict` returns it, for a terminal."""
    machine = report["machine"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB; "
        f"{' '.join(machine['flags'])}; load before {machine['load_at_start'][0]}",
        ", ".join(f"{name} {version}" for name, version in machine["versions"].items()),
        f"{report['photos']}; medians of {report['rounds']} rounds",
        "",
        f"{'':<26}{'ours':>10}{'peer':>10}{'ratio':>8}  {'unit':<11} {'bar':<14} beside",
    ]
    for row in report["results"]:
        mark = "" if row["bar"] is None else ("met" if row["ok"] else "MISSED")
        lines.append(
            f"{row['name']:<26}{_cell(row['ours']):>10}{_cell(row['peer']):>10}"
            f"{_cell(row['ratio']):>8}  {row['unit']:<11} {row['bar'] or '':<14} "
            f"{mark:<6} {row['peer_name']}"
        )
    missed = [row["name"] for row in report["results"] if not row["ok"]]
    lines.append("")
    lines.append(f"Missed: {', '.join(missed)}." if missed else "Every bar is met.")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"
