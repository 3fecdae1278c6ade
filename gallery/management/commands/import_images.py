"""Take in the pictures of a folder or a zip, in any of the known layouts."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError

from gallery.management.jobs import run_in_foreground
from gallery.management.users import user_named
from gallery.management.watching import watch
from gallery.models import Job
from gallery.models.choices import Visibility
from gallery.uploads.import_options import IMPORT_OPTIONS, given
from mlcore.layouts.options import add_options


class Command(BaseCommand):
    help = (
        "Import pictures and captions from PATH: Flickr8k, Flickr30k, COCO captions, Karpathy's "
        "splits, an imagefolder, Parquet, a table, a plain folder with captions beside the "
        "pictures, or a zip or tar of any of these. Run it again "
        "after an interruption: what is there already is recognised. The exit status is 3 where "
        "some pictures failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--collection", default="", help="put the pictures into this one")
        parser.add_argument("--tag", action="append", default=[], help="may be given repeatedly")
        parser.add_argument("--owner", default="", help="user name of the owner")
        parser.add_argument(
            "--visibility",
            choices=Visibility.values,
            default="",
            help="who sees the pictures besides the owner and editors; public where not said",
        )
        add_options(parser, IMPORT_OPTIONS)
        parser.add_argument(
            "--group",
            action="append",
            default=[],
            help="members of this group see them; may be given repeatedly",
        )
        parser.add_argument("--private", action="store_true", help="as --visibility private")
        parser.add_argument(
            "--watch",
            action="store_true",
            help="go on: take in what comes into the folder or changes, until Ctrl-C",
        )
        parser.add_argument(
            "--interval", type=int, metavar="SECONDS", help="between two looks of --watch"
        )
        parser.add_argument(
            "--hide-vanished",
            action="store_true",
            help="with --watch: make pictures private whose file vanished",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["watch"]:
            watch(self, options)
            return
        params: dict[str, Any] = {
            "path": str(options["path"].resolve()),
            "collection": options["collection"],
            "tags": options["tag"],
            **audience(options),
            **given(options),
        }
        if options["owner"]:
            params["user"] = user_named(options["owner"]).pk
        job = run_in_foreground(self, Job.Kind.IMPORT, params)
        if job.result.get("failed"):
            raise SystemExit(3)


def audience(options: dict[str, Any]) -> dict[str, Any]:
    """Return who is to see the pictures, as parameters of an import.

    Raises:
        CommandError: what was said contradicts itself, or there is no such group.
    """
    asked: str = options["visibility"]
    names: list[str] = options["group"]
    said = {asked} - {""} | ({"private"} if options["private"] else set())
    said |= {"groups"} if names else set()
    if len(said) > 1:
        raise CommandError(f"Either {' or '.join(sorted(said))}: pictures are for one of these.")
    visibility = said.pop() if said else Visibility.PUBLIC.value
    if visibility == Visibility.GROUPS and not names:
        raise CommandError("Name the groups that see the pictures: --group NAME.")
    there = set(Group.objects.filter(name__in=names).values_list("name", flat=True))
    if missing := [name for name in names if name not in there]:
        raise CommandError(f"There is no group {', '.join(missing)}.")
    return {"visibility": visibility, **({"groups": names} if names else {})}
