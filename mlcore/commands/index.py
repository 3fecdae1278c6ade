"""``index``: the pictures of a folder as an index that ``search`` reads."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcore.commands.common import PICTURES, add_command, add_model, runtime_options
from mlcore.encoders import load_encoder
from mlcore.encoders.checkpoints import published
from mlcore.errors import DatasetError, ImageRejectedError, IndexFileError
from mlcore.imaging.sandbox import get_decoder
from mlcore.index import VectorIndex
from mlcore.layouts import Source, SourceRecord, open_source
from mlcore.progress import ProgressBar

if TYPE_CHECKING:
    from PIL import Image

BATCH = 32
"""Pictures encoded at a time."""


def add(commands: Any) -> None:
    """Add the command and its options."""
    command = add_command(
        commands, "index", run, "Encode the pictures of a folder and write an index."
    )
    command.add_argument("folder", type=Path, help="a folder or zip archive in any known layout")
    command.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    add_model(command)


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    out: Path = options.out
    if out.exists():
        raise IndexFileError("index.folder_exists", folder=str(out))
    encoder = load_encoder(options.model, options=runtime_options(options))
    names: list[str] = []
    vectors: list[np.ndarray[Any, Any]] = []
    refused = 0
    with open_source(options.folder) as source, ProgressBar() as bar:
        for seen, good in _readable_batches(source, encoder.image_size):
            if good:
                vectors.append(encoder.encode_images([square for _, square in good]))
                names += [name for name, _ in good]
            refused = seen - len(names)
            bar.report(seen, source.total or 0)
    if not names:
        raise DatasetError("index.no_readable_picture", folder=str(options.folder))
    index = VectorIndex.build(
        np.arange(len(names), dtype=np.int64),
        np.concatenate(vectors),
        fingerprint=encoder.fingerprint,
    )
    try:
        with published(out) as temporary:
            index.save(temporary / "index")
            (temporary / PICTURES).write_text(
                json.dumps({"model": encoder.name, "folder": str(options.folder), "names": names}),
                encoding="utf-8",
            )
    except OSError as error:
        raise IndexFileError(
            "index.folder_unwritable", folder=str(out), cause=error.strerror or str(error)
        ) from error
    sys.stdout.write(f"Indexed {len(names)} pictures in {out}; {refused} could not be read.\n")
    return 1 if refused else 0


def _readable_batches(
    source: Source, side: int
) -> Iterator[tuple[int, list[tuple[str, Image.Image]]]]:
    """Yield how many records were seen so far, and the readable pictures since the last time.

    What cannot be read is named on standard error and passed over.
    """
    seen = 0
    batch: list[tuple[str, bytes]] = []

    def decoded() -> list[tuple[str, Image.Image]]:
        good = []
        for (name, _), square in zip(batch, get_decoder().squares(batch, side), strict=True):
            if isinstance(square, ImageRejectedError):
                sys.stderr.write(f"{square}\n")
            else:
                good.append((name, square))
        return good

    for record in source:
        seen += 1
        data = _bytes_of(record)
        if data is not None:
            batch.append((record.name, data))
        if len(batch) == BATCH:
            yield seen, decoded()
            batch.clear()
    yield seen, decoded()


def _bytes_of(record: SourceRecord) -> bytes | None:
    try:
        return record.read()
    except ImageRejectedError as error:
        sys.stderr.write(f"{error}\n")
        return None
