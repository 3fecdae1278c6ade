"""`manage.py serve`, as a Hugging Face Space starts it: one command for all, with what it sets."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process_tree import descendants, still_running
from tests.services import REPOSITORY, free_port

HOST = "someone-contextvision.hf.space"
PASSWORD = "violet-harbour-91"


def start(folder: Path, port: int, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{port}"],
        cwd=REPOSITORY,
        env={
            **{name: value for name, value in os.environ.items() if "DATABASE_URL" not in name},
            "DJANGO_SETTINGS_MODULE": "contextvision_site.settings",
            "CONTEXTVISION_DATA_DIR": str(folder),
            "CONTEXTVISION_FRAME_ANCESTORS": "https://huggingface.co",
            "SPACE_HOST": HOST,
            "DJANGO_SUPERUSER_USERNAME": "first",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[subprocess.Popen[str]]:
    process = start(tmp_path_factory.mktemp("space"), port)
    try:
        deadline = time.monotonic() + 150
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if ask(port, "/livez").status == 200:
                    break
            except OSError:
                time.sleep(0.3)
        yield process
    finally:
        process.kill()
        process.wait()


def ask(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": HOST, "X-Forwarded-Proto": "https", **headers})
    return connection.getresponse()


def test_answers_under_the_name_of_the_space_and_in_its_frame(
    site: subprocess.Popen[str], port: int
) -> None:
    page = ask(port, "/accounts/login/")
    assert page.status == 200, page.read()
    assert "frame-ancestors https://huggingface.co" in page.headers["Content-Security-Policy"]
    assert "SameSite=None" in page.headers["Set-Cookie"]
    assert "Secure" in page.headers["Set-Cookie"]
    assert ask(port, "/", Host="other.example.org").status == 400


def test_a_worker_runs_and_the_first_administrator_is_there(
    site: subprocess.Popen[str], port: int
) -> None:
    ask_for = (
        "from django.contrib.auth.models import User; from gallery.models import WorkerPulse; "
        f"u = User.objects.get(); right = u.check_password({PASSWORD!r}); "
        "print(u.username, u.is_superuser, right, WorkerPulse.objects.alive().count())"
    )
    deadline = time.monotonic() + 100
    while (found := told(site, ask_for)) != "first True True 1" and time.monotonic() < deadline:
        time.sleep(1)
    assert found == "first True True 1"


def told(site: subprocess.Popen[str], code: str) -> str:
    """Run code in the settings of a site that is served."""
    lines = (Path("/proc") / str(site.pid) / "environ").read_text().split("\0")
    ended = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", code],
        cwd=REPOSITORY,
        env=dict(line.split("=", 1) for line in lines if "=" in line),
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


def test_one_that_ends_takes_the_other_along(site: subprocess.Popen[str]) -> None:
    """And the container ends with an error, so that whoever runs it starts it anew."""
    children = descendants(site.pid)
    [worker] = [
        each for each in children if "celery" in each.command and str(site.pid) in parent(each.pid)
    ]
    os.kill(worker.pid, signal.SIGKILL)
    assert site.wait(60) != 0
    assert not still_running(children, seconds=10)


def parent(pid: int) -> str:
    return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1]


def test_stops_with_everything_it_started(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path, port)
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and len(descendants(process.pid)) < 3:
        time.sleep(0.3)
    children = descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not still_running(children, seconds=10)


def test_a_weak_password_of_the_first_administrator_is_refused(tmp_path: Path) -> None:
    process = start(tmp_path, free_port(), DJANGO_SUPERUSER_PASSWORD="12345")
    output, _ = process.communicate(timeout=150)
    assert process.returncode != 0
    assert "DJANGO_SUPERUSER_PASSWORD: This password is too short" in output
