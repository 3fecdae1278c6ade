"""``encode``: the vectors of texts and pictures as JSON."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mlcore.commands.common import (
    about,
    add_command,
    add_model,
    picture,
    runtime_options,
    write_json,
)
from mlcore.encoders import load_encoder
from mlcore.errors import InvalidQueryError


def add(commands: Any) -> None:
    """Add the command and its options."""
    command = add_command(
        commands, "encode", run, "Print the vectors of texts and pictures as JSON."
    )
    command.add_argument("--text", nargs="+", default=[], metavar="TEXT")
    command.add_argument("--image", nargs="+", default=[], type=Path, metavar="FILE")
    add_model(command)


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    if not options.text and not options.image:
        raise InvalidQueryError("query.nothing_to_encode")
    encoder = load_encoder(options.model, options=runtime_options(options))
    answer: dict[str, Any] = about(encoder) | {"texts": [], "images": []}
    for text, vector in zip(options.text, encoder.encode_texts(options.text), strict=True):
        answer["texts"].append(
            {"text": text, "truncated": encoder.is_truncated(text), "vector": vector.tolist()}
        )
    pictures = [picture(path, encoder.image_size) for path in options.image]
    for path, vector in zip(options.image, encoder.encode_images(pictures), strict=True):
        answer["images"].append({"image": str(path), "vector": vector.tolist()})
    write_json(answer)
    return 0
