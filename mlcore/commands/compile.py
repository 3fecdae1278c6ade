"""``compile``: prepare a model for processors before anybody waits for it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from mlcore.commands.common import add_command
from mlcore.encoders import STARTER, compile_model
from mlcore.encoders.sentences import compile_sentence_encoder


def add(commands: Any) -> None:
    """Add the command and its options."""
    command = add_command(
        commands, "compile", run, "Compile a model for processors now, not when it is first loaded."
    )
    command.add_argument("model", nargs="?", default=STARTER, help="as --model of other commands")
    command.add_argument(
        "--sentences",
        action="store_true",
        help="the model is one of sentences: minilm, or what sentence-transformers wrote",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    compiles = compile_sentence_encoder if options.sentences else compile_model
    folder = compiles(options.model)
    sys.stdout.write(f"{options.model} is compiled; it is kept with {folder}.\n")
    return 0
