"""``nonsense``: do sensible queries have strong hits, and those that nothing answers none?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore.commands.common import (
    add_command,
    add_dataset,
    add_model,
    captioned,
    opened,
    runtime_options,
    write_json,
)
from mlcore.commands.evaluate import add_weighing, weighing_of
from mlcore.config import ImageLimits
from mlcore.encoders import load_encoder
from mlcore.evaluation.encoding import encode_pictures
from mlcore.evaluation.nonsense import SENSIBLE, has_strong_hit, nonsense_test, shipped_queries
from mlcore.progress import ProgressBar
from mlcore.relevance.fitting import biases
from mlcore.relevance.held_out import Captions, score_queries

_KNOWN = (0, 1, 5)
"""Captions of each picture that are known."""


def add(commands: Any) -> None:
    """Add the command to the subparsers of ``python -m mlcore``."""
    command = add_command(
        commands, "nonsense", run,
        "Ask 100 sensible queries and 100 that nothing answers, and count strong hits. The "
        "queries are about Flickr8k's train and dev pictures.",
    )  # fmt: skip
    add_dataset(command)
    add_weighing(command)
    command.add_argument("--json", action="store_true")
    add_model(command)


def run(options: argparse.Namespace) -> int:
    """Run the test, and return the exit status."""
    encoder = load_encoder(options.model, options=runtime_options(options))
    weighing = weighing_of(options, encoder.fingerprint)
    queries = shipped_queries()
    with opened(options) as source, ProgressBar() as bar:
        data = captioned(source, options.split, options.dataset)
        (images,) = encode_pictures(encoder, data, ImageLimits(), bar)
    sentences = weighing.sentences.encode_texts if weighing.sentences else None
    texts = [image.captions for image in data]
    captions = Captions.read(texts, encoder.encode_texts, sentences)

    def evidence(asked: Sequence[str], known: int) -> Iterator[NDArray[np.float32]]:
        places = [list(range(min(known, len(each)))) for each in texts]
        vectors = encoder.encode_texts(asked)
        read = sentences(asked) if sentences else None
        taken = biases(images, captions, weighing.relevance.bias, places)
        yield from score_queries(
            asked, vectors, read, images, captions, weighing.language, places, *taken
        )

    found = {}
    for known in _KNOWN:
        by_kind = {kind: list(evidence(asked, known)) for kind, asked in queries.items()}
        unanswerable = [each for kind, rows in by_kind.items() if kind != SENSIBLE for each in rows]
        result = nonsense_test(weighing.relevance, by_kind[SENSIBLE], unanswerable)
        strong = {
            kind: sum(has_strong_hit(weighing.relevance, each) for each in rows)
            for kind, rows in by_kind.items()
        }
        found[known] = result.as_dict() | {"strong": strong}
        if not options.json:
            told = ", ".join(f"{strong[kind]} of {len(queries[kind])} {kind}" for kind in queries)
            sys.stdout.write(
                f"{known} captions known: {result.sensible_strong:.2f} of sensible queries have "
                f"a strong hit, {1 - result.unanswerable_strong:.2f} of the others have none\n"
                f"  strong: {told}\n"
            )
    if options.json:
        write_json({"pictures": len(data), "known": found})
    return 0
