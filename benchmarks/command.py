"""The command: which measurements there are, its options, and its exit status."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.core import encoding, lookup, vector_growth
from benchmarks.harness.measure import BenchmarkError, Measurement
from benchmarks.harness.run import add_options, run
from benchmarks.site import record_growth, requests
from mlcore.errors import ContextVisionError

CORE = (*encoding.MEASUREMENTS, *lookup.MEASUREMENTS)
NAMES = [name for one in (*CORE, *requests.measurements("")) for name in one.names]


def main(arguments: Sequence[str]) -> int:
    """Measure encoding, lookup, whole requests and memory beside what people would use instead.

    All in the same run and on the same input. A site of its own is made for it; the person's own is
    left alone. The exit status is 1 where a bar is missed, and after a failure, which is told in
    one line.
    """
    options = vars(_parser().parse_args(arguments))
    try:
        said, status = run(
            (*CORE, *requests.measurements(options["site"])), _growing(options), options
        )
    except (BenchmarkError, ContextVisionError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(said + "\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    add_options(parser, NAMES)
    parser.add_argument(
        "--site", default="", metavar="URL",
        help="measure requests to this site, which runs already, instead of one of its own; "
        "it must not limit how often one address asks",
    )  # fmt: skip
    parser.add_argument(
        "--growth-vectors", nargs="+", type=int, metavar="SIZE", default=[],
        help="measure also how lookups grow, with so many vectors; a million takes some minutes",
    )  # fmt: skip
    parser.add_argument(
        "--growth-records", nargs="+", type=int, metavar="SIZE", default=[],
        help="measure also how each stage of a request grows, with so many generated records",
    )  # fmt: skip
    parser.add_argument(
        "--database", default="", metavar="URL",
        help="an empty database for those records; SQLite otherwise",
    )  # fmt: skip
    return parser


def _growing(options: dict[str, Any]) -> list[Measurement]:
    """Return what measures growth, where the options ask for it."""
    vectors, records = sorted(options["growth_vectors"]), sorted(options["growth_records"])
    growing = [vector_growth.measurement(vectors)] if vectors else []
    if records:
        growing.append(record_growth.measurement(records, options["database"]))
    return growing
