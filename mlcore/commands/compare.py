"""``compare``: two models on the same queries."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from mlcore.commands.common import (
    add_command,
    add_model,
    captioned,
    opened,
    runtime_options,
    write_json,
)
from mlcore.commands.evaluate import PICTURES_ALONE, add_data, require_own_gallery
from mlcore.encoders import load_encoder
from mlcore.evaluation import (
    Comparison,
    EvalConfig,
    QueryChange,
    RetrievalMetrics,
    compare,
    evaluate_retrieval,
)
from mlcore.progress import ProgressBar

_SHOWN = 5
"""Queries written of those that got better, and of those that got worse."""


def add(commands: Any) -> None:
    """Add the command to the subparsers of ``python -m mlcore``."""
    command = add_command(
        commands, "compare", run, "Compare two models on the same queries, with a paired test."
    )
    add_data(command, PICTURES_ALONE)
    add_model(command)
    command.add_argument(
        "--with", dest="candidate", required=True, metavar="MODEL",
        help="the model that may be better than --model",
    )  # fmt: skip
    command.add_argument("--json", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Evaluate both models and compare them, and return the exit status."""
    require_own_gallery(options)
    config = EvalConfig(
        protocol=options.protocol,
        gallery=options.gallery,
        seed=options.seed,
        image_to_image=False,
    )
    found: list[RetrievalMetrics] = []
    with opened(options) as source, ProgressBar() as bar:
        data = captioned(source, options.split, options.dataset)
        for model in (options.model, options.candidate):
            encoder = load_encoder(model, options=runtime_options(options))
            found.append(evaluate_retrieval(encoder, data, config, progress=bar))
    comparison = compare(*found)
    if options.json:
        write_json(comparison.as_dict())
    else:
        _write_comparison(comparison, options.model, options.candidate)
    return 0


def _write_comparison(comparison: Comparison, live: str, candidate: str) -> None:
    write = sys.stdout.write
    write(f"A is {live}, B is {candidate}; text to image.\n")
    write(f"  {'':<14}{'A':>8}{'B':>9}{'B - A':>10}   95 % interval       p\n")
    for name, found in comparison.metrics.items():
        write(
            f"  {name:<14}{found.live:8.4f} {found.candidate:8.4f}  {found.difference:+8.4f}   "
            f"{found.low:+.4f} to {found.high:+.4f}  {found.p_value:.4f}\n"
        )
    _write_changes("better", comparison.better)
    _write_changes("worse", comparison.worse)


def _write_changes(word: str, changes: Sequence[QueryChange]) -> None:
    sys.stdout.write(f"{len(changes)} queries got {word}{':' if changes else '.'}\n")
    for change in changes[:_SHOWN]:
        sys.stdout.write(
            f"  rank {change.live_rank} to {change.candidate_rank}: {change.query} "
            f"({', '.join(change.relevant)})\n"
        )
