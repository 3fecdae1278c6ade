"""Room on the disks of this machine: asked for before anything is written, and told in words.

A part of each disk, ``CONTEXTVISION_DISK_RESERVE_MB``, is never filled by what comes in: database,
queue and log need it to go on, and pictures can still be deleted.
"""

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage

from mlcore.errors import ContextVisionError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_POSTGRES_DISK_FULL = "53100"
_SOON = 4
"""Times the reserve: with less than that free, somebody should look for room."""


class DiskFullError(ContextVisionError):
    """There is no room for what was to be written; nothing of it is kept."""

    def __init__(self) -> None:
        super().__init__("disk.full")

    def __reduce__(self) -> tuple[type["DiskFullError"], tuple[()]]:
        return (type(self), ())


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on a disk, in bytes."""

    free: int

    @property
    def is_full(self) -> bool:
        """Whether nothing is taken in any more."""
        return self.free < settings.CONTEXTVISION_DISK_RESERVE_BYTES

    @property
    def is_low(self) -> bool:
        """Whether that is soon so."""
        return self.free < _SOON * settings.CONTEXTVISION_DISK_RESERVE_BYTES


def require_room(size: int, folder: str | PathLike[str]) -> None:
    """Make sure that so many bytes can be written to a folder, and the reserve stays free.

    Raises:
        DiskFullError: they cannot.
    """
    if Room(_free_in(folder) - size).is_full:
        raise DiskFullError


def require_room_for_pictures(size: int) -> None:
    """As :func:`require_room`, where pictures are kept; a bucket says itself what it takes."""
    if isinstance(default_storage, FileSystemStorage):
        require_room(size, default_storage.location)


def least_room() -> Room:
    """Return what is free on the fullest disk that this program writes to."""
    return Room(min(map(_free_in, written_folders())))


def written_folders() -> list[Path]:
    """Return the folders of the settings to which files are written."""
    folders: list[str | PathLike[str]] = [
        settings.INDEX_DIR,
        settings.MODELS_DIR,
        settings.TRANSFER_DIR,
    ]
    if isinstance(default_storage, FileSystemStorage):
        folders.append(default_storage.location)
    return [Path(folder) for folder in folders]


def existing(folder: str | PathLike[str]) -> Path:
    """Return the folder, or the nearest one above it in which it will be made."""
    path = Path(folder)
    return next(place for place in (path, *path.parents) if place.exists())


def disk_full(error: BaseException | None) -> DiskFullError | None:
    """Return what an error of the system or of the database tells of a full disk; nothing where it
    is about something else."""
    while error is not None and not isinstance(error, ContextVisionError):
        if (
            (isinstance(error, OSError) and error.errno in _FULL)
            or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            or getattr(error, "sqlstate", None) == _POSTGRES_DISK_FULL
        ):
            return DiskFullError()
        error = error.__cause__
    return error if isinstance(error, DiskFullError) else None


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Stand around what writes files: a disk that is full is a :class:`DiskFullError` then."""
    try:
        yield
    except OSError as error:
        if full := disk_full(error):
            raise full from error
        raise


def _free_in(folder: str | PathLike[str]) -> int:
    return shutil.disk_usage(existing(folder)).free
