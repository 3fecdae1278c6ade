"""What several commands share: arguments, the pictures of a source, and how answers are written."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from mlcore.config import ONE_VIEW, VIEWS, Library, Precision, RuntimeOptions, Views
from mlcore.datasets import CaptionDataset
from mlcore.encoders import STARTER
from mlcore.errors import ImageRejectedError, ModelUnavailableError
from mlcore.i18n import Message
from mlcore.imaging.sandbox import get_decoder
from mlcore.layouts import Source, open_source
from mlcore.layouts.listing import split_of
from mlcore.layouts.options import SOURCE_OPTIONS, add_options, chosen

if TYPE_CHECKING:
    from PIL import Image

    from mlcore.encoders import Encoder

DEVICE_VARIABLE = "CONTEXTVISION_DEVICE"
LIBRARY_VARIABLE = "CONTEXTVISION_RUNTIME"
PRECISION_VARIABLE = "CONTEXTVISION_PRECISION"
"""What the environment says where an option does not; the site has these as settings."""

TOLD = 20
"""Lines about what is odd of one kind; of more only the number is told."""

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
    """Add the options that name a model, and say where and how it runs."""
    command.add_argument("--model", default=default, help="starter, a folder, or a name on the hub")
    command.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps")
    command.add_argument(
        "--runtime", choices=get_args(Library), help=f"what encodes; else {LIBRARY_VARIABLE}"
    )
    command.add_argument(
        "--precision", choices=get_args(Precision), help=f"else {PRECISION_VARIABLE}"
    )


def add_views(command: argparse.ArgumentParser) -> None:
    """Add the option that says how pictures are looked at; see :func:`chosen_views`."""
    command.add_argument(
        "--views", nargs="+", choices=VIEWS, default=[],
        help="what else than its centre the vector of a picture is made of",
    )  # fmt: skip


def chosen_views(options: argparse.Namespace) -> Views:
    """Return what ``--views`` says, which always holds the centre."""
    return tuple(view for view in VIEWS if view in (*ONE_VIEW, *options.views))


def add_dataset(command: argparse.ArgumentParser) -> None:
    """Add the options that name captioned pictures; see :func:`captioned`."""
    command.add_argument("--dataset", type=Path, required=True, help="in any layout that is known")
    command.add_argument("--split", help="train, dev or test; everything where it is not said")
    add_source_options(command)


def runtime_options(options: argparse.Namespace, *, device: str | None = None) -> RuntimeOptions:
    """Return where and how models run: as the options say, else as the environment does.

    Args:
        options: with those of :func:`add_model`, or without some of them.
        device: in the place of the option.

    Raises:
        ModelUnavailableError: the environment says what is not accepted.
    """

    def chosen(name: str, variable: str, accepted: tuple[str, ...]) -> Any:
        value = getattr(options, name, None) or os.environ.get(variable) or "auto"
        if accepted and value not in accepted:
            raise ModelUnavailableError(
                "runtime.not_accepted", variable=variable, value=value, accepted=list(accepted)
            )
        return value

    return RuntimeOptions(
        device=device or chosen("device", DEVICE_VARIABLE, ()),
        library=chosen("runtime", LIBRARY_VARIABLE, get_args(Library)),
        precision=chosen("precision", PRECISION_VARIABLE, get_args(Precision)),
    )


def add_source_options(parser: Any) -> None:
    """Add what may be said about a data set; see :func:`opened`."""
    add_options(parser, SOURCE_OPTIONS)


def opened(options: argparse.Namespace) -> Source:
    """Open the data set of ``options``, and tell on the error output what of it is odd.

    Raises:
        DatasetError: as :func:`mlcore.layouts.open_source`.
    """
    source = open_source(options.dataset, chosen=chosen(vars(options)))
    _tell([f"{row.where}: {row.reason}" for row in source.odd])
    _tell(list(map(str, source.notes)))
    return source


def captioned(source: Source, split: str | None, path: Path) -> CaptionDataset:
    """Take the captioned pictures of one split of a source, or of all of it.

    Those that cannot be read are left out, and told on the error output.
    """
    name = split_of(split) or split if split else None
    problems: list[str] = []
    data = CaptionDataset.from_records(source, split=name, source=str(path))
    data = data.readable(lambda error: problems.append(str(error)))
    _tell(problems)
    return data


def _tell(lines: Sequence[str]) -> None:
    for line in lines[:TOLD]:
        sys.stderr.write(f"{line}\n")
    if len(lines) > TOLD:
        sys.stderr.write(str(Message.of("command.more", count=len(lines) - TOLD)) + "\n")


def picture(path: Path, side: int) -> Image.Image:
    """Read one picture, as the square that a model looks at."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageRejectedError(str(path), "file.unreadable", cause=str(error.strerror)) from error
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
