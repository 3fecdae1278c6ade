"""Records without pictures, to see what a large gallery costs."""

import argparse
import hashlib
import sys
from collections.abc import Sequence

from benchmarks.core.vectors import Likeness
from gallery.models import Caption, Image, ImageEmbedding, ModelVersion
from gallery.selectors import sample_captions, working_model
from mlcore.progress import ProgressBar

SOURCE = "generated"
AT_A_TIME = 2_000
LEARNT_FROM = 2_000
"""Vectors of real pictures that the generated ones are made like."""


def main(arguments: Sequence[str]) -> int:
    """Add records with captions and vectors, but without pictures, until there are COUNT.

    Only for measuring, in a data folder that holds nothing of value: its pages show no pictures.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks rows", description=main.__doc__)
    parser.add_argument("count", type=int, metavar="COUNT")
    count = parser.parse_args(arguments).count
    version = working_model()
    if version is None:
        sys.stderr.write("Import and index some pictures first: records are made like them.\n")
        return 1
    add_records(version, count)
    return 0


def add_records(version: ModelVersion, count: int) -> None:
    """Add records like those there are, until there are ``count``."""
    rows = ImageEmbedding.objects.of_model(version)
    first = list(rows.order_by("pk").values_list("pk", flat=True)[:LEARNT_FROM])
    _, vectors, _ = rows.filter(pk__in=first).matrix()
    likeness = Likeness.of(vectors)
    captions = [each.text for each in sample_captions(LEARNT_FROM)] or ["a picture"]
    there = Image.objects.count()
    with ProgressBar("records") as bar:
        for start in range(there, count, AT_A_TIME):
            size = min(AT_A_TIME, count - start)
            numbers = range(start, start + size)
            images = Image.objects.bulk_create([_image(number) for number in numbers])
            Caption.objects.bulk_create(
                Caption(image=image, text=captions[number % len(captions)])
                for number, image in zip(numbers, images, strict=True)
            )
            made = likeness.make(size, seed=start)
            ImageEmbedding.objects.store(version, [image.pk for image in images], made)
            bar.report(start + size - there, count - there)


def _image(number: int) -> Image:
    digest = hashlib.sha256(f"{SOURCE} {number}".encode()).hexdigest()
    return Image(
        file=f"{SOURCE}/{digest}.jpg", sha256=digest, width=500, height=375, format="JPEG",
        bytes=60_000, title=f"Generated {number}", source=SOURCE,
    )  # fmt: skip
