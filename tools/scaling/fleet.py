"""A discrete-event simulation of workers that embed chunks of pictures.

It plays the queue design of docs/scaling.md: chunks are planned a few at a time, claimed under a
lease, embedded batch by batch, and taken up by another worker when the lease of a dead one ends.
What can fail is played too: workers die in the middle of a batch, and workers that hang for longer
than their lease come back and go on with a chunk that is no longer theirs.

Times are seconds. The same setting and seed give the same run.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

PULSE = 10.0
"""Between two looks of maintenance (``WorkerPulse.INTERVAL``)."""
LEASE = 60.0
HEARTBEAT = 15.0
"""As in ``gallery/models/job.py``."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One fleet and one task. Defaults are the measured or assumed figures of docs/scaling.md."""

    workers: int
    pictures: int
    chunk: int = 1_024
    """Pictures in a chunk."""
    batch: int = 256
    """Pictures encoded and stored together; what is lost with a worker."""
    encode: float = 0.020
    """A picture, on one worker of two cores."""
    read: float = 0.030
    """One request to the storage, of which each worker keeps ``readers`` under way."""
    readers: int = 8
    claim: float = 0.008
    """Taking a chunk, and asking which of its pictures have no vector yet."""
    store_call: float = 0.029
    store_row: float = 0.0001
    """Storing a batch: so much for the call, and so much for each row."""
    writers: int = 1
    """Stores that the database works on at a time; 1 where a lock puts them in order."""
    life: float = 6 * 3600.0
    """Mean time until a worker dies or hangs."""
    hanging: float = 0.1
    """Share of these that hang and come back, instead of dying."""
    hang: float = 300.0
    """How long a worker hangs: longer than its lease."""
    replace: float = 180.0
    """Until another machine stands in for a dead one."""
    ahead: int = 4
    """Chunks planned beyond those that are claimed, for each worker: the queue's bound."""


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    setting: Setting
    seconds: float = 0.0
    planned: int = 0
    finished: list[int] = field(default_factory=list)
    """Numbers of the chunks, in the order in which they were finished."""
    rows: int = 0
    """Vectors stored."""
    ignored: int = 0
    """Vectors that came a second time and were left out by the unique constraint."""
    begun: int = 0
    """Pictures read to be encoded, in vain or not."""
    messages: int = 0
    longest_queue: int = 0
    deaths: int = 0
    hangs: int = 0
    taken_up: int = 0
    """Chunks that went to another worker because a lease ended."""
    disowned: int = 0
    """Chunks whose former owner came back and was told that they are not its own any more."""
    statements: int = 0
    """Writes to the chunks' rows: plans, claims, heartbeats, ends."""
    waiting: float = 0.0
    """Worker-seconds spent waiting for the database to store."""
    storing: float = 0.0
    """Seconds for which the database was busy storing."""

    @property
    def rate(self) -> float:
        """Pictures a second, over the whole run."""
        return self.setting.pictures / self.seconds

    @property
    def load(self) -> float:
        """Share of the time in which the database was busy storing."""
        return self.storing / (self.seconds * self.setting.writers)


@dataclass(slots=True)
class _Chunk:
    batches: tuple[int, ...]
    """Pictures in each."""
    stored: int = 0
    """Which batches have their rows, one bit each."""
    token: int = 0
    """Of the claim that owns it; 0 while it waits or when it is finished."""


@dataclass(slots=True)
class _Worker:
    fails_at: float
    life: int = 0
    """Counts its deaths; what was meant for an earlier life is void."""


