"""The door of the web server: who is let in to a thread, who waits, and who is told to come back.

gunicorn gives each connection to a thread at once, and the thread then waits for a request for as
long as it is held back. Here the head of a request is read beside all others, without a thread; a
body has to keep coming; no address takes more than a share of the places; and what would wait
longer than a visitor does is refused at once, before Django has heard of it.
"""

import contextlib
import re
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.http import get_parser  # type: ignore[import-untyped]
from gunicorn.http.unreader import SocketUnreader  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from contextvision_site.refusal import Refusals

HEAD_SECONDS = 10.0
"""For the head of a request, from its first moment."""
OPEN, HURRIED_SECONDS = 100, 1.0
"""With more heads than that outstanding from one address, each of them has so long instead."""
HEAD_BYTES = 64 * 1024
"""At most; gunicorn's own limits for lines and fields are smaller."""
PAUSE_SECONDS = 20
"""Without a byte, in either direction, until a connection is given up."""
BODY_SECONDS, BODY_RATE = 30.0, 1024
"""A body may take so long, and a second more for each so many bytes that have come."""
LEAVING_SECONDS = 2.0
"""For whoever was refused to take note of it."""
WAITING = 2
"""Requests that may wait for a thread, for each thread."""
SEARCHES = 0.75
"""Of the threads: with so many at work another search is refused, so that what it would wait for
(the model) is not waited for by all of them, and pictures and other pages still have threads."""
SHARE = 0.75
"""Of all places, for one address; trusted proxies may have all, since they stand for many."""

_SEARCH = re.compile(rb"(GET|POST) (/api/v1/search/|/\?|/ |/images/\d+/similar/)")
_PROBE = re.compile(rb"(GET|HEAD) /(livez|readyz)[ ?]")
_BODILESS = re.compile(rb"(GET|HEAD) ")
_PAUSE = struct.pack("ll", PAUSE_SECONDS, 0)


@dataclass(eq=False)
class Head:
    """A connection of which the next request has not been read to the end of its head."""

    connection: Any
    received: bytearray = field(default_factory=bytearray)
    since: float = field(default_factory=time.monotonic)


