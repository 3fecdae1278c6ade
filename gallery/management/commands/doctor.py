"""Look whether all that belongs together is there and whole."""

import json
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand

from gallery.management.jobs import run_quietly
from gallery.models import Job
from gallery.pipelines.doctor.examination import CHECKS, examine
from gallery.pipelines.doctor.findings import Finding

FOUND = 3
"""The exit status where something is left that was not mended."""


class Command(BaseCommand):
    help = (
        "Look whether files, sizes, vectors, captions, words, jobs and indexes are there and "
        "whole, and for what was left over. The exit status is 3 where something was found and "
        "not mended. Interrupted and started again it goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="mend what can be mended")
        parser.add_argument(
            "--quick", action="store_true", help="compare sizes of originals, not every byte"
        )
        parser.add_argument(
            "--only", action="append", choices=CHECKS, help="may be given repeatedly"
        )
        parser.add_argument(
            "--anew", action="store_true", help="do not go on with one that was interrupted"
        )
        parser.add_argument(
            "--json", action="store_true", help="an object a line: findings, then the sum"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        params: dict[str, Any] = {"repair": options["repair"], "thorough": not options["quick"]}
        if options["only"]:
            params["checks"] = options["only"]
        if options["anew"]:
            params["anew"] = True
        tell = self._as_json if options["json"] else self._in_words
        job = run_quietly(Job.Kind.DOCTOR, params, unit="steps", body=partial(examine, tell=tell))
        checks = job.result["checks"]
        found = sum(each["found"] for each in checks.values())
        mended = sum(each["mended"] for each in checks.values())
        if options["json"]:
            self.stdout.write(json.dumps({"found": found, "mended": mended, "checks": checks}))
        else:
            self.stdout.write(f"{found} found, {mended} mended.")
        if job.status == Job.Status.CANCELLED or found > mended:
            raise SystemExit(FOUND)

    def _in_words(self, check: str, finding: Finding) -> None:
        done = " (mended)" if finding.mended else ""
        self.stdout.write(f"{check}: {finding.message}{done}")

    def _as_json(self, check: str, finding: Finding) -> None:
        told = {"check": check, "mended": finding.mended, "text": str(finding.message)}
        self.stdout.write(json.dumps({**told, **finding.message.as_json()}))
