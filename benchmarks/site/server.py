"""A site of the benchmark's own: a data folder, and the web server that `make run` starts."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from benchmarks.harness.measure import BenchmarkError
from gallery.demo.processes import ProgramGroup

START_TIMEOUT = 180.0
"""Seconds; a slow machine imports everything and reads a large model in less."""
_OURS = re.compile("CONTEXTVISION_|CELERY_|CACHE_URL|DATABASE_URL|DJANGO_")


class ComeBackError(BenchmarkError):
    """The site has too much to do and asks to come back later."""


@dataclass(frozen=True, slots=True)
class Client:
    """A visitor who connects anew for every request, so that no pause between two can matter."""

    url: str

    def get(self, path: str, **parameters: object) -> bytes:
        """Return what the site answers.

        Raises:
            ComeBackError: it answers with 503.
            BenchmarkError: it cannot be reached, or answers with anything else but success.
        """
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            connection.request("GET", f"{path}?{urlencode(parameters)}" if parameters else path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            raise BenchmarkError(f"{self.url} does not answer: {error}.") from error
        finally:
            connection.close()
        if answer.status == 503:
            raise ComeBackError(f"The site cannot answer {path} now.")
        if answer.status != 200:
            raise BenchmarkError(
                f"The site answered {path} with status {answer.status}: {body[:300]!r}"
            )
        return body


@dataclass(frozen=True, slots=True)
class Site:
    """A data folder of the benchmark's own. No setting of the person's own site is used."""

    folder: Path
    more: Mapping[str, str]
    """Further environment variables."""

    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not _OURS.match(key)}
        return {
            **inherited,
            "CONTEXTVISION_DATA_DIR": str(self.folder),
            "CONTEXTVISION_THROTTLE_ANONYMOUS": "1000000/second",
            **self.more,
        }

    def manage(self, *arguments: str) -> None:
        """Run a command of manage.py; as :meth:`run`."""
        self.run("manage.py", *arguments)

    def run(self, *arguments: str) -> None:
        """Run Python with these arguments.

        Raises:
            BenchmarkError: it failed; with the end of what it said.
        """
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=settings.BASE_DIR, env=self.environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-600:]
            raise BenchmarkError(f"{' '.join(arguments)} failed: {said}")

    def fill(self, photos: Path) -> None:
        """Import, embed and index pictures, where that was not done by an earlier run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.manage("migrate", "--verbosity", "0")
        done = self.folder / ".filled"
        if done.exists() and done.read_text(encoding="utf-8") == str(photos):
            return
        self.manage("import_images", str(photos))
        self.manage("embed")
        self.manage("build_index")
        done.write_text(str(photos), encoding="utf-8")

    @contextmanager
    def served(self, ready: str) -> "Iterator[Served]":
        """Run the web server until the block ends; it begins once ``ready`` is answered."""
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        with ProgramGroup(self.folder / "logs") as programs:
            programs.start(
                "web",
                [
                    sys.executable, "-m", "gunicorn", "--config",
                    "python:contextvision_site.gunicorn", "--bind", f"127.0.0.1:{port}",
                ],
                cwd=settings.BASE_DIR,
                env=self.environment(),
            )  # fmt: skip
            _wait(url, ready, programs)
            yield Served(url, programs.programs[0].process.pid)


@dataclass(frozen=True, slots=True)
class Served:
    """A web server that runs."""

    url: str
    pid: int = 0
    """Of its first process; 0 where somebody else started it."""

    def worker(self) -> int:
        """Return the process that answers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        return int(children.split()[0])


def _wait(url: str, path: str, programs: ProgramGroup) -> None:
    until = time.monotonic() + START_TIMEOUT
    reason = "no answer"
    while time.monotonic() < until:
        ended = programs.ended()
        if ended is not None:
            raise BenchmarkError(f"The web server ended:\n{ended.last_lines()}")
        try:
            Client(url).get(path)
        except BenchmarkError as error:
            reason = str(error)
            time.sleep(0.2)
        else:
            return
    raise BenchmarkError(f"The site is not ready after {START_TIMEOUT:.0f} seconds: {reason}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
