"""The processes of a site, which are started again when they die, and a hand that kills them."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.process_tree import descendants
from tests.services import REPOSITORY

LOOK_INTERVAL = 0.5
"""Seconds between two looks whether all run, as a service manager looks."""


@dataclass
class Supervised:
    """A program that is started anew whenever it has ended."""

    name: str
    command: Sequence[str]
    variables: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def keep_up(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                list(self.command),
                cwd=REPOSITORY,
                env=dict(self.variables),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that all it starts dies with it, as in a container
            )
        self.starts += 1

    def kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class Site:
    """gunicorn, two workers and a Redis of their own, on a database that is there."""

    folder: Path
    port: int
    redis_port: int
    variables: Mapping[str, str]
    programs: dict[str, Supervised] = field(default_factory=dict)
    kills: "Counter[str]" = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._hand = threading.Lock()
        python = [sys.executable, "-m"]
        web = [*python, "gunicorn", "--config=python:contextvision_site.gunicorn"]
        worker = [*python, "celery", "--app", "contextvision_site", "worker", "--pool", "threads"]
        worker += ["--concurrency", "2", "--queues", "default,embed,train", "--hostname"]
        commands = {
            "redis": ["redis-server", "--port", str(self.redis_port), "--save", ""],
            "web": [*web, f"--bind=127.0.0.1:{self.port}"],
            "worker 1": [*worker, "w1@soak"],
            "worker 2": [*worker, "w2@soak"],
        }
        for name, command in commands.items():
            log = self.folder / f"{name}.log"
            self.programs[name] = Supervised(name, command, self.variables, log)
        self._keeper = threading.Thread(target=self._keep_up, daemon=True)

    def start(self) -> None:
        self._keeper.start()

    def stop(self) -> None:
        self._ended.set()
        self._keeper.join()
        for program in reversed(self.programs.values()):
            program.stop()

    def kill_one(self, draw: random.Random, cut_connections: Callable[[], None]) -> str:
        """Kill something, and return what."""
        victims = [*self.programs, "process of the web server", "connections of the database"]
        victim = draw.choice(victims)
        with self._hand:
            if victim in self.programs:
                self.programs[victim].kill()
            elif victim.startswith("connections"):
                cut_connections()
            else:
                self._kill_a_child_of("web")
        self.kills[victim] += 1
        return victim

    def memory_of_web(self) -> int:
        """Bytes that the web server's processes hold."""
        process = self.programs["web"].process
        pids = [each.pid for each in descendants(process.pid)] if process else []
        return sum(_resident(pid) for pid in pids)

    def _kill_a_child_of(self, name: str) -> None:
        process = self.programs[name].process
        for child in descendants(process.pid) if process else ():
            if "gunicorn" in child.command:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)

    def _keep_up(self) -> None:
        while not self._ended.is_set():
            with self._hand:
                for program in self.programs.values():
                    program.keep_up()
            time.sleep(LOOK_INTERVAL)


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
