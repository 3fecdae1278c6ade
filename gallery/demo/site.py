"""The web server and the worker of the demo."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import NoReturn

from django.conf import settings
from django.core.management.base import CommandError

from gallery.demo.processes import ProgramGroup

HOST = "127.0.0.1"
START_TIMEOUT = 180.0
"""Seconds; a slow machine imports torch and reads a large model in less."""


def how_to_run(in_a_checkout: str, where_installed: str) -> str:
    return where_installed if settings.IS_INSTALLED else in_a_checkout


def require_free(port: int) -> None:
    """Find out before any work is done that the server could not be started.

    Raises:
        CommandError: the port is taken, or may not be used.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            demo = how_to_run("make demo PORT=", "contextvision demo --port ")
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}). Choose another one: "
                f"{demo}{port + 1 if port < 65535 else 8000}"
            ) from error


class DemoSite:
    """A site that is being served."""

    def __init__(self, port: int, programs: ProgramGroup) -> None:
        self.address = f"http://{HOST}:{port}"
        self._port = port
        self._programs = programs

    def wait_until_ready(self) -> None:
        """Wait until searches are answered.

        Raises:
            CommandError: a program has ended, or it takes too long.
        """
        deadline = time.monotonic() + START_TIMEOUT
        answer = "no answer"
        while time.monotonic() < deadline:
            self._require_all()
            try:
                status, answer = self.get("/readyz")
            except (OSError, HTTPException):
                status = 0  # it does not listen yet
            if status == 200:
                return
            time.sleep(0.3)
        raise CommandError(f"The site is not ready after {START_TIMEOUT:.0f} seconds: {answer}")

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the body of an answer."""
        connection = HTTPConnection(HOST, self._port, timeout=30)
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def watch(self) -> NoReturn:
        """Return never; both programs have to go on.

        Raises:
            CommandError: one has ended.
        """
        while True:
            self._require_all()
            time.sleep(0.5)

    def _require_all(self) -> None:
        program = self._programs.ended()
        if program is not None:
            raise CommandError(
                f"The {program.name} process has ended (status {program.process.returncode}), so "
                f"the others are stopped too. The end of {program.log}:\n{program.last_lines()}"
            )


@contextmanager
def serving(port: int, *, own_photos: bool) -> Iterator[DemoSite]:
    """Run a web server and a worker until the block is left.

    With ``own_photos`` the first page says how other pictures are searched.
    """
    python = [sys.executable, "-m"]
    # The programs start in another folder than this one, where a relative path leads elsewhere.
    environment = {**os.environ, "CONTEXTVISION_DATA_DIR": str(settings.DATA_DIR)}
    with ProgramGroup(settings.DATA_DIR / "logs") as programs:
        programs.start(
            "web",
            [
                *python,
                *("gunicorn", "--config", "python:contextvision_site.gunicorn"),
                *("--bind", f"{HOST}:{port}"),
            ],
            cwd=settings.BASE_DIR,
            env={**environment, "CONTEXTVISION_DEMO": str(own_photos).lower()},
        )
        programs.start(
            "worker",
            [
                *python,
                *("celery", "--app", "contextvision_site", "worker"),
                *("--pool", "threads", "--concurrency", "3", "--queues", "default,embed,train"),
            ],
            cwd=settings.BASE_DIR,
            env=environment,
        )
        yield DemoSite(port, programs)
