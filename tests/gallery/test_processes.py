"""Programs that are started together end together, with everything they started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gallery.demo import processes
from gallery.demo.processes import ProgramGroup
from tests.process_tree import PROC, Running, descendants, still_running

pytestmark = pytest.mark.skipif(not PROC.is_dir(), reason="reads processes from /proc")

OBEDIENT = "import time; print('started', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + OBEDIENT
PARENT_OF_STUBBORN = (
    f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]);" + OBEDIENT
)

STOPPING = """
import sys, time
from pathlib import Path
from gallery.demo.processes import ProgramGroup
group = ProgramGroup(Path(sys.argv[1]))
group.start("one", [sys.executable, "-c", sys.argv[2]], cwd=Path.cwd())
while "started" not in group.programs[0].log.read_text():
    time.sleep(0.02)
print("stopping", flush=True)
group.stop()
"""
"""Starts a program that does not obey, and stops it with the full patience."""


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.5)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[ProgramGroup]:
    with ProgramGroup(tmp_path) as group:
        yield group


def start(group: ProgramGroup, name: str, code: str, *, lines: int = 1) -> None:
    """Start a program and wait until it and what it starts are there."""
    before = descendants(os.getpid())
    group.start(name, [sys.executable, "-c", code], cwd=Path.cwd())
    deadline = time.monotonic() + 20
    while len(descendants(os.getpid()) - before) < lines or not _said(group, name, lines):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _said(group: ProgramGroup, name: str, lines: int) -> bool:
    [program] = [one for one in group.programs if one.name == name]
    return program.log.read_text().count("started") >= lines


def children() -> set[Running]:
    return {one for one in descendants(os.getpid()) if "started" in one.command}


def test_all_are_stopped(group: ProgramGroup) -> None:
    start(group, "one", OBEDIENT)
    start(group, "two", OBEDIENT)
    running = children()
    assert len(running) == 2
    began = time.monotonic()
    group.stop()
    assert time.monotonic() - began < 0.5, "who obeys is not waited for"
    assert not still_running(running, seconds=0)


def test_a_program_that_does_not_obey_is_killed(group: ProgramGroup) -> None:
    start(group, "one", STUBBORN)
    running = children()
    group.stop()
    assert not still_running(running)


def test_what_a_program_started_is_stopped_with_it(group: ProgramGroup) -> None:
    start(group, "one", PARENT_OF_STUBBORN, lines=2)
    running = children()
    assert len(running) == 2
    group.stop()
    assert not still_running(running)


def test_a_second_interrupt_ends_the_waiting(tmp_path: Path) -> None:
    # In a process of its own: what runs the tests may answer an interrupt in its own way.
    stopping = subprocess.Popen(
        [sys.executable, "-c", STOPPING, str(tmp_path), STUBBORN], stdout=subprocess.PIPE
    )
    try:
        assert stopping.stdout is not None
        assert stopping.stdout.readline() == b"stopping\n"
        running = {one for one in descendants(stopping.pid) if "started" in one.command}
        assert len(running) == 1
        time.sleep(0.3)  # until it waits
        stopping.send_signal(signal.SIGINT)
        assert stopping.wait(10) == 0
        assert not still_running(running)
    finally:
        stopping.kill()
        stopping.communicate()


def test_one_that_ends_is_noticed_and_its_last_words_are_kept(group: ProgramGroup) -> None:
    start(group, "well", OBEDIENT)
    assert group.ended() is None
    group.start("ill", [sys.executable, "-c", "print('no memory'); exit(7)"], cwd=Path.cwd())
    group.programs[-1].process.wait(20)
    ended = group.ended()
    assert ended is not None
    assert (ended.name, ended.process.returncode) == ("ill", 7)
    assert ended.last_lines() == "  no memory"


def test_nothing_is_left_when_a_later_one_cannot_be_started(tmp_path: Path) -> None:
    seen: set[Running] = set()

    def start_two() -> None:
        with ProgramGroup(tmp_path) as group:
            start(group, "one", OBEDIENT)
            seen.update(children())
            group.start("two", [str(tmp_path / "no such program")], cwd=Path.cwd())

    with pytest.raises(FileNotFoundError):
        start_two()
    assert len(seen) == 1
    assert not still_running(seen, seconds=0)


def test_leaves_alone_what_it_did_not_start(group: ProgramGroup) -> None:
    other = subprocess.Popen([sys.executable, "-c", OBEDIENT], stdout=subprocess.DEVNULL)
    try:
        start(group, "one", OBEDIENT)
        group.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