class Fleet:
    """One run: ``Fleet(setting, seed).run()``."""

    def __init__(self, setting: Setting, seed: int = 0) -> None:
        self._set = setting
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = itertools.count()
        self._tokens = itertools.count(1)
        self._chunks: dict[int, _Chunk] = {}
        """Those that are planned and not finished."""
        self._queue: deque[int] = deque()
        self._idle: deque[tuple[_Worker, int]] = deque()
        self._total = math.ceil(setting.pictures / setting.chunk)
        self._writers = [0.0] * setting.writers
        """When each is free again."""
        self._planning = False
        self._now = 0.0
        self.out = Outcome(setting)

    def run(self) -> Outcome:
        self._plan()
        for _ in range(self._set.workers):
            self._start(_Worker(fails_at=0.0))
        while len(self.out.finished) < self._total:
            self._now, _, act, arguments = heapq.heappop(self._events)
            act(*arguments)
        self.out.seconds = self._now
        return self.out

    def _at(self, when: float, act: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._events, (when, next(self._order), act, arguments))

    # The queue ---------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Fill the queue up to its bound; the rest of the pictures wait as ids in the database."""
        self._planning = False
        bound = self._set.ahead * self._set.workers
        while self.out.planned < self._total and len(self._queue) < bound:
            number = self.out.planned
            size = min(self._set.chunk, self._set.pictures - number * self._set.chunk)
            sizes = [min(self._set.batch, size - at) for at in range(0, size, self._set.batch)]
            self._chunks[number] = _Chunk(tuple(sizes))
            self.out.planned += 1
            self.out.statements += 1
            self._send(number)

    def _send(self, number: int) -> None:
        self.out.messages += 1
        self._queue.append(number)
        self.out.longest_queue = max(self.out.longest_queue, len(self._queue))
        while self._idle and self._queue:
            worker, life = self._idle.popleft()
            if worker.life == life:
                self._take(worker)

    def _next_pulse(self, after: float) -> float:
        return (math.floor(after / PULSE) + 1) * PULSE

    def _lease_ended(self, number: int, token: int) -> None:
        """Maintenance finds a lease that ended: the chunk waits again, and belongs to nobody."""
        chunk = self._chunks.get(number)
        if chunk is not None and chunk.token == token:
            chunk.token = 0
            self.out.taken_up += 1
            self.out.statements += 1
            self._send(number)

    # A worker ----------------------------------------------------------------------------------

    def _start(self, worker: _Worker) -> None:
        worker.fails_at = self._now + self._random.expovariate(1 / self._set.life)
        self._take(worker)

    def _take(self, worker: _Worker) -> None:
        """Claim the next chunk, or wait for one."""
        if not self._queue:
            self._idle.append((worker, worker.life))
            return
        number = self._queue.popleft()
        chunk = self._chunks[number]
        chunk.token = next(self._tokens)
        self.out.statements += 1
        if not self._planning and self.out.planned < self._total:
            self._planning = True
            self._at(self._next_pulse(self._now), self._plan)
        # What an earlier owner stored is not embedded again.
        missing = tuple(i for i in range(len(chunk.batches)) if not chunk.stored >> i & 1)
        self._go_on(worker, number, chunk.token, missing, self._now + self._set.claim)

    def _go_on(
        self, worker: _Worker, number: int, token: int, batches: tuple[int, ...], since: float
    ) -> None:
        """Embed the next of these batches, beginning at ``since``; with none left, finish."""
        if not batches:
            self._until(since, worker, number, token, self._finish, worker, number, token)
            return
        size = self._batch_size(number, batches[0])
        self.out.begun += size
        reading = math.ceil(size / self._set.readers) * self._set.read
        ready = since + reading + size * self._set.encode
        self._until(ready, worker, number, token, self._encoded, worker, number, token, batches)

    def _encoded(self, worker: _Worker, number: int, token: int, batches: tuple[int, ...]) -> None:
        """A batch is encoded: wait for the database, and store it."""
        size = self._batch_size(number, batches[0])
        first = min(range(len(self._writers)), key=self._writers.__getitem__)
        begin = max(self._now, self._writers[first])
        took = self._set.store_call + self._set.store_row * size
        self._writers[first] = begin + took
        self.out.waiting += begin - self._now
        self.out.storing += took
        arguments = (worker, number, token, batches)
        self._until(begin + took, worker, number, token, self._stored, *arguments)

    def _stored(self, worker: _Worker, number: int, token: int, batches: tuple[int, ...]) -> None:
        """The store is committed. Rows that are there already are left as they are."""
        chunk = self._chunks.get(number)
        bit = 1 << batches[0]
        size = self._batch_size(number, batches[0])
        if chunk is None or chunk.stored & bit:
            self.out.ignored += size
        else:
            chunk.stored |= bit
            self.out.rows += size
        self._go_on(worker, number, token, batches[1:], self._now)

    def _finish(self, worker: _Worker, number: int, token: int) -> None:
        """Mark the chunk as done, if it is still this claim's."""
        chunk = self._chunks.get(number)
        self.out.statements += 1
        if chunk is not None and chunk.token == token:
            del self._chunks[number]
            self.out.finished.append(number)
        else:
            self.out.disowned += 1
        self._take(worker)

    def _until(
        self,
        when: float,
        worker: _Worker,
        number: int,
        token: int,
        act: Callable[..., None],
        *arguments: object,
    ) -> None:
        """Do this then, unless the worker fails before; it beats meanwhile."""
        self.out.statements += int(when / HEARTBEAT) - int(self._now / HEARTBEAT)
        if when <= worker.fails_at:
            self._at(when, act, *arguments)
            return
        last_beat = worker.fails_at - self._random.uniform(0, HEARTBEAT)
        self._at(self._next_pulse(last_beat + LEASE), self._lease_ended, number, token)
        if self._random.random() < self._set.hanging:
            self.out.hangs += 1
            back = worker.fails_at + self._set.hang
            worker.fails_at = back + self._random.expovariate(1 / self._set.life)
            self._at(max(when, back), act, *arguments)
        else:
            self.out.deaths += 1
            worker.life += 1
            self._at(worker.fails_at + self._set.replace, self._start, worker)

    def _batch_size(self, number: int, batch: int) -> int:
        size = min(self._set.chunk, self._set.pictures - number * self._set.chunk)
        return min(self._set.batch, size - batch * self._set.batch)
