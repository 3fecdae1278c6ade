"""``search``: ask an index by text, by a picture, or by both."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mlcore.commands.common import (
    PICTURES,
    about,
    add_command,
    add_model,
    picture,
    positive,
    runtime_options,
    write_json,
)
from mlcore.encoders import load_encoder
from mlcore.encoders.checkpoints import read_json
from mlcore.errors import CheckpointError, IndexFileError
from mlcore.index import VectorIndex
from mlcore.query import QueryPart, compose_query, normalise_text


def add(commands: Any) -> None:
    """Add the command and its options."""
    command = add_command(
        commands, "search", run, "Search an index by text, by a picture, or by both."
    )
    command.add_argument("text", nargs="?")
    command.add_argument("--index", type=Path, required=True, help="a folder that 'index' wrote")
    command.add_argument("--image", type=Path, metavar="FILE")
    command.add_argument(
        "--not", dest="unwanted", action="append", default=[], metavar="TEXT",
        help="what the pictures should not show; may be repeated",
    )  # fmt: skip
    command.add_argument("-k", type=positive, default=10, help="how many results (10)")
    command.add_argument("--json", action="store_true")
    add_model(command, default=None)


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    try:
        listed = read_json(options.index / PICTURES)
        names, model = list(listed["names"]), str(listed["model"])
    except (CheckpointError, KeyError, TypeError) as error:
        raise IndexFileError("index.not_by_command", folder=str(options.index)) from error
    wanted = normalise_text(options.text or "")
    unwanted = [text for one in options.unwanted if (text := normalise_text(one))]
    encoder = load_encoder(options.model or model, options=runtime_options(options))
    index = VectorIndex.load(options.index / "index", fingerprint=encoder.fingerprint)
    parts: list[QueryPart] = []
    if wanted:
        parts.append(QueryPart(encoder.encode_texts([wanted]), 1.0, "text"))
    if options.image:
        asked = picture(options.image, encoder.image_size)
        parts.append(QueryPart(encoder.encode_images([asked]), 1.0, "image"))
    parts += [QueryPart(encoder.encode_texts([text]), -0.5, "text") for text in unwanted]
    for text in [wanted, *unwanted]:
        if encoder.is_truncated(text):
            sys.stderr.write(f"The text is longer than the model reads; its end was cut: {text}\n")
    query = compose_query(parts, gallery=index.sample())
    (hits,) = index.search(query, options.k)
    if options.json:
        found = [{"image": names[hit.image_id], "score": round(hit.score, 4)} for hit in hits]
        write_json(about(encoder) | {"results": found})
    else:
        for hit in hits:
            sys.stdout.write(f"{hit.score:6.3f}  {names[hit.image_id]}\n")
    return 0
