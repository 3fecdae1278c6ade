"""Figures of a process that has done nothing else: time to load, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from mlcore.errors import ContextVisionError

_PROGRAM = """
import json, sys, time
from mlcore.benchmark.machine import resident_mb
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
        ContextVisionError: they failed; with the end of what they said.
    """
    program = _PROGRAM.format(imports=imports, statements=statements)
    done = subprocess.run(  # noqa: S603 - statements of this package only
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ContextVisionError(f"A measurement failed: {done.stderr.strip()[-500:]}")
    return Taken(**json.loads(done.stdout.splitlines()[-1]))
