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
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from PIL import Image

from mlcore.config import ImageLimits
from mlcore.errors import ContextVisionError, ImageRejectedError
from mlcore.imaging.formats import check_bytes
from mlcore.imaging.renditions import Credit, Placeholder, RenditionFormat
from mlcore.imaging.sandbox_answers import (
    PreparedPicture,
    picture_of,
    pictures_of,
    placeholder_of,
    prepared_of,
    refusal_of,
)
from mlcore.imaging.sandbox_child import Child, NotTakenError, rejection_of
from mlcore.imaging.sandbox_process import Disconnected

logger = logging.getLogger(__name__)

PROCESSES = 2
"""Pictures decoded at the same time, in one process of the application."""

TASK_SECONDS = 10.0
"""For one picture; the slowest kind that is accepted, a PNG of 50 million pixels, takes 5 s."""

TASKS_PER_PROCESS = 200
"""Pictures before a process is replaced, which bounds whatever a decoder leaks."""

MEMORY_BYTES = 2 * 2**30
"""Address space of one process; 50 million pixels take 1.2 GB in the worst format, WebP."""

_ATTEMPTS = 4  # to hand a picture over: both processes may have been killed while they were idle

Result = TypeVar("Result")


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
        return self._run({"do": "prepare"}, prepared_of, data, name, limits)

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

    def middle(
        self,
        data: bytes,
        *,
        name: str,
        side: int,
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> Image.Image:
        """Return a picture as :func:`mlcore.imaging.decode.middle` cuts it, RGB.

        Raises:
            ImageRejectedError: with ``name`` and the reason.
        """

        return self._run({"do": "middle", "side": side}, picture_of, data, name, limits)

    def pixels(
        self,
        files: Sequence[bytes],
        *,
        side: int,
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> list[Image.Image | None]:
        """Decode small files in one go, RGB, at most ``side`` pixels on the long side.

        Returns:
            In the order of ``files``; None for one that is refused.

        Raises:
            ImageRejectedError: one of them brought the process down.
        """

        if not files:
            return []
        request = {"do": "pixels", "side": side, "lengths": [len(file) for file in files]}
        read = partial(pictures_of, count=len(files))
        return self._run(request, read, b"".join(files), "", limits)

    def rendition(
        self,
        data: bytes,
        *,
        name: str,
        side: int,
        kind: RenditionFormat,
        credit: Credit = Credit(),  # noqa: B008
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> bytes:
        """Return a picture at no more than ``side`` pixels on its long side, as such a file that
        says ``credit`` and nothing else.

        Raises:
            ImageRejectedError: with ``name`` and the reason.
        """
        request = {"do": "rendition", "side": side, "kind": kind, "credit": asdict(credit)}
        return self._run(request, lambda _, body: body, data, name, limits)

    def placeholders(
        self,
        items: Iterable[tuple[str, bytes]],
        *,
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> Iterator[Placeholder | ImageRejectedError]:
        """Tell what pictures look like from afar, side by side; as :meth:`prepare_all`."""
        return self._each(
            lambda name, data: self._run({"do": "placeholder"}, placeholder_of, data, name, limits),
            items,
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

    def ends(
        self,
        items: Iterable[tuple[str, bytes]],
        side: int,
        *,
        limits: ImageLimits = ImageLimits(),  # noqa: B008
    ) -> Iterator[list[Image.Image] | ImageRejectedError]:
        """Make the squares at both ends of pictures, as :func:`mlcore.imaging.decode.ends`, side by
        side; as :meth:`prepare_all`."""

        def read(_: dict[str, Any], body: bytes) -> list[Image.Image]:
            halves = body[: len(body) // 2], body[len(body) // 2 :]
            return [Image.frombytes("RGB", (side, side), half) for half in halves]

        request = {"do": "ends", "side": side}
        return self._each(lambda name, data: self._run(request, read, data, name, limits), items)

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
            with contextlib.suppress(NotTakenError):
                return self._attempt(request, read, data, name)
        raise ContextVisionError("sandbox.interrupted")

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
                child = Child(self._memory_bytes, self._task_seconds)
                self._children.add(child)
            answer, body = child.ask(request, data, time.monotonic() + self._task_seconds)
            if "failed" in answer:
                # A fault of this program, not of the picture; the run goes on all the same.
                logger.error("Decoding %s failed:\n%s", name, answer["failed"])
                raise ImageRejectedError(name, "image.failed")
            result = (
                refusal_of(name, *answer["rejected"])
                if "rejected" in answer
                else read(answer, body)
            )
            reusable = "spent" not in answer and child.tasks < self._tasks_per_process
        except TimeoutError:
            seconds = f"{self._task_seconds:g}"
            raise ImageRejectedError(name, "image.too_slow", seconds=seconds) from None
        except (Disconnected, OSError):
            raise rejection_of(name, child) from None
        except (KeyError, TypeError, ValueError):
            # Whatever answered like this is not the program that was started.
            raise ImageRejectedError(name, "image.confusing") from None
        finally:
            if child is not None and not reusable:
                child.end()
            idle.put(child if reusable else None)
        if isinstance(result, ImageRejectedError):
            raise result
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
        self._children: weakref.WeakSet[Child] = weakref.WeakSet()
        self._idle: queue.LifoQueue[Child | None] = queue.LifoQueue()
        for _ in range(self._count):
            self._idle.put(None)


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
