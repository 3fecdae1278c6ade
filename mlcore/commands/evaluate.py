"""``evaluate``: measure how well captions find their pictures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlcore.commands.common import (
    add_command,
    add_dataset,
    add_model,
    add_views,
    captioned,
    chosen_views,
    opened,
    runtime_options,
    write_json,
)
from mlcore.commands.fit_relevance import add_evidence
from mlcore.commands.judgements import JUDGEMENTS, run_judgements
from mlcore.encoders import load_encoder, seen_in
from mlcore.encoders.sentences import load_sentence_encoder
from mlcore.errors import DatasetError, RelevanceError
from mlcore.evaluation import (
    REFERENCE_100,
    CompositionResult,
    DirectionMetrics,
    EvalConfig,
    RetrievalMetrics,
    evaluate_retrieval,
)
from mlcore.evaluation.held_caption import COLUMNS, EvidenceMetrics, Weighing
from mlcore.evaluation.judgements import find_judgements
from mlcore.progress import ProgressBar
from mlcore.relevance import RelevanceModel, default_model, shipped_model
from mlcore.words import Language

PICTURES_ALONE = ("karpathy-1k", "reference-100")
PROTOCOLS = (*PICTURES_ALONE, "held-caption", JUDGEMENTS)

_TOLD = ("hit_rate@1", "hit_rate@5", "hit_rate@10", "mrr")


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
    command.add_argument(
        "--evidence", choices=tuple(COLUMNS), default="picture",
        help="what scores pictures besides their vector: captions that do not ask, their words, "
        "or all of it; the figures of the picture alone stand beside it",
    )  # fmt: skip
    add_weighing(command)
    command.add_argument("--json", action="store_true")
    command.add_argument("--html", type=Path, metavar="FILE", help="also write a report with plots")
    add_model(command)
    add_views(command)


def add_weighing(command: argparse.ArgumentParser) -> None:
    """Add what evidence is made and weighed by."""
    command.add_argument(
        "--relevance", type=Path, metavar="FILE",
        help="weights of the evidence, from fit-relevance; else those that come with the model",
    )  # fmt: skip
    add_evidence(command)


def add_data(command: argparse.ArgumentParser, protocols: Sequence[str] = PROTOCOLS) -> None:
    """Add what decides the queries and the pictures."""
    add_dataset(command)
    command.add_argument("--protocol", choices=protocols, default="karpathy-1k")
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
        raise DatasetError("evaluation.command_knows_no_index")


def run(options: argparse.Namespace) -> int:
    """Evaluate one model, and return the exit status."""
    require_own_gallery(options)
    report: Path | None = options.html
    if report is not None and not report.absolute().parent.is_dir():
        raise DatasetError("evaluation.no_folder_for_report", folder=str(report.parent))
    judgements = find_judgements(options.dataset) if options.protocol == JUDGEMENTS else {}
    encoder = load_encoder(options.model, options=runtime_options(options))
    encoder = seen_in(encoder, chosen_views(options))
    if judgements:
        return run_judgements(
            options, judgements, encoder, weighing_of(options, encoder.fingerprint)
        )
    config = EvalConfig(
        protocol=options.protocol,
        gallery=options.gallery,
        seed=options.seed,
        image_to_image=not options.no_image_to_image,
        evidence=options.evidence,
        composition=options.composition,
    )
    weighing = None
    if options.evidence != "picture" or options.protocol == "held-caption":
        weighing = weighing_of(options, encoder.fingerprint)
    with opened(options) as source, ProgressBar() as bar:
        data = captioned(source, options.split, options.dataset)
        metrics = evaluate_retrieval(encoder, data, config, progress=bar, weighing=weighing)
    if report is not None:
        _write_report(report, metrics, options.dataset)
    if options.json:
        write_json(metrics.as_dict())
    else:
        write_metrics(metrics)
    return 0


def weighing_of(options: argparse.Namespace, fingerprint: str) -> Weighing:
    """Load what evidence is made by, and read what it is weighed by.

    Raises:
        RelevanceError: the file of weights cannot be read.
    """
    sentences = load_sentence_encoder(options.sentences, options=runtime_options(options))
    if options.relevance is not None:
        try:
            relevance = RelevanceModel.from_json(json.loads(options.relevance.read_bytes()))
        except (OSError, ValueError) as error:
            raise RelevanceError("relevance.unreadable", file=str(options.relevance)) from error
    else:
        relevance = shipped_model(fingerprint) or default_model("")
    made_by = {"picture": fingerprint, "caption": sentences.fingerprint}
    return Weighing(relevance.fits(made_by), sentences, Language(options.language))


def write_metrics(metrics: RetrievalMetrics) -> None:
    """Write an evaluation for people."""
    for name in ("text_to_image", "image_to_text", "image_to_image"):
        direction: DirectionMetrics | None = getattr(metrics, name)
        if direction is not None:
            _write_direction(name, direction, metrics)
    for found in metrics.with_evidence:
        _write_evidence(found)
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


def _write_evidence(found: EvidenceMetrics) -> None:
    sys.stdout.write(
        f"text to image by evidence ({found.evidence}), other captions known: {found.others}, "
        f"of {found.share:.0%} of the pictures\n"
    )
    parts = {"": found.metrics, "known": found.captioned, "unknown": found.uncaptioned}
    for label, metrics in parts.items():
        if metrics is not None:
            told = [
                f"{name} {value:.4f}" for name, value in metrics.flat().items() if name in _TOLD
            ]
            sys.stdout.write(f"  {label:<8}{metrics.queries} queries   {'   '.join(told)}\n")
    if found.calibration is not None:
        sys.stdout.write(
            f"  calibration error {found.calibration.ece:.4f}   "
            f"Brier {found.calibration.brier:.4f} "
            f"({found.calibration.low:.4f} to {found.calibration.high:.4f})\n"
        )


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
    from mlcore.reporting.report import evaluation_html

    page = evaluation_html(metrics.as_dict(outcomes=True) | {"dataset": dataset.name})
    path.write_text(page, encoding="utf-8")
    sys.stderr.write(f"The report is in {path}.\n")
