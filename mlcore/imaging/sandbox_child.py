"""One limited process, as the process that started it sees it; :mod:`.sandbox` keeps several."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mlcore.errors import ContextVisionError, ImageRejectedError
from mlcore.imaging.sandbox_process import Disconnected, receive, send

_START_SECONDS = 60.0  # a second is usual; a machine that is swapping takes its time
_MAX_ANSWER = 256 * 2**20  # bytes; more than any square or pair of renditions
_ROOT = Path(__file__).resolve().parents[2]
# What Python needs to start. Everything else, passwords above all, stays out.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR")


class NotTakenError(Exception):
    """The process ended before it had the picture: it was killed while it was idle."""


class Child:
    """One limited process and the socket to it; used by one thread at a time."""

    def __init__(self, memory_bytes: int, task_seconds: float) -> None:
        self.tasks = 0
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _launch(theirs.fileno(), memory_bytes, task_seconds)
            except OSError as error:
                self._socket.close()
                raise ContextVisionError(
                    "sandbox.not_started", cause=str(error.strerror)
                ) from error
        try:
            receive(self._socket, 0, time.monotonic() + _START_SECONDS)
        except (Disconnected, OSError, ValueError):
            self.end()
            status = str(self._process.returncode)
            raise ContextVisionError("sandbox.does_not_start", status=status) from None
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """How the process ended, as subprocess has it; None where it does not end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        return self._process.returncode

    def ask(
        self, request: dict[str, Any], data: bytes, deadline: float
    ) -> tuple[dict[str, Any], bytes]:
        """Hand a picture over and return the answer.

        Raises:
            NotTakenError: the process had ended before.
            Disconnected, OSError: it ended over the picture.
            TimeoutError: no answer came before ``deadline``, a moment of ``time.monotonic``.
            ValueError: what came is no answer.
        """
        self.tasks += 1
        try:
            send(self._socket, request, data, deadline)
            receive(self._socket, 0, deadline)
        except (Disconnected, ConnectionError):
            raise NotTakenError from None
        return receive(self._socket, _MAX_ANSWER, deadline)

    def end(self) -> None:
        """Kill the process and close the socket."""
        self.kill()
        self._socket.close()

    def kill(self) -> None:
        """Kill the process and wait for its end."""
        # It holds nothing that would need to be put away.
        self._process.kill()
        self._process.wait()

    def disown(self) -> None:
        """Let go of a process that the parent of this one started."""
        self._socket.close()
        self._process.returncode = 0  # of another process's child, so there is nothing to wait for


def _launch(standard_input: int, memory_bytes: int, task_seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - no part of it comes from outside
        [
            sys.executable,
            "-m",
            "mlcore.imaging.sandbox_process",
            str(memory_bytes),
            str(task_seconds),
        ],
        stdin=standard_input,
        stdout=subprocess.DEVNULL,
        cwd=_ROOT,
        env={key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
        # Pictures are decoded side by side already.
        | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        # Ctrl-C in a terminal is for the parent, which then ends this process.
        start_new_session=True,
    )


def rejection_of(name: str, child: Child | None) -> ImageRejectedError:
    """Say how a picture brought its process down."""
    status = child.returncode if child is not None else None
    if status == -signal.SIGKILL:
        return ImageRejectedError(name, "image.killed")
    cause = signal.Signals(-status).name if status is not None and status < 0 else status
    return ImageRejectedError(name, "image.crashed", cause=str(cause))
