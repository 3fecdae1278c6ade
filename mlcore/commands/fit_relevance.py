"""``fit-relevance``: weigh the evidence of search on captioned pictures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mlcore.commands.common import (
    add_command,
    add_dataset,
    add_model,
    captioned,
    opened,
    runtime_options,
)
from mlcore.config import ImageLimits
from mlcore.encoders import load_encoder
from mlcore.encoders.sentences import load_sentence_encoder
from mlcore.evaluation.encoding import encode_pictures
from mlcore.progress import ProgressBar
from mlcore.relevance.fitting import fit_on_captions
from mlcore.words import LANGUAGES, Language


def add(commands: Any) -> None:
    """Add the command to the subparsers of ``python -m mlcore``."""
    command = add_command(
        commands, "fit-relevance", run,
        "Fit what pictures, captions and words are worth as evidence, on captioned pictures that "
        "the model was not trained on.",
    )  # fmt: skip
    add_dataset(command)
    add_evidence(command)
    command.add_argument(
        "--half", action="store_true",
        help="fit on every other picture, so that the rest can tell how well it fits",
    )  # fmt: skip
    command.add_argument(
        "--with-bias", action="store_true", help="for scores that are freed of hubs"
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="where it is written as JSON")
    add_model(command)


def add_evidence(command: argparse.ArgumentParser) -> None:
    """Add what evidence is made by."""
    command.add_argument(
        "--sentences", default="minilm", metavar="MODEL",
        help="the encoder of captions: minilm, a folder of sentence-transformers, or a hub name",
    )  # fmt: skip
    command.add_argument(
        "--language", default="english", choices=LANGUAGES, help="of captions and queries"
    )


def run(options: argparse.Namespace) -> int:
    """Fit, and return the exit status."""
    runtime = runtime_options(options)
    encoder = load_encoder(options.model, options=runtime)
    sentences = load_sentence_encoder(options.sentences, options=runtime)
    with opened(options) as source, ProgressBar() as bar:
        data = captioned(source, options.split, options.dataset)
        if options.half:
            data = data.subset(range(0, len(data), 2))
        (images,) = encode_pictures(encoder, data, ImageLimits(), bar)
    model = fit_on_captions(
        np.ascontiguousarray(images),
        [image.captions for image in data],
        encoder.encode_texts,
        sentences.encode_texts,
        Language(options.language),
        encoders={"picture": encoder.fingerprint, "caption": sentences.fingerprint},
        biased=("picture", "caption") if options.with_bias else (),
    )
    for kinds, weights in model.patterns.items():
        told = ", ".join(f"{weights.by_kind[kind]:.2f} {kind}" for kind in kinds)
        sys.stdout.write(f"{' + '.join(kinds):<26} {weights.intercept:+.2f}; {told}\n")
    for kind, (k, alpha) in model.bias.items():
        sys.stdout.write(f"bias of each {kind}: {alpha} of the mean of its {k} nearest\n")
    if options.out is not None:
        options.out.write_text(json.dumps(model.to_json(), indent=2) + "\n", encoding="utf-8")
        sys.stderr.write(f"The relevance model is in {options.out}.\n")
    return 0
