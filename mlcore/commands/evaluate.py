"""``evaluate``: measure how well captions find their pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mlcore.commands.common import add_command, add_model, captioned, write_json
from mlcore.encoder import load_encoder
from mlcore.errors import DatasetError
from mlcore.evaluation import (
    REFERENCE_100,
    CompositionResult,
    DirectionMetrics,
    EvalConfig,
    RetrievalMetrics,
    evaluate_retrieval,
)
from mlcore.layouts import open_source
from mlcore.progress import ProgressBar


def add(commands: Any) -> None:
    """Add the command to the subparsers of ``python -m mlcore``."""
    command = add_command(
        commands, "evaluate", run, "Measure how well captions find their pictures."
    )
    add_data(command)
    command.add_argument(
        "--composition", action="store_true",
        help="also test whether captions beat slightly wrong ones",
    )  # fmt: skip
    command.add_argument(
        "--no-image-to-image", action="store_true",
        help="for karpathy-1k: do not look for pictures with changed copies (half the time)",
    )  # fmt: skip
    command.add_argument("--json", action="store_true")
    command.add_argument("--html", type=Path, metavar="FILE", help="also write a report with plots")
    add_model(command)


def add_data(command: argparse.ArgumentParser) -> None:
    """Add what decides the queries and the pictures."""
    command.add_argument("--dataset", type=Path, required=True, help="in any layout that is known")
    command.add_argument("--split", help="train, dev or test; everything where it is not said")
    command.add_argument(
        "--protocol", choices=("karpathy-1k", "reference-100"), default="karpathy-1k"
    )
    command.add_argument(
        "--gallery", choices=("queried", "split", "indexed"), default="queried",
        help="for reference-100: the pictures asked for alone, or the whole split; "
        "everything indexed is for manage.py evaluate",
    )  # fmt: skip
    command.add_argument("--seed", type=int, default=0, help="decides the draws of reference-100")


def require_own_gallery(options: argparse.Namespace) -> None:
    """Refuse, before anything is loaded, what needs the site's vectors.

    Raises:
        DatasetError: it was asked for.
    """
    if options.gallery == "indexed":
        raise DatasetError(
            "This command knows no database and so nothing that is indexed. Run manage.py "
            "evaluate --gallery indexed, or choose --gallery queried or split here."
        )


def run(options: argparse.Namespace) -> int:
    """Evaluate one model, and return the exit status."""
    require_own_gallery(options)
    report: Path | None = options.html
    if report is not None and not report.absolute().parent.is_dir():
        raise DatasetError(f"{report.parent} is no folder; the report cannot be written there.")
    encoder = load_encoder(options.model, device=options.device)
    config = EvalConfig(
        protocol=options.protocol,
        gallery=options.gallery,
        seed=options.seed,
        image_to_image=not options.no_image_to_image,
        composition=options.composition,
    )
    with open_source(options.dataset) as source, ProgressBar() as bar:
        data = captioned(source, options.split, options.dataset)
        metrics = evaluate_retrieval(encoder, data, config, progress=bar)
    if report is not None:
        _write_report(report, metrics, options.dataset)
    if options.json:
        write_json(metrics.as_dict())
    else:
        write_metrics(metrics)
    return 0


def write_metrics(metrics: RetrievalMetrics) -> None:
    """Write an evaluation for people."""
    for name in ("text_to_image", "image_to_text", "image_to_image"):
        direction: DirectionMetrics | None = getattr(metrics, name)
        if direction is not None:
            _write_direction(name, direction, metrics)
    if metrics.composition is not None:
        _write_composition(metrics.composition)


def _write_direction(name: str, direction: DirectionMetrics, metrics: RetrievalMetrics) -> None:
    # The spread and the reference are those of reference-100, which asks with text alone.
    spread = metrics.spread or {}
    reference = REFERENCE_100 if metrics.spread is not None else {}
    sys.stdout.write(
        f"{name.replace('_', ' ')} ({metrics.config.protocol}): {direction.queries} queries, "
        f"gallery of {direction.gallery}\n"
    )
    for metric, value in direction.flat().items():
        line = f"  {metric:<14}{value:8.4f}"
        if metric in direction.intervals:
            low, high = direction.intervals[metric]
            line += f"   95 % {low:.4f} to {high:.4f}"
        if metric in spread:
            line += f" ± {spread[metric]:.4f}"
        if metric in reference:
            line += f"   reference {reference[metric]:.3f}"
        sys.stdout.write(line + "\n")


def _write_composition(result: CompositionResult) -> None:
    sys.stdout.write("composition: how often the true caption beats a slightly wrong one\n")
    for kind, found in result.kinds.items():
        sys.stdout.write(
            f"  {kind:<14}{found.share:8.4f}   95 % {found.low:.4f} to {found.high:.4f}"
            f"   {found.won} of {found.pairs}\n"
        )
    sys.stdout.write(
        f"  {'all':<14}{result.share:8.4f}   95 % {result.low:.4f} to {result.high:.4f}\n"
    )


def _write_report(path: Path, metrics: RetrievalMetrics, dataset: Path) -> None:
    from mlcore.report import evaluation_html

    page = evaluation_html(metrics.as_dict(outcomes=True) | {"dataset": dataset.name})
    path.write_text(page, encoding="utf-8")
    sys.stderr.write(f"The report is in {path}.\n")
