"""Decodes untrusted pictures in limited processes: one bad file costs that file, nothing else.

Each process has a socket of its own, so one that is killed at any moment, even in the middle of a
message, cannot leave a lock held or half a message in the way of the others. The processes are
started from scratch rather than forked: they know no settings and no secrets, and hold no threads.
"""

import atexit
import contextlib
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast, get_args

from PIL import Image

from mlcore.colours import COLOUR_NAMES
from mlcore.config import ImageLimits
from mlcore.decoding_process import Disconnected, receive, send
from mlcore.errors import ContextVisionError, ImageRejectedError
from mlcore.images import Look, PictureFormat, RenditionFormat, check_bytes
from mlcore.words import gettext_noop

logger = logging.getLogger(__name__)

PROCESSES = 2
"""Pictures decoded at the same time, in one process of the application."""

TASK_SECONDS = 10.0
"""For one picture; the slowest kind that is accepted, a PNG of 50 million pixels, takes 5 s."""

TASKS_PER_PROCESS = 200
"""Pictures before a process is replaced, which bounds whatever a decoder leaks."""

MEMORY_BYTES = 2 * 2**30
"""Address space of one process; 50 million pixels take 1.2 GB in the worst format, WebP."""

_START_SECONDS = 60.0  # a second is usual; a machine that is swapping takes its time
_ATTEMPTS = 4  # to hand a picture over: both processes may have been killed while they were idle
_MAX_ANSWER = 256 * 2**20  # bytes; more than any square or pair of renditions
_MAX_PLACEHOLDER = 700  # bytes; it takes up to 200
_ROOT = Path(__file__).resolve().parent.parent
# What Python needs to start. Everything else, passwords above all, stays out.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """All that is kept of a picture besides its original bytes."""

    format: PictureFormat
    width: int
    """Pixels, upright."""
    height: int
    """Pixels, upright."""
    description: str | None
    taken_at: datetime | None
    """The camera's own clock, without a time zone."""
    display: bytes
    """WebP, see :class:`mlcore.images.Renditions`."""
    thumbnail: bytes
    """WebP."""
    look: Look


