"""Milvus servers for the tests: the light double and the real one, both on 127.0.0.1 alone."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

import pytest

START_SECONDS = 120

LOGIN = "root:Milvus"
"""What a new Milvus is opened with; the double takes any."""


class MilvusServer(Protocol):
    """A server that tests can stop and start again at the same address."""

    @property
    def uri(self) -> str: ...

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def processes(self) -> list[int]:
        """Ids of the processes that do the server's work."""


class LiteServer:
    """milvus-lite in a process of its own: the protocol of Milvus over FAISS, in Python."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"milvus://{LOGIN}@127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self._folder)]
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        log = self._folder.with_suffix(".log").open("ab")
        self._process = subprocess.Popen([*command, *address], stdout=log, stderr=log)
        log.close()
        _wait_for_port(self.port)
        _wait_for_calls(self.port)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def processes(self) -> list[int]:
        return [self._process.pid] if self._process else []


class RealServer:
    """Milvus 2.3.5 standalone from the ``milvus`` wheel, in a network of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"milvus://{LOGIN}@127.0.0.1:{self.port}"

    def start(self) -> None:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen()
            box = ["unshare", "--net", "--pid", "--fork", "--kill-child"]
            if os.geteuid() != 0:
                box += ["--user", "--map-root-user"]
            inner = Path(__file__).with_name("boxed_milvus.py")
            command = [sys.executable, str(inner), str(self._folder), str(listener.fileno())]
            log = self._folder.with_suffix(".log").open("ab")
            self._process = subprocess.Popen(
                [*box, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[listener.fileno()],
            )
            log.close()
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"Milvus did not start; see {self._folder.with_suffix('.log')}.")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def processes(self) -> list[int]:
        return _descendants(self._process.pid) if self._process else []


def server_of(engine: str, folder: Path) -> MilvusServer:
    """A server that is not started yet; skips where this machine cannot run it."""
    if engine == "milvus-lite":
        return LiteServer(folder)
    if importlib.util.find_spec("milvus") is None:
        pytest.skip("needs the real server: pip install milvus==2.3.5")
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare (Debian package: util-linux): the server listens everywhere")
    return RealServer(folder)


def _descendants(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return [pid for child in map(int, children.split()) for pid in [child, *_descendants(child)]]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_calls(port: int) -> None:
    """Wait until calls are answered, which on a busy machine comes long after the port is open."""
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=START_SECONDS)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"Nothing listens on port {port} after {START_SECONDS} seconds.")
