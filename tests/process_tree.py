"""Which processes belong to one that was started, for tests that prove that none is left."""

import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Running:
    """A process; the time of its start tells it from a later one of the same number."""

    pid: int
    started: str
    command: str


def _facts(pid: int) -> tuple[int, Running] | None:
    """Read the number of the parent, and the process itself; nothing where it has ended."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        command = (PROC / str(pid) / "cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return None
    state, parent, started = fields[0], int(fields[1]), fields[19]
    return None if state == "Z" else (parent, Running(pid, started, command))


def descendants(pid: int) -> set[Running]:
    """Find everything that was started by this process, directly or not."""
    everything = [
        facts
        for entry in PROC.iterdir()
        if entry.name.isdecimal() and (facts := _facts(int(entry.name)))
    ]
    found: dict[int, Running] = {}
    while True:
        more = {
            process.pid: process
            for parent, process in everything
            if process.pid not in found and (parent == pid or parent in found)
        }
        if not more:
            return set(found.values())
        found |= more


def still_running(processes: set[Running], *, seconds: float = 2.0) -> set[Running]:
    """Give processes that were killed a moment to vanish, and return those that did not."""
    deadline = time.monotonic() + seconds
    while True:
        left = {
            one
            for one in processes
            if (facts := _facts(one.pid)) and facts[1].started == one.started
        }
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)
