"""Measure how well captions find their pictures."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.management.jobs import run_quietly
from gallery.management.models import MODEL_HELP, expected_errors, model_named
from gallery.models import Evaluation, Job
from gallery.services.evaluations import GALLERIES, PROTOCOLS, report, training_curve
from mlcore.commands.evaluate import write_metrics
from mlcore.evaluation import RetrievalMetrics
from mlcore.layouts.listing import split_of


class Command(BaseCommand):
    help = (
        "Evaluate a model on captioned pictures of the gallery, or of a folder or archive in any "
        "known layout, and keep the figures."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--model", help=f"{MODEL_HELP}; the live one otherwise")
        parser.add_argument("--dataset", type=Path, help="a folder or archive, not the gallery")
        parser.add_argument(
            "--split",
            help="test (what no training saw), validation, train, or all; test where it is not "
            "said, and with --dataset all",
        )
        parser.add_argument("--collection", default="", help="only this one of the gallery")
        parser.add_argument(
            "--protocol", choices=[name for name, _ in PROTOCOLS], default="karpathy-1k"
        )
        parser.add_argument(
            "--gallery", choices=[name for name, _ in GALLERIES], default="queried",
            help="among which pictures a caption looks",
        )  # fmt: skip
        parser.add_argument(
            "--composition", action="store_true",
            help="also test whether captions beat slightly wrong ones",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--html", type=Path, metavar="FILE", help="also write a report")

    def handle(self, *args: Any, **options: Any) -> None:
        split = options["split"] or ("all" if options["dataset"] else "test")
        with expected_errors():
            model = model_named(options["model"])
        params: dict[str, Any] = {
            "model": model.pk,
            "protocol": options["protocol"],
            "gallery": options["gallery"],
            "split": "" if split == "all" else split_of(split) or split,
            "collection": options["collection"],
            "composition": options["composition"],
        }
        if options["dataset"]:
            params["dataset"] = str(options["dataset"].resolve())
        job = run_quietly(Job.Kind.EVALUATE, params)
        evaluation = Evaluation.objects.get(pk=job.result["evaluation"])
        whole = report(evaluation)
        if options["html"]:
            self._write_html(options["html"], whole, training_curve(model))
        if options["json"]:
            whole.pop("outcomes")
            self.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False))
        else:
            write_metrics(RetrievalMetrics.from_dict(whole))

    def _write_html(self, file: Path, whole: dict[str, Any], curve: list[dict[str, Any]]) -> None:
        from mlcore.reporting.report import evaluation_html

        try:
            file.write_text(evaluation_html(whole, training=curve), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
