"""What several commands share: arguments, the pictures of a source, and how answers are written."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.datasets import CaptionDataset
from mlcore.decoding import get_decoder
from mlcore.errors import ImageRejectedError
from mlcore.layouts import Source
from mlcore.starter import STARTER

if TYPE_CHECKING:
    from PIL import Image

    from mlcore.encoder import Encoder

PICTURES = "pictures.json"
"""Beside an index: which picture each id is, and which model made the vectors."""


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """Add a command to the subparsers of ``python -m mlcore``; its options are the caller's."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    return command


def add_model(command: argparse.ArgumentParser, default: str | None = STARTER) -> None:
    """Add the options that name a model and a device."""
    command.add_argument("--model", default=default, help="starter, a folder, or a name on the hub")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")


def captioned(source: Source, split: str | None, path: Path) -> CaptionDataset:
    """Take the captioned pictures of one split of a source, or of all of it."""
    # "dev" and "validation" are other people's words for what the layouts call "val".
    name = {"dev": "val", "validation": "val"}.get(split, split) if split else None
    return CaptionDataset.from_records(source, split=name, source=str(path))


def picture(path: Path, side: int) -> Image.Image:
    """Read one picture, as the square that a model looks at."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageRejectedError(str(path), f"cannot be read ({error.strerror}).") from error
    return get_decoder().square(data, name=str(path), side=side)


def about(encoder: Encoder) -> dict[str, Any]:
    """Say which model answered, as JSON values."""
    return {
        "model": encoder.name,
        "fingerprint": encoder.fingerprint,
        "dim": encoder.dim,
        "runtime": encoder.runtime,
    }


def write_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def positive(text: str) -> int:
    """Read a number of at least 1 from the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
