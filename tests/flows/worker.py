"""A real Celery worker in a process of its own, on the database and the broker of the test run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

from contextvision_site.settings.test import TEST_DATA_DIR
from gallery.models import WorkerPulse
from tests.services import REPOSITORY


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Poll until something holds, and fail with words when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"After {seconds:g} seconds: {what} did not happen.")
        time.sleep(0.1)


def environment(**extra: str) -> dict[str, str]:
    """Make another process use this test run's database, broker and folders."""
    database = settings.DATABASES["default"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{connection.settings_dict['NAME']}"
    else:
        user, host = database["USER"], database["HOST"] or "localhost"
        password = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
        port = f":{database['PORT']}" if database["PORT"] else ""
        url = f"postgres://{user}{password}@{host}{port}/{connection.settings_dict['NAME']}"
    return {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "contextvision_site.settings",
        "CONTEXTVISION_DATA_DIR": str(TEST_DATA_DIR),
        **extra,
    }


@contextmanager
def started_worker(
    log: Path, *, hostname: str = "w1@test", app: str = "contextvision_site", **extra: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker, and stop it at the end."""
    command = [sys.executable, "-m", "celery", "-A", app, "worker"]
    command += ["--pool=threads", "--concurrency=2", "-Q", "default,embed,train"]
    command += [f"--hostname={hostname}", "--loglevel=INFO"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment(**extra),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


@contextmanager
def running_worker(
    log: Path, *, hostname: str = "w1@test", **options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker, wait for its first sign of life, and stop it at the end."""
    with started_worker(log, hostname=hostname, **options) as process:
        wait_until(
            lambda: (
                process.poll() is not None
                or WorkerPulse.objects.alive().filter(hostname=hostname).exists()
            ),
            seconds=60,
            what="a sign of life of the worker",
        )
        assert process.poll() is None, log.read_text()[-3000:]
        yield process
