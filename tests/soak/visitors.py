"""People who search at a steady pace, and look at every answer."""

import http.client
import itertools
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

PATIENCE = 120.0
"""Seconds until a visitor whose calls are not taken goes away."""
AGAIN = 0.5
"""Seconds until he calls again."""
MOST_AT_ONCE = 1_500
"""Visitors who wait; at ten a second, those of the patience."""
EXAMPLES = 20


@dataclass
class Tally:
    """What came of all searches."""

    answers: "Counter[str]" = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    """Of answers that may not be."""
    seconds: list[float] = field(default_factory=list)
    """From the first call until the right answer, calls that were not taken included."""
    calls_again: int = 0
    most_calls: int = 1
    longest_gap: float = 0.0
    """Seconds in which nobody was answered rightly."""

    def percentile(self, share: int) -> float:
        return statistics.quantiles(self.seconds, n=100)[share - 1] if self.seconds else 0.0


class Visitors:
    """Ask what is known at a pace that does not follow how fast answers come."""

    def __init__(self, port: int, expected: Mapping[str, Sequence[int]], pace: float) -> None:
        self.tally = Tally()
        self._port, self._expected, self._pace = port, expected, pace
        self._ended = threading.Event()
        self._counting = threading.Lock()
        self._answered_at = time.monotonic()
        self._thread = threading.Thread(target=self._come, daemon=True)

    def start(self) -> None:
        self._answered_at = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _come(self) -> None:
        due = time.monotonic()
        queries = itertools.cycle(self._expected)
        with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
            while not self._ended.is_set():
                pool.submit(self._visit, next(queries))
                due += 1 / self._pace
                time.sleep(max(0.0, due - time.monotonic()))

    def _visit(self, query: str) -> None:
        started = time.monotonic()
        calls = 0
        answer: tuple[int, Any] | None = None
        while answer is None and time.monotonic() - started < PATIENCE:
            if calls:
                time.sleep(AGAIN)
            calls += 1
            answer = ask(self._port, query)
        with self._counting:
            self._note(query, answer, calls, started)

    def _note(self, query: str, answer: tuple[int, Any] | None, calls: int, started: float) -> None:
        tally, now = self.tally, time.monotonic()
        tally.calls_again += calls - 1
        tally.most_calls = max(tally.most_calls, calls)
        kind = self._kind_of(query, answer)
        tally.answers[kind] += 1
        if kind == "right":
            tally.seconds.append(now - started)
            tally.longest_gap = max(tally.longest_gap, now - self._answered_at)
            self._answered_at = now
        elif not is_allowed(kind) and len(tally.examples) < EXAMPLES:
            tally.examples.append(f"{query}: {kind}: {str(answer)[:300]}")

    def _kind_of(self, query: str, answer: tuple[int, Any] | None) -> str:
        if answer is None:
            return "no answer"
        status, told = answer
        if status == 200:
            return "right" if found(told) == self._expected[query] else "wrong"
        is_declared = isinstance(told, dict) and "type" in told and "title" in told
        return f"{status} {told.get('detail', told['title'])}" if is_declared else f"{status} bare"


def is_allowed(kind: str) -> bool:
    """Tell whether the site may answer so: rightly, or in words that it comes later."""
    return kind == "right" or (kind.startswith(("429 ", "503 ")) and not kind.endswith(" bare"))


def found(answer: Mapping[str, Any]) -> list[int]:
    return [hit["image"]["id"] for hit in answer["results"]]


def ask(port: int, query: str, limit: int = 5) -> tuple[int, Any] | None:
    """Return status and body; nothing where the call was not taken or was cut off."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", f"/api/v1/search/?limit={limit}&q={quote(query)}")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    try:
        return response.status, json.loads(body)
    except ValueError:
        return response.status, body[:300].decode(errors="replace")
