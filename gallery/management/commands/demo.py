"""From nothing to a running search in one command."""

import hashlib
import json
import os
import signal
import socket
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from gallery.management import demo_photos
from gallery.management.jobs import run_in_foreground
from gallery.management.processes import ProgramGroup
from gallery.models import Caption, Collection, Image, IndexVersion, Job
from mlcore.errors import ContextVisionError

HOST = "127.0.0.1"
START_TIMEOUT = 180.0
"""Seconds; a slow machine imports torch and reads a large model in less."""
OUTSIDE_SAMPLE_QUERY = "people outdoors"
"""Asked of pictures that came without captions."""


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
        require_free(port)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)  # all end it as Ctrl-C does
        try:
            self.prepare(options["photos"])
            self.serve(port)
        except ContextVisionError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("Stopped. The same command goes on from here.")

    def prepare(self, photos: Path | None) -> None:
        call_command("migrate", verbosity=0)
        if photos is None:
            source = demo_photos.lay_out(settings.DATA_DIR / "demo-photos")
            collection = demo_photos.COLLECTION
        else:
            source = photos.expanduser().resolve()
            collection = source.stem
        params = {
            "path": str(source),
            "collection": collection[: Collection._meta.get_field("name").max_length],
            "listing": listing_digest(source),
        }
        done = Job.objects.filter(kind=Job.Kind.IMPORT, status=Job.Status.SUCCEEDED)
        if not done.filter(params=params).exists():
            self.stdout.write(f"Importing {source}")
            run_in_foreground(self, Job.Kind.IMPORT, params)
        if not is_searchable():
            model = {"model": settings.CONTEXTVISION_MODEL}
            run_in_foreground(self, Job.Kind.EMBED, model)
            run_in_foreground(self, Job.Kind.INDEX, model, unit="steps")

    def serve(self, port: int) -> None:
        python = [sys.executable, "-m"]
        with ProgramGroup(settings.DATA_DIR / "logs") as programs:
            programs.start(
                "web",
                [
                    *python,
                    *("gunicorn", "--config", "python:contextvision_site.gunicorn"),
                    *("--bind", f"{HOST}:{port}"),
                ],
                cwd=settings.BASE_DIR,
            )
            programs.start(
                "worker",
                [
                    *python,
                    *("celery", "--app", "contextvision_site", "worker"),
                    *("--pool", "threads", "--concurrency", "3", "--queues", "default,embed,train"),
                ],
                cwd=settings.BASE_DIR,
            )
            self.stdout.write("Starting the web server and a worker ...")
            self.stdout.flush()
            try:
                wait_until_ready(port, programs)
                self.show_sample(port)
                while True:
                    require_all(programs)
                    time.sleep(0.5)
            except KeyboardInterrupt:
                self.stdout.write("\nStopping ...")
                raise

    def show_sample(self, port: int) -> None:
        site = f"http://{HOST}:{port}"
        query = sample_query()
        status, body = get(port, "/api/v1/search/?" + urlencode({"q": query, "limit": 3}))
        if status != 200:
            raise CommandError(f"The sample search was answered with status {status}: {body}")
        answer = json.loads(body)
        self.stdout.write(
            f"\nSearching {Image.objects.count():,} pictures with the model "
            f"{settings.CONTEXTVISION_MODEL!r} at {self.style.SUCCESS(site)}\n\n"
            f"For example, {query!r} finds:"
        )
        for hit in answer["results"]:
            image = hit["image"]
            self.stdout.write(
                f"  {hit['score']:.3f}  {image['title']}  {site}/images/{image['id']}/"
            )
        python = os.path.relpath(sys.executable)
        self.stdout.write(
            "\nYour own pictures: stop this and run  make demo PHOTOS=/path/to/folder\n"
            "  (any folder, a zip, or a data set such as Flickr8k or COCO with its captions)\n"
            f"To upload pictures, make yourself an account:  {python} manage.py createsuperuser\n"
            f"Logs are in {settings.DATA_DIR / 'logs'}. Ctrl-C stops everything."
        )
        self.stdout.flush()  # a log file or a pipe would show it only at the end otherwise


def port_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f"{text!r} is not a port: use a number from 1 to 65535.")
    return int(text)


def require_free(port: int) -> None:
    """Find out before any work is done that the server could not be started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}). Choose another one: "
                f"make demo PORT={port + 1 if port < 65535 else 8000}"
            ) from error


def listing_digest(source: Path) -> str:
    """Tell one state of a folder or archive from another by names, sizes and times of its files."""
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            facts = file.stat()
            digest.update(
                f"{file}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode(errors="replace")
            )
    return digest.hexdigest()


def is_searchable() -> bool:
    """Tell whether the live model is as it should be and no picture lacks a vector."""
    live = IndexVersion.objects.active()
    if live is None or not live.model_version.is_as_set:
        return False
    return not Image.objects.missing_embeddings(live.model_version).exists()


def sample_query() -> str:
    if Image.objects.filter(collection__name=demo_photos.COLLECTION).exists():
        return demo_photos.SAMPLE_QUERY
    caption = Caption.objects.order_by("pk").first()
    return caption.text if caption else OUTSIDE_SAMPLE_QUERY


def require_all(programs: ProgramGroup) -> None:
    program = programs.ended()
    if program is not None:
        raise CommandError(
            f"The {program.name} process has ended (status {program.process.returncode}), so the "
            f"others are stopped too. The end of {program.log}:\n{program.last_lines()}"
        )


def wait_until_ready(port: int, programs: ProgramGroup) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    answer = "no answer"
    while time.monotonic() < deadline:
        require_all(programs)
        try:
            status, answer = get(port, "/readyz")
        except (OSError, HTTPException):
            status = 0  # it does not listen yet
        if status == 200:
            return
        time.sleep(0.3)
    raise CommandError(f"The site is not ready after {START_TIMEOUT:.0f} seconds: {answer}")


def get(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()