class BoundedReader(SocketUnreader):  # type: ignore[misc]  # gunicorn carries no types
    """Reads what follows a head, for as long as it keeps coming."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self._expect()

    def begin(self, head: bytes) -> None:
        """Go on to the next request of this connection, the head of which has been read."""
        self.unread(head)
        self._expect()

    def _expect(self) -> None:
        self._until = time.monotonic() + BODY_SECONDS

    def chunk(self, size_hint: int | None = None) -> bytes:
        if time.monotonic() > self._until:
            raise TimeoutError("The request came too slowly.")
        data: bytes = super().chunk(size_hint)
        self._until += len(data) / BODY_RATE
        return data


class Connection(TConn):  # type: ignore[misc]  # gunicorn carries no types
    see_off: "Callable[[Connection], None]"

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.see_off(self)
        else:
            super().close()


class DoorWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's worker of threads, with a door before them.

    All but ``handle`` runs in the main thread, as in gunicorn.
    """

    refusals: Refusals

    def init_process(self) -> None:
        from django.conf import settings

        self.heads: dict[Any, Head] = {}
        self.leaving: dict[Any, float] = {}
        self.waiting: deque[tuple[Any, bytes]] = deque()
        self.open: Counter[str] = Counter()
        """Connections of each address of which a head is awaited."""
        self.running: Counter[str] = Counter()
        self.here: Counter[str] = Counter()
        """Requests of each address that run or wait."""
        share = 1 if settings.TRUSTED_PROXIES else SHARE
        self.places = self.cfg.threads * (1 + WAITING)
        self.most_searches = round(self.cfg.threads * SEARCHES)
        self.most_here = round(self.places * share)
        self.most_searches_here = round(self.most_searches * share)
        self.most_running = round(self.cfg.threads * share)
        self.most_open = self.worker_connections if settings.TRUSTED_PROXIES else OPEN
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.refusals = Refusals()

    # --- In -------------------------------------------------------------------------------
    def accept(self, listener: socket.socket) -> None:
        """Take all who knock, not one at a turn: the turn may come late when threads are busy."""
        while self.nr_conns < self.worker_connections:
            try:
                client, address = listener.accept()
            except OSError:  # nobody is left, one went again, or there are no more files
                return
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                client.setsockopt(socket.SOL_SOCKET, option, _PAUSE)
            connection = Connection(self.cfg, client, address, listener.getsockname())
            connection.see_off = self.see_off
            self.nr_conns += 1
            self.enqueue_req(connection)

    def enqueue_req(self, conn: Any) -> None:
        """Begin to read a head. gunicorn calls this for whatever is next on a connection."""
        if self.cfg.is_ssl:  # its handshake is left to gunicorn
            super().enqueue_req(conn)
            return
        head = Head(conn)
        if conn.parser is not None:  # of a further request some may have come with the one before
            head.received += conn.parser.unreader.take_buffered()
        conn.sock.setblocking(False)
        self.heads[conn] = head
        self.open[_address(conn)] += 1
        self.poller.register(conn.sock, EVENT_READ, partial(self._read_head, head))
        self._read_head(head)

    def _read_head(self, head: Head, _: Any = None) -> None:
        connection = head.connection
        data: bytes | None
        try:
            data = connection.sock.recv(HEAD_BYTES)
        except BlockingIOError:
            data = None
        except OSError:
            data = b""
        head.received += data or b""
        is_too_long = len(head.received) > HEAD_BYTES  # gunicorn tells what is wrong
        if b"\r\n\r\n" in head.received or is_too_long:
            self._forget(head)
            self._admit(connection, bytes(head.received))
        elif data == b"":
            self._forget(head)
            self._close(connection)

    def _forget(self, head: Head) -> None:
        del self.heads[head.connection]
        _take_off(self.open, _address(head.connection))
        self.poller.unregister(head.connection.sock)

    # --- Threads --------------------------------------------------------------------------
    def _admit(self, connection: Any, head: bytes) -> None:
        address = _address(connection)
        under_way = self.running.total() + len(self.waiting)
        places, places_here = (
            (self.most_searches, self.most_searches_here)
            if _SEARCH.match(head)
            else (self.places, self.most_here)
        )
        too_many = under_way >= places or self.here[address] >= places_here
        is_probe = _PROBE.match(head) is not None
        if too_many and not is_probe:
            self._refuse(connection, head)
            return
        self.here[address] += 1
        if is_probe and self.running.total() < self.cfg.threads:
            self._run(connection, head)
            return
        self.waiting.append((connection, head))
        self._start_waiting()

    def _start_waiting(self) -> None:
        """Give free threads to those who wait, the oldest first, within each address's share."""
        kept: deque[tuple[Any, bytes]] = deque()
        while self.waiting and self.running.total() < self.cfg.threads:
            connection, head = self.waiting.popleft()
            if self.running[_address(connection)] < self.most_running:
                self._run(connection, head)
            else:
                kept.append((connection, head))
        self.waiting.extendleft(reversed(kept))

    def _run(self, connection: Any, head: bytes) -> None:
        if connection.parser is None:
            connection.parser = get_parser(self.cfg, connection.sock, connection.client)
            connection.parser.unreader = BoundedReader(connection.sock)
            connection.initialized = True
        connection.parser.unreader.begin(head)
        self.running[_address(connection)] += 1
        super().enqueue_req(connection)

    def finish_request(self, conn: Any, fs: "Future[Any]") -> None:
        if not self.cfg.is_ssl:
            _take_off(self.running, _address(conn))
            _take_off(self.here, _address(conn))
        super().finish_request(conn, fs)
        self._start_waiting()

    # --- Out ------------------------------------------------------------------------------
    def _refuse(self, connection: Any, head: bytes) -> None:
        with contextlib.suppress(OSError):
            connection.sock.setblocking(False)
            connection.sock.send(self.refusals.answer(head))
        self.nr_conns -= 1
        connection.close(graceful=not _BODILESS.match(head))

    def see_off(self, connection: Any) -> None:
        """Close a connection once the other side has: with bytes unread it would be reset, and
        the answer with it. gunicorn waits for that, and for nothing else.
        """
        try:
            connection.sock.setblocking(False)
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            util.close(connection.sock)
            return
        self.nr_conns += 1
        self.leaving[connection] = time.monotonic() + LEAVING_SECONDS
        self.poller.register(connection.sock, EVENT_READ, partial(self._is_leaving, connection))
        self._is_leaving(connection)

    def _is_leaving(self, connection: Any, _: Any = None) -> None:
        try:
            if connection.sock.recv(HEAD_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # it is gone, which is what is waited for
        self._gone(connection)

    def _gone(self, connection: Any) -> None:
        del self.leaving[connection]
        self.poller.unregister(connection.sock)
        self._close(connection)

    def _close(self, connection: Any) -> None:
        self.nr_conns -= 1
        connection.close()

    def murder_pending(self) -> None:
        """Close what has taken too long; gunicorn calls this once a second at least."""
        super().murder_pending()
        now = time.monotonic()
        for head in [head for head in self.heads.values() if self._is_overdue(head, now)]:
            self._read_head(head)  # it may be this process that was late
            if head.connection in self.heads:
                self._forget(head)
                self._close(head.connection)
        for connection in [each for each, until in self.leaving.items() if until < now]:
            self._gone(connection)

    def _is_overdue(self, head: Head, now: float) -> bool:
        is_hurried = not self.alive or self.open[_address(head.connection)] > self.most_open
        return now - head.since > (HURRIED_SECONDS if is_hurried else HEAD_SECONDS)


def _address(connection: Any) -> str:
    client = connection.client
    return str(client[0]) if isinstance(client, tuple) and client else ""  # of a Unix socket, none


def _take_off(counter: "Counter[str]", address: str) -> None:
    counter[address] -= 1
    if not counter[address]:
        del counter[address]  # else it remembers all who were ever here
