"""The folder in which backups lie: objects named by the SHA-256 of their bytes, and snapshots.

A snapshot lists the objects of one backup. It is written last and its name holds the hash of its
own bytes, so a backup that was interrupted has none, and what it had copied is found by the next.
An object is never changed, so snapshots share those that did not change between them.
"""

import fcntl
import gzip
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlcore.errors import ContextVisionError

FORMAT = 1
"""Version of the layout; a backup of a later one is refused."""

_CHUNK = 1024 * 1024
_SNAPSHOT = re.compile(r"(?P<made>\d{8}T\d{6}\.\d{6}Z)-(?P<digest>[0-9a-f]{16})\.json")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BackupError(ContextVisionError):
    """A backup cannot be made, is damaged, or cannot be brought back here."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of the repository."""

    digest: str
    bytes: int
    is_new: bool
    """Whether it was not there before."""


class Repository:
    """A folder of backups.

    Methods raise :class:`BackupError` where the folder cannot be read or written, and where an
    object is missing or its bytes are not those that were written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._objects = folder / "objects"
        self._snapshots = folder / "snapshots"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder where there is none, and keep it for this process meanwhile.

        Raises:
            BackupError: another backup into it is under way.
        """
        with told(self.folder):
            self._objects.mkdir(parents=True, exist_ok=True)
            self._snapshots.mkdir(exist_ok=True)
            # Who may read these files may read everything that the site holds.
            self.folder.chmod(0o700)
            lock = (self.folder / ".lock").open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise BackupError("backup.under_way", folder=str(self.folder)) from error
            with told(self.folder):
                for left_over in self._objects.glob(".tmp-*"):
                    left_over.unlink()
            yield

    def put(self, source: IO[bytes]) -> Stored:
        """Keep what a file holds; it is read back before it counts as kept."""
        digest, size = hashlib.sha256(), 0
        with told(self.folder):
            descriptor, name = tempfile.mkstemp(dir=self._objects, prefix=".tmp-")
            temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as sink:
                for chunk in iter(lambda: source.read(_CHUNK), b""):
                    digest.update(chunk)
                    size += len(chunk)
                    with told(self.folder):
                        sink.write(chunk)
                with told(self.folder):
                    sink.flush()
            found = digest.hexdigest()
            if self.holds(found, size):
                return Stored(found, size, is_new=False)
            with told(self.folder):
                if _digest_of(temporary) != found:
                    raise BackupError("backup.not_as_written", folder=str(self.folder))
                place = self._place(found)
                place.parent.mkdir(exist_ok=True)
                temporary.replace(place)
            return Stored(found, size, is_new=True)
        finally:
            temporary.unlink(missing_ok=True)

    def put_file(self, path: Path) -> Stored:
        """Keep a file of this machine, which is read only where it is known already."""
        with told(path), path.open("rb") as source:
            found, size = hashlib.file_digest(source, "sha256").hexdigest(), source.tell()
            if self.holds(found, size):
                return Stored(found, size, is_new=False)
            source.seek(0)
            return self.put(source)

    def holds(self, digest: str, size: int) -> bool:
        """Tell whether there is such an object, as far as its size tells."""
        try:
            return self._place(digest).stat().st_size == size
        except OSError:
            return False

    def read(self, digest: str) -> bytes:
        """Return a small object, of which every byte was compared."""
        with told(self._place(digest)):
            data = self._place(digest).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise BackupError("backup.damaged", object=str(self._place(digest)))
        return data

    def copy_to(self, digest: str, target: Path) -> None:
        """Write an object of any size into a file, whole or not at all."""
        with told(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".tmp-")
        temporary, written = Path(name), hashlib.sha256()
        try:
            with os.fdopen(descriptor, "wb") as sink, self._opened(digest) as source:
                for chunk in iter(lambda: source.read(_CHUNK), b""):
                    written.update(chunk)
                    with told(target):
                        sink.write(chunk)
                os.fchmod(sink.fileno(), 0o644)
            if written.hexdigest() != digest:
                raise BackupError("backup.damaged", object=str(self._place(digest)))
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def check(self, digest: str) -> bool:
        """Tell whether an object is there with the bytes of its name."""
        try:
            return _digest_of(self._place(digest)) == digest
        except OSError:
            return False

    def put_lines(self, values: Iterable[Any]) -> Stored:
        """Keep JSON values, one a line, packed; equal values make an equal object."""
        with tempfile.TemporaryFile() as packed:
            with gzip.GzipFile("", "wb", 1, packed, mtime=0) as lines:
                for value in values:
                    lines.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
            packed.seek(0)
            return self.put(packed)

    def lines(self, digest: str) -> Iterator[Any]:
        """Yield what :meth:`put_lines` kept."""
        for line in gzip.decompress(self.read(digest)).splitlines():
            yield json.loads(line)

    def snapshots(self) -> list[str]:
        """Name all complete backups, the newest last."""
        if not self._snapshots.is_dir():
            return []
        return sorted(
            path.stem for path in self._snapshots.iterdir() if _SNAPSHOT.fullmatch(path.name)
        )

    def snapshot(self, name: str | None = None) -> dict[str, Any]:
        """Read a backup's list of contents; the newest one's where none is named.

        Raises:
            BackupError: there is none, it is damaged, or of a later format.
        """
        known = self.snapshots()
        if not known:
            raise BackupError("backup.none_there", folder=str(self.folder))
        if name is not None and name not in known:
            raise BackupError("backup.not_there", name=name, known=known)
        name = name or known[-1]
        path = self._snapshots / f"{name}.json"
        with told(path):
            data = path.read_bytes()
        if not name.endswith(hashlib.sha256(data).hexdigest()[:16]):
            raise BackupError("backup.damaged", object=str(path))
        contents: dict[str, Any] = json.loads(data)
        if contents["format"] > FORMAT:
            raise BackupError("backup.later_format", name=name, release=contents["release"])
        return contents

    def add_snapshot(self, contents: dict[str, Any]) -> str:
        """Make what was put a backup, and return its name."""
        data = json.dumps({"format": FORMAT, **contents}, indent=1).encode()
        name = f"{contents['made_at']}-{hashlib.sha256(data).hexdigest()[:16]}"
        with told(self.folder):
            os.sync()  # once for all objects: a snapshot names nothing that a power cut can take
            temporary = self._snapshots / f".tmp-{name}"
            with temporary.open("wb") as sink:
                sink.write(data)
                sink.flush()
                os.fsync(sink.fileno())
            temporary.replace(self._snapshots / f"{name}.json")
            _sync_folder(self._snapshots)
        return name

    def prune(self, keep: int, named_by: Callable[[dict[str, Any]], Iterable[str]]) -> int:
        """Remove all but the newest backups, and what only those held; return how many objects.

        ``named_by`` yields the digest of every object that a snapshot needs.
        """
        names = self.snapshots()
        needed = {digest for name in names[-keep:] for digest in named_by(self.snapshot(name))}
        removed = 0
        with told(self.folder):
            for name in names[:-keep]:
                (self._snapshots / f"{name}.json").unlink()
            _sync_folder(self._snapshots)
            for path in self._objects.glob("*/*"):
                if _DIGEST.fullmatch(path.name) and path.name not in needed:
                    path.unlink()
                    removed += 1
        return removed

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise BackupError("backup.damaged", object=repr(digest))
        return self._objects / digest[:2] / digest

    @contextmanager
    def _opened(self, digest: str) -> Iterator[IO[bytes]]:
        place = self._place(digest)
        with told(place):
            source = place.open("rb")
        with source:
            yield source


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Put into words why a file of the repository, or one that is restored, cannot be used."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise BackupError("backup.file_fault", path=str(path), why=why) from error


def _digest_of(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
