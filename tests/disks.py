"""A disk that is soon full: a real one, of some megabytes, where this machine lets us mount one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """Mount a disk of this size; skips the test where that is not allowed."""
    place.mkdir(parents=True)
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("Only root may mount a small disk.")
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    done = subprocess.run([mount, *options], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"No small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        # Lazily: a file that a request still holds must not keep the test from ending.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path, *, but: int = 0) -> Path:
    """Fill a disk up to some bytes, and return the file that does so."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as stream:
        left = shutil.disk_usage(disk).free - but
        while left > 0 and (written := stream.write(b"\0" * min(left, 1 << 16))):
            left -= written
    return file


def files_on(disk: Path) -> set[str]:
    """Return the names of all files there, but for what fills it."""
    return {
        str(path.relative_to(disk))
        for path in disk.rglob("*")
        if path.is_file() and path.name != "filler"
    }
