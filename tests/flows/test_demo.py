"""`make demo` as a newcomer runs it: started, searched, given a picture, stopped, run again."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.cookiejar import CookieJar
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from PIL import Image

from tests.process_tree import PROC, Running, descendants, still_running
from tests.services import REPOSITORY

pytestmark = [
    pytest.mark.skipif(not PROC.is_dir(), reason="reads processes from /proc"),
    pytest.mark.timeout(600),
]

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of one installation, which several starts share."""
    return tmp_path_factory.mktemp("demo")


def environment(data: Path) -> dict[str, str]:
    """Set nothing but the folder: a newcomer has set nothing."""
    ours = re.compile("CONTEXTVISION_|CELERY_|CACHE_URL|DATABASE_URL|DJANGO_|MAKE|PORT|PHOTOS")
    inherited = {key: value for key, value in os.environ.items() if not ours.match(key)}
    return {**inherited, "CONTEXTVISION_DATA_DIR": str(data)}


def command(port: int, *more: str) -> list[str]:
    # What is installed stays as it is, whichever virtual environment runs the tests.
    stamps = [f"--old-file={sys.prefix}/.installed{what}" for what in ("", "-demo", "-dev")]
    return ["make", *stamps, f"VENV={sys.prefix}", "demo", f"PORT={port}", *more]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Demo:
    """A run of `make demo`, as the leader of its own process group, like a job of a shell."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.site = f"http://127.0.0.1:{self.port}"
        self._output = data.parent / f"output-{self.port}"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command(self.port),
                cwd=REPOSITORY,
                env=environment(data),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._seen: set[Running] = set()
        self._browser = build_opener(HTTPCookieProcessor(CookieJar()))
        self._program = build_opener()  # asks the API without having logged in

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def wait_for_output(self, text: str, *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output + self.logs()
            time.sleep(0.1)

    def logs(self) -> str:
        files = sorted((self.data / "logs").glob("*.log"))
        return "".join(f"\n--- {file.name}\n{file.read_text()[-3000:]}" for file in files)

    def processes(self) -> set[Running]:
        """Return everything that was started so far and may still run."""
        self._seen |= descendants(self.process.pid)
        return self._seen

    def interrupt(self) -> int:
        """Press Ctrl-C: the terminal interrupts make, its shell and the demo, but not servers."""
        self.processes()
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(40)

    def end(self) -> None:
        for pid in {self.process.pid, *(one.pid for one in still_running(self.processes()))}:
            if pid != self.process.pid or self.process.poll() is None:
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def get(self, path: str, **params: object) -> bytes:
        address = f"{self.site}{path}" + (f"?{urlencode(params)}" if params else "")
        with self._browser.open(address, timeout=30) as response:
            body: bytes = response.read()
        return body

    def post(self, path: str, *, files: dict[str, tuple[str, bytes]], **fields: str) -> bytes:
        """Send a form as the page at this address would, or as a program does to the API."""
        boundary = "contextvision"
        parts = BytesIO()
        for name, value in fields.items():
            head = f'Content-Disposition: form-data; name="{name}"'
            parts.write(f"--{boundary}\r\n{head}\r\n\r\n{value}\r\n".encode())
        for name, (filename, data) in files.items():
            head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
            parts.write(f"--{boundary}\r\n{head}\r\n".encode())
            parts.write(b"Content-Type: application/octet-stream\r\n\r\n" + data + b"\r\n")
        parts.write(f"--{boundary}--\r\n".encode())
        request = Request(  # noqa: S310  (the address is ours)
            self.site + path,
            data=parts.getvalue(),
            headers={
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Referer": self.site + path,
            },
        )
        opener = self._program if path.startswith("/api/") else self._browser
        with opener.open(request, timeout=60) as response:
            body: bytes = response.read()
        return body

    def form_token(self, path: str) -> str:
        match = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path))
        assert match is not None
        return match[1].decode()

    def search(self, text: str) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = json.loads(self.get("/api/v1/search/", q=text, limit=5))[
            "results"
        ]
        return results


@pytest.fixture
def demo(data_folder: Path) -> Iterator[Demo]:
    demo = Demo(data_folder)
    try:
        yield demo
    finally:
        demo.end()


def a_picture() -> bytes:
    """A photograph that the demo does not show: a gradient with a disc, as no other is."""
    picture = Image.radial_gradient("L").resize((320, 240)).convert("RGB")
    picture.paste((250, 200, 40), (40, 60, 120, 140))
    stream = BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def test_first_start(demo: Demo, data_folder: Path) -> None:
    demo.wait_for_output("Ctrl-C stops everything", seconds=240)
    output = demo.output
    assert f"at {demo.site}" in output
    assert "'a cup of coffee on a table' finds:\n" in output
    [first, *others] = re.findall(r"^  0\.\d+  (.+?)  http://\S+/images/\d+/$", output, re.M)
    assert first == "Espresso"
    assert len(others) == 2
    assert "manage.py createsuperuser" in output
    assert "PHOTOS=" in output

    assert b"<form" in demo.get("/")
    titles = [hit["image"]["title"] for hit in demo.search("a red motorcycle in a garage")]
    assert all(title.startswith("Motorcycle") for title in titles[:2]), titles

    uploaded = upload_as_staff(demo)
    assert uploaded["image"]["captions"]
    assert demo.process.poll() is None
    running = demo.processes()
    names = " ".join(one.command for one in running)
    assert "gunicorn" in names
    assert "celery" in names

    assert demo.interrupt() in {0, 2, 130, -signal.SIGINT}
    assert "Stopped." in demo.output
    assert not still_running(running)


def upload_as_staff(demo: Demo) -> dict[str, Any]:
    """Upload a picture as a person does, and return the hit that finds it."""
    subprocess.run(
        [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", "curator"],
        cwd=REPOSITORY,
        env={
            **environment(demo.data),
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            "DJANGO_SUPERUSER_EMAIL": "curator@example.org",
        },
        capture_output=True,
        check=True,
        timeout=60,
    )
    login = "/accounts/login/"
    token = demo.form_token(login)
    demo.post(login, files={}, csrfmiddlewaretoken=token, username="curator", password=PASSWORD)
    picture = a_picture()
    demo.post(
        "/upload/",
        files={"pictures": ("gradient.png", picture)},
        csrfmiddlewaretoken=demo.form_token("/upload/"),
        captions="a yellow square on a grey gradient",
        visibility="public",
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = json.loads(demo.post("/api/v1/search/", files={"image": ("ask.png", picture)}))
        best: dict[str, Any] = found["results"][0]
        if best["image"]["title"] == "gradient" and best["is_strong"]:
            return best
        time.sleep(0.5)
    raise AssertionError("The uploaded picture is not found." + demo.logs())


def test_second_start_repeats_nothing_and_ends_when_a_part_of_it_does(demo: Demo) -> None:
    began = time.monotonic()
    demo.wait_for_output("Ctrl-C stops everything", seconds=60)
    took = time.monotonic() - began
    assert took < 30, f"{took:.0f} seconds; it takes a few on a machine that does nothing else"
    assert "Importing" not in demo.output
    assert "Embedding" not in demo.output
    assert len(demo.search("an old silver coin")) == 5
    running = demo.processes()
    worker = max(one.pid for one in running if " worker " in one.command)
    os.kill(worker, signal.SIGKILL)
    assert demo.process.wait(30) != 0
    assert "The worker process has ended" in demo.output
    assert not still_running(running)


def test_a_port_in_use_is_said_before_any_work(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = subprocess.run(
            command(port),
            cwd=REPOSITORY,
            env=environment(tmp_path / "data"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode != 0
    [sentence] = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert f"Port {port} cannot be used" in sentence
    assert not (tmp_path / "data" / "db.sqlite3").exists()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    result = subprocess.run(
        command(free_port(), f"PHOTOS={tmp_path}/it's not here"),
        cwd=REPOSITORY,
        env=environment(tmp_path / "data"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode != 0
    assert "it's not here: there is no such file or folder" in result.stderr
    assert "Traceback" not in result.stderr
