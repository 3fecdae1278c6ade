"""Figures of a process that has done nothing else: time to load, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.harness.measure import BenchmarkError

_PROGRAM = """
import json, sys, time
from benchmarks.harness.machine import resident_mb
{imports}
before, started = resident_mb(), time.perf_counter()
{statements}
seconds = time.perf_counter() - started
sys.stdout.write("\\n" + json.dumps({{"seconds": seconds, "mb": resident_mb() - before}}))
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What some statements took."""

    seconds: float
    mb: float
    """By how much the memory that the process holds grew."""


def in_new_process(statements: str, *, imports: str = "") -> Taken:
    """Run statements in a Python of their own; ``imports`` run before the clock does.

    Raises:
        BenchmarkError: they failed; with the end of what they said.
    """
    program = _PROGRAM.format(imports=imports, statements=statements)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"A measurement failed: {done.stderr.strip()[-500:]}")
    return Taken(**json.loads(done.stdout.splitlines()[-1]))
