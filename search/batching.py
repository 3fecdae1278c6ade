"""Queries that arrive together are encoded together, which costs little more than one of them."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

import numpy as np

from mlcore.config import FloatMatrix
from mlcore.errors import ContextVisionError

T = TypeVar("T")


class BusyError(ContextVisionError):
    """More queries are waiting than can be answered in useful time."""


@dataclass(eq=False)
class _Waiting(Generic[T]):
    items: Sequence[T]
    woken: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    vectors: FloatMatrix | None = None
    fault: BaseException | None = None


class Batcher(Generic[T]):
    """Encodes what several threads ask for in one go.

    Nobody waits for a batch to fill: whoever finds the encoder free encodes at once, and what
    arrives meanwhile is the next batch, oldest first. One of those who wait takes the lead of it,
    so there is no thread of its own to look after.

    Args:
        encode: turns items into float32 (n, dim) unit rows; called by one thread at a time.
        size: items in a batch; a request of more is encoded by itself.
        queue: requests that may wait before the next is refused.
        deadline: seconds after which a request that still waits is refused.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[T]], FloatMatrix],
        *,
        size: int = 16,
        queue: int = 64,
        deadline: float = 5.0,
    ) -> None:
        self._encode = encode
        self._size = size
        self._queue = queue
        self._deadline = deadline
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting[T]] = deque()
        self._busy = False
        self.batches = 0
        """Calls of ``encode`` so far."""
        self.encoded = 0
        """Items encoded so far."""

    def __call__(self, items: Sequence[T]) -> FloatMatrix:
        """Return float32 (n, dim) in the order of ``items``.

        Raises:
            BusyError: too many requests wait, or this one waited for too long.
            BaseException: what ``encode`` raised for the batch that these items were in.
        """
        request = _Waiting(items)
        with self._lock:
            if len(self._waiting) >= self._queue:
                raise BusyError("search.busy")
            self._waiting.append(request)
            leads, self._busy = not self._busy, True
        if not leads:
            self._wait(request)
            leads = request.leads
        if leads:
            self._lead()
        if request.fault is not None:
            raise request.fault
        assert request.vectors is not None  # noqa: S101 - set by whoever led
        return request.vectors

    def _wait(self, request: _Waiting[T]) -> None:
        until = monotonic() + self._deadline
        if request.woken.wait(until - monotonic()):
            return
        with self._lock:
            if request in self._waiting and not request.leads:
                self._waiting.remove(request)
                raise BusyError("search.busy")
        request.woken.wait()  # its batch is being encoded already

    def _lead(self) -> None:
        """Encode one batch, then hand over to the oldest of those who wait."""
        with self._lock:
            batch = self._take()
        try:
            self._run(batch)
        except BaseException as fault:
            for request in batch:
                request.fault = fault
            raise
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting[0].leads = True
                    self._waiting[0].woken.set()
                else:
                    self._busy = False
            for request in batch:
                request.woken.set()

    def _take(self) -> list[_Waiting[T]]:
        batch = [self._waiting.popleft()]
        count = len(batch[0].items)
        while self._waiting and count + len(self._waiting[0].items) <= self._size:
            batch.append(self._waiting.popleft())
            count += len(batch[-1].items)
        return batch

    def _run(self, batch: list[_Waiting[T]]) -> None:
        items = [item for request in batch for item in request.items]
        vectors = self._encode(items)
        self.batches += 1
        self.encoded += len(items)
        ends = np.cumsum([len(request.items) for request in batch])
        for request, rows in zip(batch, np.split(vectors, ends[:-1]), strict=True):
            request.vectors = rows
