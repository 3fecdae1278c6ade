"""The real web server is started again while people search: nobody is told that it cannot be done,
and nobody has to ask more than twice."""

import http.client
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import LazySettings

from contextvision_site.settings.test import TEST_DATA_DIR
from tests.flows.slow_web import LOADING, PATIENCE
from tests.flows.worker import environment, wait_until
from tests.pictures_of_colours import add_picture, index_everything
from tests.services import REPOSITORY, free_port

LONG = 7
"""Seconds for which the model is loaded: more than a request waits for it (``LOADING_PATIENCE``),
so only a server that keeps visitors waiting before it answers anybody has no 503 to give."""
SEARCH = "/api/v1/search/?q=red&limit=1"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _gallery(settings: LazySettings, colours: object) -> None:
    settings.MEDIA_ROOT = str(TEST_DATA_DIR / "media")
    settings.INDEX_DIR = TEST_DATA_DIR / "indexes"
    add_picture("red")
    index_everything()


@contextmanager
def web_server(port: int, log: Path, **pace: float) -> Iterator[subprocess.Popen[bytes]]:
    """Start the server, and wait for nothing."""
    command = [sys.executable, "-m", "gunicorn", "--config=python:tests.flows.slow_web"]
    command += [f"--bind=127.0.0.1:{port}"]
    variables: Mapping[str, str] = environment(
        CONTEXTVISION_MODEL="colours",
        CONTEXTVISION_THROTTLE_ANONYMOUS="1000000/minute",
        **{name: str(seconds) for name, seconds in pace.items()},
    )
    with log.open("ab") as output:
        server = subprocess.Popen(
            command, cwd=REPOSITORY, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield server
    finally:
        server.terminate()
        server.wait(30)


def ask(port: int, path: str = SEARCH) -> int:
    """Return the status of an answer; 0 where nobody took the call, -1 where it was cut off."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        connection.connect()
    except OSError:
        return 0
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return -1
    finally:
        connection.close()


class Visitor(threading.Thread):
    """Searches one time after the other, and asks again where the call was not taken."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._ended = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.slowest = 0.0

    def run(self) -> None:
        while not self._ended.wait(0.05):
            started = time.monotonic()
            status = ask(self._port)
            self.statuses[status] += 1
            if status > 0:
                self.slowest = max(self.slowest, time.monotonic() - started)

    def stop(self) -> None:
        self._ended.set()
        self.join(90)


def test_a_cold_server_lets_the_first_visitor_wait_and_then_answers(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "web.log"
    with web_server(port, log, **{LOADING: LONG}):
        answers: list[int] = []
        started = time.monotonic()

        def is_answered() -> bool:
            answers.append(ask(port))
            return answers[-1] != 0

        wait_until(is_answered, seconds=90, what="an answer")
        assert answers[-1] == 200, log.read_text()[-3000:]
        assert time.monotonic() - started > LONG


def test_nobody_who_searches_during_a_restart_is_turned_away(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "web.log"
    visitors = [Visitor(port) for _ in range(4)]
    with web_server(port, log, **{LOADING: 0}):
        wait_until(lambda: ask(port) == 200, seconds=90, what="an answer")
        for visitor in visitors:
            visitor.start()
        time.sleep(1)
    with web_server(port, log, **{LOADING: LONG}):
        wait_until(lambda: ask(port) == 200, seconds=90, what="an answer after the restart")
        time.sleep(1)
        for visitor in visitors:
            visitor.stop()
    for visitor in visitors:
        assert visitor.statuses.keys() <= {200, 0, -1}, log.read_text()[-3000:]
        assert visitor.statuses[-1] <= 1, "nobody is cut off twice"
    assert max(visitor.slowest for visitor in visitors) > LONG / 2, "somebody waited for the model"


def test_what_needs_no_model_is_answered_when_it_takes_too_long(tmp_path: Path) -> None:
    port = free_port()
    with web_server(port, tmp_path / "web.log", **{LOADING: 40, PATIENCE: 1}):
        wait_until(lambda: ask(port, "/livez") == 200, seconds=30, what="a sign of life")
        assert ask(port) == 503


def test_a_server_that_is_still_loading_can_be_stopped(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "web.log"
    with web_server(port, log, **{LOADING: 300}) as server:
        wait_until(lambda: b"Booting worker" in log.read_bytes(), seconds=60, what="a worker")
        time.sleep(3)
        server.send_signal(signal.SIGTERM)
        stopped = time.monotonic()
        server.wait(30)
    assert time.monotonic() - stopped < 5, log.read_text()[-3000:]