class PictureDecoder:
    """A few limited processes that decode pictures, started when they are first needed.

    May be shared by any number of threads; a fork of the process starts its own. Every method
    raises, or yields, ImageRejectedError for a picture that is refused, takes too long, takes too
    much memory or brings its process down; the next picture gets a fresh process.
    """

    def __init__(
        self,
        *,
        processes: int = PROCESSES,
        task_seconds: float = TASK_SECONDS,
        tasks_per_process: int = TASKS_PER_PROCESS,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._count = processes
        self._task_seconds = task_seconds
        self._tasks_per_process = tasks_per_process
        self._memory_bytes = memory_bytes
        self._forget()
        _decoders.add(self)

    def prepare(
        self,
        data: bytes,
        *,
        name: str,
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> PreparedPicture:
        """Check a picture and make what is stored and served of it.

        Raises:
            ImageRejectedError: with ``name`` and the reason.
        """
        return self._run({"do": "prepare"}, _prepared, data, name, limits)

    def square(
        self,
        data: bytes,
        *,
        name: str,
        side: int,
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> Image.Image:
        """Return a picture's centre as RGB, ``side`` x ``side`` pixels.

        Raises:
            ImageRejectedError: with ``name`` and the reason.
        """

        def read(_: dict[str, Any], body: bytes) -> Image.Image:
            return Image.frombytes("RGB", (side, side), body)

        return self._run({"do": "square", "side": side}, read, data, name, limits)

    def rendition(
        self,
        data: bytes,
        *,
        name: str,
        side: int,
        kind: RenditionFormat,
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> bytes:
        """Return a picture at no more than ``side`` pixels on its long side, as such a file.

        Raises:
            ImageRejectedError: with ``name`` and the reason.
        """
        request = {"do": "rendition", "side": side, "kind": kind}
        return self._run(request, lambda _, body: body, data, name, limits)

    def looks(
        self,
        items: Iterable[tuple[str, bytes]],
        *,
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> Iterator[Look | ImageRejectedError]:
        """Tell what pictures look like from afar, side by side; as :meth:`prepare_all`."""
        return self._each(
            lambda name, data: self._run({"do": "look"}, _look, data, name, limits), items
        )

    def prepare_all(
        self,
        items: Iterable[tuple[str, bytes]],
        *,
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> Iterator[PreparedPicture | ImageRejectedError]:
        """Prepare pictures side by side; one result for each (name, bytes), in their order.

        Items are drawn a few ahead, so memory stays bounded however many there are.
        """
        return self._each(lambda name, data: self.prepare(data, name=name, limits=limits), items)

    def squares(
        self,
        items: Iterable[tuple[str, bytes]],
        side: int,
        *,
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> Iterator[Image.Image | ImageRejectedError]:
        """Make squares side by side; as :meth:`prepare_all`."""
        return self._each(
            lambda name, data: self.square(data, name=name, side=side, limits=limits), items
        )

    @property
    def process_ids(self) -> list[int]:
        """The processes there are at this moment."""
        return [child.pid for child in list(self._children) if child.is_alive]

    def close(self) -> None:
        """End the processes; used again afterwards, the decoder starts new ones."""
        idle = self._idle
        waiting = []
        while not idle.empty():
            waiting.append(idle.get())
        for child in waiting:
            if child is not None:
                child.end()
            idle.put(None)
        # The threads that wait for the others find out, and clear up after them.
        for child in list(self._children):
            child.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(
        self,
        request: dict[str, Any],
        read: Callable[[dict[str, Any], bytes], Result],
        data: bytes,
        name: str,
        limits: ImageLimits,
    ) -> Result:
        check_bytes(data, name=name, limits=limits)
        request = request | {"limits": asdict(limits)}
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(_NotTakenError):
                return self._attempt(request, read, data, name)
        raise ContextVisionError(
            "No picture can be decoded: the processes for it are ended from outside."
        )

    def _attempt(
        self,
        request: dict[str, Any],
        read: Callable[[dict[str, Any], bytes], Result],
        data: bytes,
        name: str,
    ) -> Result:
        idle = self._idle
        child = idle.get()
        reusable = False
        try:
            if child is None:
                child = _Child(self._memory_bytes, self._task_seconds)
                self._children.add(child)
            answer, body = child.ask(request, data, time.monotonic() + self._task_seconds)
            if "failed" in answer:
                # A fault of this program, not of the picture; the run goes on all the same.
                logger.error("Decoding %s failed:\n%s", name, answer["failed"])
                raise ImageRejectedError(
                    name, gettext_noop("it cannot be processed; the log says why.")
                )
            result = None if "rejected" in answer else read(answer, body)
            reusable = "spent" not in answer and child.tasks < self._tasks_per_process
        except TimeoutError:
            raise ImageRejectedError(
                name,
                gettext_noop("decoding it takes longer than %(seconds)s seconds."),
                seconds=f"{self._task_seconds:g}",
            ) from None
        except (Disconnected, OSError):
            raise _ended(name, child) from None
        except (KeyError, TypeError, ValueError):
            # Whatever answered like this is not the program that was started.
            raise ImageRejectedError(
                name, gettext_noop("it confused the process that decodes it.")
            ) from None
        finally:
            if child is not None and not reusable:
                child.end()
            idle.put(child if reusable else None)
        if result is None:
            reason, values = answer["rejected"]
            raise ImageRejectedError(name, reason, **values)
        return result

    def _each(
        self, run: Callable[[str, bytes], Result], items: Iterable[tuple[str, bytes]]
    ) -> Iterator[Result | ImageRejectedError]:
        def attempt(name: str, data: bytes) -> Result | ImageRejectedError:
            try:
                return run(name, data)
            except ImageRejectedError as error:
                return error

        waiting: deque[Future[Result | ImageRejectedError]] = deque()
        with ThreadPoolExecutor(self._count, thread_name_prefix="decoding") as threads:
            try:
                for name, data in items:
                    if len(waiting) == 2 * self._count:
                        yield waiting.popleft().result()
                    waiting.append(threads.submit(attempt, name, data))
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _forget(self) -> None:
        """Begin anew; the processes there are belong to the process that this one forked from."""
        for child in getattr(self, "_children", ()):
            child.disown()
        self._children: weakref.WeakSet[_Child] = weakref.WeakSet()
        self._idle: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(self._count):
            self._idle.put(None)


class _NotTakenError(Exception):
    """The process ended before it had the picture: it was killed while it was idle."""


class _Child:
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
                    f"No picture can be decoded: no process can be started ({error.strerror})."
                ) from error
        try:
            receive(self._socket, 0, time.monotonic() + _START_SECONDS)
        except (Disconnected, OSError, ValueError):
            self.end()
            raise ContextVisionError(
                "No picture can be decoded: the process for it does not start "
                f"(exit status {self._process.returncode})."
            ) from None
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
        self.tasks += 1
        try:
            send(self._socket, request, data, deadline)
            receive(self._socket, 0, deadline)
        except (Disconnected, ConnectionError):
            raise _NotTakenError from None
        return receive(self._socket, _MAX_ANSWER, deadline)

    def end(self) -> None:
        self.kill()
        self._socket.close()

    def kill(self) -> None:
        # It holds nothing that would need to be put away.
        self._process.kill()
        self._process.wait()

    def disown(self) -> None:
        self._socket.close()
        self._process.returncode = 0  # of another process's child, so there is nothing to wait for


def _launch(standard_input: int, memory_bytes: int, task_seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - no part of it comes from outside
        [sys.executable, "-m", "mlcore.decoding_process", str(memory_bytes), str(task_seconds)],
        stdin=standard_input,
        stdout=subprocess.DEVNULL,
        cwd=_ROOT,
        env={key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
        # Pictures are decoded side by side already.
        | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        # Ctrl-C in a terminal is for the parent, which then ends this process.
        start_new_session=True,
    )


def _prepared(answer: dict[str, Any], body: bytes) -> PreparedPicture:
    """Read an answer without believing it: it comes from where the hostile bytes went."""
    kind, width, height = answer["format"], answer["width"], answer["height"]
    description, taken_at = answer["description"], answer["taken_at"]
    display, thumbnail = answer["display"], answer["thumbnail"]
    if not (
        kind in get_args(PictureFormat)
        and isinstance(width, int)
        and isinstance(height, int)
        and isinstance(description, str | None)
        and isinstance(display, int)
        and isinstance(thumbnail, int)
    ):
        raise ValueError("not an answer to this request")
    return PreparedPicture(
        format=cast(PictureFormat, kind),
        width=width,
        height=height,
        description=description,
        taken_at=None if taken_at is None else datetime.fromisoformat(taken_at),
        display=body[:display],
        thumbnail=body[display : display + thumbnail],
        look=_look(answer, body[display + thumbnail :]),
    )


def _look(answer: dict[str, Any], body: bytes) -> Look:
    colour = answer["colour"]
    if colour not in COLOUR_NAMES or len(body) > _MAX_PLACEHOLDER:
        raise ValueError("not an answer to this request")
    return Look(colour=colour, placeholder=body)


def _ended(name: str, child: "_Child | None") -> ImageRejectedError:
    status = child.returncode if child is not None else None
    if status == -signal.SIGKILL:
        return ImageRejectedError(
            name,
            gettext_noop(
                "the process decoding it was killed; the machine may have run out of memory."
            ),
        )
    cause = signal.Signals(-status).name if status is not None and status < 0 else status
    return ImageRejectedError(
        name,
        gettext_noop("it brings the process that decodes it down (%(cause)s)."),
        cause=str(cause),
    )


_decoders: weakref.WeakSet[PictureDecoder] = weakref.WeakSet()
_lock = threading.Lock()
_decoder: PictureDecoder | None = None


def get_decoder() -> PictureDecoder:
    """Return the decoder that this process shares; its processes end when this one does."""
    global _decoder
    with _lock:
        if _decoder is None:
            _decoder = PictureDecoder()
            atexit.register(_decoder.close)
        return _decoder


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for decoder in list(_decoders):
        decoder._forget()


os.register_at_fork(after_in_child=_after_fork)
