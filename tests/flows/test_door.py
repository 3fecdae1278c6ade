"""The real web server, and clients that send half of a request or come all at once."""

import http.client
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import pytest
from django.conf import LazySettings

from contextvision_site.refusal import Refusals
from contextvision_site.settings import WEB_THREADS
from contextvision_site.settings.test import TEST_DATA_DIR
from contextvision_site.web_worker import SEARCHES, SHARE
from gallery.models import Job
from tests.encoders import COLOURS
from tests.flows.worker import environment, wait_until
from tests.pictures_of_colours import add_picture, run
from tests.services import REPOSITORY, free_port

HALF_HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
HALF_BODY = (
    b"POST /api/v1/search/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 1000\r\n\r\n{"q": '
)
LET_IN = round(WEB_THREADS * SEARCHES * SHARE)
"""Searches of one address at once."""
US, STRANGER = "127.0.0.1", "127.0.0.2"
"""Two addresses of this machine: whoever is slow, and a visitor beside."""


@contextmanager
def web_server(log: Path, config: str, variables: Mapping[str, str]) -> Iterator[int]:
    """Start the server; yield its port."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", f"--config=python:{config}"]
    command += [f"--bind={US}:{port}"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=REPOSITORY, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: status(port, "/livez") == 200, seconds=90, what="an answer")
        yield port
    finally:
        server.terminate()
        server.wait(20)


def status(port: int, path: str, *, source: str = US) -> int:
    """Ask over a connection of its own; 0 where that is refused."""
    connection = http.client.HTTPConnection(US, port, timeout=30, source_address=(source, 0))
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with little patience; nothing that is asked of it here looks into a database."""
    folder = tmp_path_factory.mktemp("door")
    variables = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "contextvision_site.settings",
        "CONTEXTVISION_DATA_DIR": str(folder),
    }
    with web_server(folder / "web.log", "tests.flows.impatient", variables) as port:
        yield port


@contextmanager
def slow_clients(port: int, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Within, so many connections from one address have sent this and keep silent."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((US, port), timeout=30))
            for _ in range(count)
        ]
        for connection in connections:
            connection.sendall(sent)
        yield connections


def test_half_sent_heads_take_no_thread_and_are_given_up(port: int) -> None:
    with slow_clients(port, 3 * WEB_THREADS, HALF_HEAD) as connections:
        for source in (US, STRANGER):
            assert status(port, "/livez", source=source) == 200
        assert [each.recv(1) for each in connections] == [b""] * len(connections)


def test_half_sent_bodies_leave_threads_to_others_and_are_given_up(port: int) -> None:
    with slow_clients(port, 3 * WEB_THREADS, HALF_BODY) as connections:
        for path in ("/livez", "/accounts/login/"):
            assert status(port, path, source=STRANGER) == 200
        # More than may wait for one address are told so at once.
        refused = [each for each in connections if readable(each)]
        assert len(refused) >= 3 * WEB_THREADS - LET_IN
        assert {answer(each)[0] for each in refused} == {503}
        # What came too slowly is cut off, though it never paused for long.
        held = next(each for each in connections if each not in refused)
        held.settimeout(30)
        with pytest.raises(OSError):  # noqa: PT011  (a reset, or a broken pipe)
            trickle(held)


def trickle(connection: socket.socket) -> None:
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def readable(connection: socket.socket) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(0.01))


def answer(connection: socket.socket) -> tuple[int, bytes]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def test_requests_in_pieces_and_in_a_row_are_answered(port: int) -> None:
    ask = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection((US, port), timeout=30) as connection:
        connection.sendall(ask[:20])
        time.sleep(0.1)
        connection.sendall(ask[20:])
        assert answer(connection)[0] == 200
        connection.sendall(ask + ask[:30])
        assert answer(connection)[0] == 200
        connection.sendall(ask[30:])
        assert answer(connection)[0] == 200
        connection.sendall(
            b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nab"
        )
        time.sleep(0.1)
        connection.sendall(b"cd")
        assert answer(connection)[0] == 403  # it has no CSRF token


def test_nonsense_is_told_to_be_that(port: int) -> None:
    with socket.create_connection((US, port), timeout=30) as connection:
        connection.sendall(b"hello\r\n\r\n")
        assert answer(connection)[0] == 400


@pytest.mark.parametrize(
    ("path", "language", "type_", "words"),
    [
        ("/?q=dog", "en", "text/html; charset=utf-8", "Too many people ask at the same time."),
        (
            "/?q=dog",
            "de-AT,de",
            "text/html; charset=utf-8",
            "Zu viele Menschen fragen zur selben Zeit.",
        ),
        ("/api/v1/search/", "fr", "application/problem+json", "Too many people ask"),
    ],
)
def test_a_refusal_is_an_answer_of_the_site(
    path: str, language: str, type_: str, words: str
) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Language: {language}\r\n\r\n".encode()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(Refusals().answer(head))
        response = http.client.HTTPResponse(theirs)
        response.begin()
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        assert response.headers["Content-Type"] == type_
        body = response.read().decode()
    assert words in body
    if path.startswith("/api/"):
        assert json.loads(body)["status"] == 503


@pytest.mark.django_db(transaction=True)
def test_of_a_thousand_searches_at_once_some_are_answered_and_the_others_refused(
    settings: LazySettings, tmp_path: Path, learnt: Path
) -> None:
    settings.MEDIA_ROOT = str(TEST_DATA_DIR / "media")
    settings.INDEX_DIR = TEST_DATA_DIR / "indexes"
    settings.CONTEXTVISION_MODEL = str(learnt)
    for colour in COLOURS:
        add_picture(colour)
    run(Job.Kind.EMBED)
    run(Job.Kind.INDEX)
    variables = environment(
        CONTEXTVISION_MODEL=str(learnt), CONTEXTVISION_THROTTLE_ANONYMOUS="1000000/minute"
    )
    with web_server(tmp_path / "web.log", "contextvision_site.gunicorn", variables) as port:
        wait_until(
            lambda: status(port, "/api/v1/search/?q=red") == 200, seconds=90, what="a search"
        )
        answers = burst(port, 1000)
        assert status(port, "/api/v1/search/?q=afterwards") == 200
        with slow_clients(port, WEB_THREADS, HALF_BODY):
            assert status(port, "/api/v1/search/?q=beside", source=STRANGER) == 200
    statuses = [status for status, _ in answers]
    assert set(statuses) == {200, 503}
    assert len(statuses) == 1000
    assert statuses.count(200) >= LET_IN // 2
    # Without the door it was 6 to 15 seconds; 0.3 are promised, on a machine at rest.
    waited = sorted(seconds for status, seconds in answers if status == 503)
    assert waited[len(waited) * 9 // 10] < 2


def burst(port: int, count: int) -> list[tuple[int, float]]:
    """Ask so many different things at once; return status and seconds of each answer."""
    answers: list[tuple[int, float]] = []
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for number in range(count):
            # Who connects and then keeps silent is a slow client, of whom there may not be so many.
            client = stack.enter_context(socket.create_connection((US, port), timeout=60))
            client.sendall(
                f"GET /api/v1/search/?limit=3&q=red+{number} HTTP/1.1\r\n"
                "Host: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            selector.register(client, selectors.EVENT_READ, time.monotonic())
        until = time.monotonic() + 60
        while selector.get_map() and time.monotonic() < until:
            for key, _ in selector.select(1):
                client = cast("socket.socket", key.fileobj)
                selector.unregister(client)
                answers.append((answer(client)[0], time.monotonic() - key.data))
    return answers
