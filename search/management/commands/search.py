"""Search from the shell."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management.base import BaseCommand, CommandError
from django.utils.datastructures import MultiValueDict

from gallery.management.users import user_named
from mlcore.errors import ContextVisionError
from search.filters import FILTERS
from search.forms import SearchForm
from search.parameters import PARAMETERS
from search.services import SearchPage, search_images


class Command(BaseCommand):
    help = "Find pictures by words, by an example picture, or by both."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("q", nargs="?", default="", metavar="WORDS")
        parser.add_argument("--image", type=Path, help="an example picture")
        parser.add_argument("-k", "--limit", type=int, default=10, help="how many (10)")
        for name, each in PARAMETERS.items():
            if name not in ("q", "limit"):
                action: Any = "append" if each.is_part else "store"
                parser.add_argument(f"--{name}", action=action, help=_escaped(each.help))
        for name, declared in FILTERS.items():
            action = "append" if declared.is_many else "store"
            parser.add_argument(f"--{name}", action=action, help=_escaped(declared.help))
        parser.add_argument("--user", help="search as this user; as the public otherwise")
        parser.add_argument("--json", action="store_true", help="print JSON for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        files: MultiValueDict[str, Any] = MultiValueDict()
        if options["image"]:
            try:
                data = options["image"].read_bytes()
            except OSError as error:
                raise CommandError(f"{options['image']}: {error.strerror}.") from error
            files["image"] = SimpleUploadedFile(options["image"].name, data)
        form = SearchForm({name: given for name, given in options.items() if given}, files)
        if not form.is_valid():
            reasons = [f"{name}: {texts.as_text()}" for name, texts in form.errors.items()]
            raise CommandError(" ".join(reasons))
        user = user_named(options["user"]) if options["user"] else None
        try:
            page = search_images(form.query(), user=user)
        except ContextVisionError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(page), indent=2))
        else:
            self._print(page)

    def _print(self, page: SearchPage) -> None:
        for notice in page.notices:
            self.stderr.write(str(notice))
        for result in page.results:
            image = result.image
            self.stdout.write(f"{result.relevance:6.3f}  {image.pk:>7}  {image}  {image.caption}")
        version = page.engine.version
        self.stdout.write(
            f"{len(page.results)} of {version.count} pictures in {page.timing_ms['total']:.0f} ms, "
            f"{version.model_version}"
        )


def _escaped(text: str) -> str:
    """Argparse fills in what stands behind a percent sign."""
    return text.replace("%", "%%")


def _as_json(page: SearchPage) -> dict[str, Any]:
    return {
        "results": [
            {
                "relevance": result.relevance,
                "is_strong": result.is_strong,
                "similarity": result.similarity,
                "id": result.image.pk,
                "title": result.image.title,
                "captions": [caption.text for caption in result.image.captions.all()],
                "source": result.image.source,
            }
            for result in page.results
        ],
        "model": str(page.engine.version.model_version),
        "index": page.engine.version.pk,
        "timing_ms": page.timing_ms,
        "searched": page.searched,
        "strong": page.strong,
        "notices": [{"code": each.code, "text": str(each)} for each in page.notices],
    }
