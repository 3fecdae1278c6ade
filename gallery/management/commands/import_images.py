"""Take in the pictures of a folder or a zip, in any of the known layouts."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from gallery.management.jobs import run_in_foreground
from gallery.management.users import user_named
from gallery.models import Job
from gallery.models.image import Visibility


class Command(BaseCommand):
    help = (
        "Import pictures and captions from PATH: Flickr8k (original or Kaggle layout), COCO "
        "captions, metadata.jsonl, CSV, a plain folder, or a zip of any of these. Run it again "
        "after an interruption: what is there already is recognised. The exit status is 3 where "
        "some pictures failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--collection", default="", help="put the pictures into this one")
        parser.add_argument("--tag", action="append", default=[], help="may be given repeatedly")
        parser.add_argument("--owner", default="", help="user name of the owner")
        parser.add_argument(
            "--private", action="store_true", help="only the owner and staff see the pictures"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        params: dict[str, Any] = {
            "path": str(options["path"].resolve()),
            "collection": options["collection"],
            "tags": options["tag"],
            "visibility": Visibility.PRIVATE if options["private"] else Visibility.PUBLIC,
        }
        if options["owner"]:
            params["user"] = user_named(options["owner"]).pk
        job = run_in_foreground(self, Job.Kind.IMPORT, params)
        if job.result.get("failed"):
            raise SystemExit(3)
