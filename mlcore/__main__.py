"""``python -m mlcore``: all that needs neither Django nor a database, as commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mlcore.commands import (
    compare,
    compile,
    encode,
    evaluate,
    fit_relevance,
    index,
    nonsense,
    search,
    train,
)
from mlcore.errors import ContextVisionError

COMMANDS = (encode, compile, index, search, train, fit_relevance, evaluate, nonsense, compare)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 1 after a failure, told in one line."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ContextVisionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlcore", description=__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
