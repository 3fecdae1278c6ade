"""Programs that run beside each other and end together."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

GRACE = 10.0
"""Seconds that a program gets to finish what it is doing when it is told to stop."""


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_lines(self, count: int = 15) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-count:])


class ProgramGroup:
    """Starts programs and stops every process of them when it is left, however it is left.

    Each program leads a process group of its own: Ctrl-C in the terminal reaches only who started
    them, and a program's own children can be stopped with it.
    """

    def __init__(self, log_dir: Path | None = None) -> None:
        """``log_dir`` keeps what each program writes; without one it goes where this process's
        does."""
        if log_dir is not None:
            log_dir.mkdir(parents=True, exist_ok=True)
        self._log_dir = log_dir
        self.programs: list[Program] = []

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        log = Path(os.devnull) if self._log_dir is None else self._log_dir / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  (no shell, no input of strangers)
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output if self._log_dir else None,
                stderr=subprocess.STDOUT if self._log_dir else None,
                start_new_session=True,
            )
        self.programs.append(Program(name, process, log))

    def ended(self) -> Program | None:
        """Return a program that runs no more, if there is one."""
        return next((one for one in self.programs if one.process.poll() is not None), None)

    def stop(self) -> None:
        try:
            for program in self.programs:
                program.process.terminate()
            deadline = time.monotonic() + GRACE
            for program in self.programs:
                program.process.wait(max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            pass  # too slow, or a second Ctrl-C
        finally:
            for program in self.programs:
                with suppress(ProcessLookupError):  # the whole group is gone, as it should be
                    os.killpg(program.process.pid, signal.SIGKILL)
                program.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
