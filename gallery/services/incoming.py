"""Files that arrive in parts: begun, continued where they stopped, and taken in when complete."""

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext

from gallery.models import IncomingFile, Job
from gallery.services import jobs
from gallery.uploads import Destination, upload_limits
from mlcore.errors import ContextVisionError
from mlcore.text import clean_line

KEPT = timedelta(days=3)
"""After the last byte: long enough to go on after a week-end's outage, and to try an import's
failures again; short enough that a disk does not fill up with what was given up."""
SPARE_BYTES = 512 * 2**20
"""Room that an archive has to leave on the disk: the database and the queue need it to go on."""

_BLOCK = 1024 * 1024
ARCHIVE = ".zip"


class Readable(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes: ...


class IncomingRefusedError(ContextVisionError):
    """A file that is not accepted: too large, or there is no room for it."""


class IncomingConflictError(ContextVisionError):
    """The bytes do not go on where the file stops, or somebody else is writing to it."""


def begin(owner: User, name: str, size: int) -> IncomingFile:
    """Make room for a file of which the parts follow.

    Raises:
        IncomingRefusedError: it is larger than is accepted, empty, or the disk is too full.
    """
    limit = _limit(name)
    if not 0 < size <= limit:
        what = (
            gettext("The file is empty.")
            if size <= 0
            else gettext("At most %(limit)d MB.") % {"limit": limit // settings.MEGABYTE}
        )
        raise IncomingRefusedError(f"{clean_line(name, 100)}: {what}")
    folder = Path(settings.TRANSFER_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free - size < SPARE_BYTES:
        raise IncomingRefusedError(
            gettext("%(name)s: there is not enough room on the server’s disk for it.")
            % {"name": clean_line(name, 100)}
        )
    incoming = IncomingFile(owner=owner, name=_safe_name(name), size=size)
    incoming.path.parent.mkdir()
    incoming.path.touch()
    incoming.save()
    return incoming


def append(incoming: IncomingFile, offset: int, body: Readable) -> int:
    """Add bytes to a file, from ``offset`` on; return how many have arrived then.

    A connection that breaks leaves what came through it, so the sender can go on from there.

    Raises:
        IncomingConflictError: the file does not stop at ``offset``, or is being written to.
        IncomingRefusedError: there are more bytes than were announced.
    """
    with incoming.path.open("ab") as file, _alone(file):
        arrived = file.seek(0, os.SEEK_END)  # only now nobody else adds to it
        if arrived != offset:
            raise IncomingConflictError(f"The file goes on at byte {arrived}, not {offset}.")
        left = incoming.size - offset
        while block := body.read(_BLOCK):
            if len(block) > left:
                raise IncomingRefusedError(gettext("There are more bytes than were announced."))
            file.write(block)
            left -= len(block)
        return file.tell()


@contextlib.contextmanager
def _alone(file: IO[bytes]) -> Iterator[None]:
    """Keep other processes from writing to the file at the same time."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise IncomingConflictError(
            gettext("The file is being written to by another request.")
        ) from error
    yield


def discard(incoming: IncomingFile) -> None:
    """Remove a file that is not wanted any more."""
    shutil.rmtree(incoming.path.parent, ignore_errors=True)
    incoming.delete()


def import_archive(
    incoming: IncomingFile, destination: Destination, captions: tuple[str, ...] = ()
) -> Job:
    """Queue the import of a complete archive. It is kept for a while: failures may be retried."""
    params = {
        "path": str(incoming.path),
        "collection": destination.collection.name if destination.collection else "",
        "tags": [tag.name for tag in destination.tags],
        "visibility": destination.visibility,
        "user": incoming.owner_id,
        "captions": list(captions),
    }
    # Asked twice, because the answer was lost, it is imported once.
    return jobs.start(
        Job.Kind.IMPORT, params, user=destination.uploader, key=f"file {incoming.pk.hex}"
    )


def remove_stale() -> int:
    """Remove what has lain in the folder of transfers for longer than it is kept; count it."""
    oldest = (timezone.now() - KEPT).timestamp()
    stale = [folder for folder in _folders() if _touched(folder) < oldest]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    gone = [folder.name for folder in stale if _is_id(folder.name)]
    IncomingFile.objects.filter(pk__in=gone).delete()
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
    if PurePosixPath(name).suffix.lower() == ARCHIVE:
        return int(settings.CONTEXTVISION_UPLOAD_MAX_ARCHIVE_BYTES)
    return upload_limits().max_bytes


def _safe_name(name: str) -> str:
    """Make a name that is one component of a path, whatever the sender calls the file."""
    line = clean_line(name.replace("\\", "/").rpartition("/")[2], 120).lstrip(".")
    return line.encode()[:180].decode(errors="ignore") or "upload"
