"""Records without pictures, to see what a large gallery costs."""

import hashlib
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.models import Caption, Image, ImageEmbedding
from gallery.selectors import sample_captions, working_model
from mlcore.benchmark.vectors import Likeness
from mlcore.progress import ProgressBar

SOURCE = "generated"
AT_A_TIME = 2_000
LEARNT_FROM = 2_000
"""Vectors of real pictures that the generated ones are made like."""


class Command(BaseCommand):
    help = (
        "Add records with captions and vectors, but without pictures, until there are COUNT. Only "
        "for measuring, in a data folder that holds nothing of value: its pages show no pictures."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("count", type=int, metavar="COUNT")

    def handle(self, *args: Any, **options: Any) -> None:
        version = working_model()
        if version is None:
            raise CommandError("Import and index some pictures first: records are made like them.")
        rows = ImageEmbedding.objects.of_model(version)
        first = list(rows.order_by("pk").values_list("pk", flat=True)[:LEARNT_FROM])
        _, vectors, _ = rows.filter(pk__in=first).matrix()
        likeness = Likeness.of(vectors)
        captions = sample_captions(LEARNT_FROM) or ["a picture"]
        there = Image.objects.count()
        with ProgressBar("records") as bar:
            for start in range(there, options["count"], AT_A_TIME):
                size = min(AT_A_TIME, options["count"] - start)
                numbers = range(start, start + size)
                images = Image.objects.bulk_create([_image(number) for number in numbers])
                Caption.objects.bulk_create(
                    Caption(image=image, text=captions[number % len(captions)])
                    for number, image in zip(numbers, images, strict=True)
                )
                made = likeness.make(size, seed=start)
                ImageEmbedding.objects.store(version, [image.pk for image in images], made)
                bar.report(start + size - there, options["count"] - there)


def _image(number: int) -> Image:
    digest = hashlib.sha256(f"{SOURCE} {number}".encode()).hexdigest()
    return Image(
        file=f"{SOURCE}/{digest}.jpg", sha256=digest, width=500, height=375, format="JPEG",
        bytes=60_000, title=f"Generated {number}", source=SOURCE,
    )  # fmt: skip
