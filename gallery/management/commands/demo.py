"""From nothing to a running search in one command."""

import json
import os
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from gallery.demo.contents import import_params, is_searchable, sample_query
from gallery.demo.site import DemoSite, how_to_run, require_free, serving
from gallery.management.jobs import run_in_foreground
from gallery.models import Image, Job
from mlcore.errors import ContextVisionError


class Command(BaseCommand):
    help = (
        "Import pictures, embed them, build the index, and serve the site with a worker until "
        "Ctrl-C. What was done by an earlier run is not done again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=port_number, default=8000)
        parser.add_argument(
            "--photos",
            type=Path,
            help="search these pictures: a folder or a zip in any layout that import_images knows",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        port: int = options["port"]
        photos: Path | None = options["photos"]
        require_free(port)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)  # all end it as Ctrl-C does
        try:
            self.prepare(photos)
            self.serve(port, own_photos=photos is None)
        except ContextVisionError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("Stopped. The same command goes on from here.")

    def prepare(self, photos: Path | None) -> None:
        call_command("migrate", verbosity=0)
        params = import_params(photos)
        done = Job.objects.filter(kind=Job.Kind.IMPORT, status=Job.Status.SUCCEEDED)
        if not done.filter(params=params).exists():
            self.stdout.write(f"Importing {params['path']}")
            run_in_foreground(self, Job.Kind.IMPORT, params)
        if not is_searchable():
            model = {"model": settings.CONTEXTVISION_MODEL}
            run_in_foreground(self, Job.Kind.EMBED, model)
            run_in_foreground(self, Job.Kind.INDEX, model, unit="steps")

    def serve(self, port: int, *, own_photos: bool) -> None:
        with serving(port, own_photos=own_photos) as site:
            self.stdout.write("Starting the web server and a worker ...")
            self.stdout.flush()
            try:
                site.wait_until_ready()
                self.show_sample(site)
                site.watch()
            except KeyboardInterrupt:
                self.stdout.write("\nStopping ...")
                raise

    def show_sample(self, site: DemoSite) -> None:
        query = sample_query()
        status, body = site.get("/api/v1/search/?" + urlencode({"q": query, "limit": 3}))
        if status != 200:
            raise CommandError(f"The sample search was answered with status {status}: {body}")
        self.stdout.write(
            f"\nSearching {Image.objects.count():,} pictures with the model "
            f"{settings.CONTEXTVISION_MODEL!r} at {self.style.SUCCESS(site.address)}\n\n"
            f"For example, {query!r} finds:"
        )
        for hit in json.loads(body)["results"]:
            image = hit["image"]
            self.stdout.write(
                f"  {hit['relevance']:.3f}  {image['title']}  {site.address}/images/{image['id']}/"
            )
        manage = how_to_run(f"{os.path.relpath(sys.executable)} manage.py", "contextvision")
        demo = how_to_run("make demo PHOTOS=", "contextvision demo --photos ")
        self.stdout.write(
            f"\nYour own pictures: stop this and run  {demo}/path/to/folder\n"
            "  (any folder, a zip, or a data set such as Flickr8k or COCO with its captions)\n"
            f"To upload pictures, make yourself an account:  {manage} createsuperuser\n"
            f"Logs are in {settings.DATA_DIR / 'logs'}. Ctrl-C stops everything."
        )
        self.stdout.flush()  # a log file or a pipe would show it only at the end otherwise


def port_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f"{text!r} is not a port: use a number from 1 to 65535.")
    return int(text)
