"""Resumable uploads: files that arrive in parts, begun and continued where they stopped."""

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from gallery.disk import full_disk_told, require_room
from gallery.models import ResumableUpload
from gallery.uploads.ingest import upload_limits
from mlcore.errors import ContextVisionError
from mlcore.metadata.sanitize import clean_line

KEPT = timedelta(days=3)
"""After the last byte: long enough to go on after a week-end's outage, and to try an import's
failures again; short enough that a disk does not fill up with what was given up."""

_BLOCK = 1024 * 1024
ARCHIVES = (".zip", ".tar")


class Readable(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes: ...


class UploadRefusedError(ContextVisionError):
    """A file that is not accepted: empty, or too large."""


class UploadConflictError(ContextVisionError):
    """The bytes do not go on where the file stops, or somebody else is writing to it."""


@full_disk_told()
def begin(owner: User, name: str, size: int) -> ResumableUpload:
    """Make room for a file of which the parts follow.

    Raises:
        UploadRefusedError: it is larger than is accepted, or empty.
        DiskFullError: there is no room for it.
    """
    limit = _limit(name)
    called = clean_line(name, 100)
    if size <= 0:
        raise UploadRefusedError("upload.empty", name=called)
    if size > limit:
        raise UploadRefusedError("upload.too_large", name=called, limit=limit // settings.MEGABYTE)
    folder = Path(settings.TRANSFER_DIR)
    require_room(size, folder)
    folder.mkdir(parents=True, exist_ok=True)
    upload = ResumableUpload(owner=owner, name=_safe_name(name), size=size)
    upload.path.parent.mkdir()
    upload.path.touch()
    upload.save()
    return upload


@full_disk_told()
def append(upload: ResumableUpload, offset: int, body: Readable) -> int:
    """Add bytes to a file, from ``offset`` on; return how many have arrived then.

    A connection that breaks leaves what came through it, so the sender can go on from there.

    Raises:
        UploadConflictError: the file does not stop at ``offset``, or is being written to.
        UploadRefusedError: there are more bytes than were announced.
        DiskFullError: the disk is full; what was written before stays.
    """
    with upload.path.open("ab") as file, _alone(file):
        arrived = file.seek(0, os.SEEK_END)  # only now nobody else adds to it
        if arrived != offset:
            raise UploadConflictError("upload.wrong_offset", arrived=arrived, offset=offset)
        left = upload.size - offset
        while block := body.read(_BLOCK):
            if len(block) > left:
                raise UploadRefusedError("upload.more_than_announced")
            file.write(block)
            left -= len(block)
        return file.tell()


@contextlib.contextmanager
def _alone(file: IO[bytes]) -> Iterator[None]:
    """Keep other processes from writing to the file at the same time."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UploadConflictError("upload.busy") from error
    yield


def discard(upload: ResumableUpload) -> None:
    """Remove a file that is not wanted any more."""
    shutil.rmtree(upload.path.parent, ignore_errors=True)
    upload.delete()


def remove_stale() -> int:
    """Remove what has lain in the folder of transfers for longer than it is kept; count it."""
    oldest = (timezone.now() - KEPT).timestamp()
    stale = [folder for folder in _folders() if _touched(folder) < oldest]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    gone = [folder.name for folder in stale if _is_id(folder.name)]
    ResumableUpload.objects.filter(pk__in=gone).delete()
    return len(stale)


def _folders() -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [path for path in Path(settings.TRANSFER_DIR).iterdir() if path.is_dir()]
    return []


def _touched(folder: Path) -> float:
    """When anything in a folder was last written; it may be removed by another worker meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    return timezone.now().timestamp()


def _is_id(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return uuid.UUID(name).hex == name
    return False


def _limit(name: str) -> int:
    if name.lower().endswith(ARCHIVES):
        return int(settings.CONTEXTVISION_UPLOAD_MAX_ARCHIVE_BYTES)
    return upload_limits().max_bytes


def _safe_name(name: str) -> str:
    """Make a name that is one component of a path, whatever the sender calls the file."""
    line = clean_line(name.replace("\\", "/").rpartition("/")[2], 120).lstrip(".")
    return line.encode()[:180].decode(errors="ignore") or "upload"
