"""The pictures and sentences that everything is measured on."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.harness.measure import BenchmarkError
from mlcore.layouts import SourceRecord, open_source

MADE = 300
"""Pictures generated where no folder is given."""

_WHO = ("a dog", "two dogs", "a girl in a red coat", "an old man", "three children", "a cyclist")
_DO = ("runs", "waits", "jumps", "looks up", "plays", "sleeps")
_WHERE = ("on a beach", "in the snow", "by a lake", "on a street", "under a tree", "at a market")
_WHEN = ("at dusk", "in the rain", "on a sunny day", "in front of a crowd", "beside a bench")


@dataclass(frozen=True, slots=True)
class Photos:
    """JPEG files with what people say about them."""

    folder: Path
    """In a layout that imports know."""
    words: str
    """What they are, for the report."""
    records: Sequence[SourceRecord]
    sentences: Sequence[str]
    """All different, mixed, first those that come from different pictures."""


def photos_of(folder: Path) -> Photos:
    """Read the listing of a folder in any layout that imports know.

    Raises:
        BenchmarkError: it holds too few pictures.
        DatasetError: it is no folder of pictures.
    """
    with open_source(folder) as source:
        records = list(source)
        layout = str(source.layout)
    if len(records) < 4:
        raise BenchmarkError(f"{folder}: a benchmark needs at least 4 pictures.")
    longest = max(len(record.captions) for record in records)
    captions = [
        record.captions[number]
        for number in range(longest)
        for record in records
        if number < len(record.captions)
    ]
    sentences = list(dict.fromkeys(captions)) or made_sentences()
    mixed = np.random.default_rng(1).permutation(len(records))
    said = "their captions" if captions else "generated sentences"
    return Photos(
        folder,
        f"{len(records):,} pictures of {folder.name} ({layout}) and {said}",
        [records[place] for place in mixed],
        sentences,
    )


def generated(folder: Path, count: int = MADE) -> Photos:
    """Write generated pictures, of a usual camera's proportions, into a new folder."""
    sentences = made_sentences()
    folder.mkdir(parents=True)
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["file", "caption"])
        for number in range(count):
            name = f"{number:04}.jpg"
            _picture(number).save(folder / name, quality=90)
            table.writerow([name, sentences[number % len(sentences)]])
    found = photos_of(folder)
    words = f"{count:,} generated pictures of 500 x 375 and generated sentences"
    return Photos(folder, words, found.records, sentences)


def made_sentences() -> list[str]:
    """Return sentences that are all different, in a mixed order."""
    made = [" ".join(words) for words in itertools.product(_WHO, _DO, _WHERE, _WHEN)]
    return [made[place] for place in np.random.default_rng(2).permutation(len(made))]


def _picture(number: int) -> Image.Image:
    """Smooth colours under fine grain: what a JPEG decoder works at like a photograph."""
    generator = np.random.default_rng(number)
    coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC))
    grain = generator.normal(0, 12, (375, 500, 1))
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))
