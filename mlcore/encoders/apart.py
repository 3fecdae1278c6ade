"""Compiling in a process of its own: torch and a float32 copy of the model take a gigabyte, which
a process that goes on to answer queries would never give back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mlcore.errors import ModelUnavailableError


def compile_apart(folder: Path, *options: str) -> None:
    """Run ``python -m mlcore compile`` on a model's folder.

    Raises:
        ModelUnavailableError: it was killed, or failed.
    """
    done = subprocess.run(  # noqa: S603 - no shell, and no part of it comes from outside
        [sys.executable, "-m", "mlcore", "compile", str(folder.absolute()), *options],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode < 0:
        raise ModelUnavailableError(
            "compiled.killed", path=str(folder), signal=str(-done.returncode)
        )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        reason = said[-1] if said else f"exit status {done.returncode}"
        raise ModelUnavailableError("compiled.failed", path=str(folder), reason=reason)
