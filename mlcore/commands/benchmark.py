"""``benchmark``: what needs no database, beside what people would use instead."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from mlcore.benchmark import encoding, growth, lookup
from mlcore.benchmark.measure import Measurement
from mlcore.benchmark.run import add_options, run
from mlcore.commands.common import add_command

MEASUREMENTS = (*encoding.MEASUREMENTS, *lookup.MEASUREMENTS)
NAMES = [name for measurement in MEASUREMENTS for name in measurement.names]


def add(commands: Any) -> None:
    """Add the command and its options."""
    command = add_command(
        commands,
        "benchmark",
        _run,
        "Measure encoding and lookup beside other libraries, in the same run and on the same "
        "input. The exit status is 1 where a bar is missed.",
    )
    add_options(command, NAMES)


def growing(options: dict[str, Any]) -> list[Measurement]:
    """Return what measures growth, where the options ask for it."""
    sizes = sorted(options["growth_vectors"])
    return [growth.measurement(sizes)] if sizes else []


def _run(options: argparse.Namespace) -> int:
    said, status = run(MEASUREMENTS, growing(vars(options)), vars(options))
    sys.stdout.write(said + "\n")
    return status
