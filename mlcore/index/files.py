"""Index files: written whole or not at all, and verified before anything parses them."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from mlcore.errors import IndexFileError

TEMPORARY_PREFIX = ".tmp-"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What one file of an index directory must be: its size in bytes and its SHA-256 in hex."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Measure the file at ``path``. Raises OSError when it cannot be read."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return cls(bytes=stream.tell(), sha256=digest)


class HashingWriter:
    """A file that also measures what it was asked to write."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        self._stream.write(data)
        self._digest.update(data)
        self._size += len(data)
        return len(data)

    @property
    def record(self) -> FileRecord:
        return FileRecord(bytes=self._size, sha256=self._digest.hexdigest())


def write_file(path: Path, fill: Callable[[HashingWriter], object]) -> FileRecord:
    """Write a new file, bring it to the disk, and compare what reads back."""
    with path.open("xb") as stream:
        writer = HashingWriter(stream)
        fill(writer)
        stream.flush()
        os.fsync(stream.fileno())
    if FileRecord.of(path) != writer.record:
        raise IndexFileError("index.written_otherwise", file=path.name)
    return writer.record


def verify_file(directory: Path, name: str, expected: FileRecord | None) -> None:
    """Compare a file with its record (IndexFileError)."""
    path = directory / name
    try:
        # The size first: it costs nothing and catches every truncation.
        intact = (
            expected is not None
            and path.stat().st_size == expected.bytes
            and FileRecord.of(path) == expected
        )
    except OSError as error:
        raise IndexFileError(
            "index.file_unreadable", file=name, folder=str(directory), cause=reason_of(error)
        ) from error
    if not intact:
        raise damaged(directory, name)


def flush_directory(directory: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def damaged(directory: Path, name: str) -> IndexFileError:
    """Say that a file is not as it was written."""
    return IndexFileError("index.file_damaged", file=name, folder=str(directory))


def reason_of(error: OSError) -> str:
    """Say why the system refused, in a few words."""
    return error.strerror or type(error).__name__


def remove_stale_builds(root: Path, older_than_seconds: float) -> list[Path]:
    """Remove what killed builds left in ``root``: entries named ``.tmp-*``, and nothing else.

    An entry is removed when neither it nor a file in it was modified within
    ``older_than_seconds``; choose a time longer than any build, whose files are still growing.
    Returns the removed paths. A ``root`` that does not exist has nothing to remove.
    """
    removed = []
    for entry in sorted(root.glob(f"{TEMPORARY_PREFIX}*")):
        with suppress(FileNotFoundError):  # a build that ends just now renames its folder
            if time.time() - _last_modified(entry) < older_than_seconds:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
            removed.append(entry)
    return removed


def _last_modified(entry: Path) -> float:
    inside = entry.rglob("*") if entry.is_dir() and not entry.is_symlink() else ()
    return max(float(path.lstat().st_mtime) for path in (entry, *inside))
