"""Files on disk that are either whole or not there, and what is said when files are out of reach.

``gallery/bucket.py`` keeps them in a bucket instead.
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

from gallery.disk import full_disk_told, require_room
from mlcore.errors import ContextVisionError
from mlcore.i18n import Message

READERS = 8
"""Files that are read at a time: in a bucket each costs a wait of some milliseconds."""


class StorageUnavailableError(ContextVisionError):
    """The place where pictures are kept does not answer; whether a file exists is not known."""

    def __init__(self, what: str, hint: str, /, **params: Any) -> None:
        """``what`` and ``hint`` are codes; the first has a place for each of ``params``."""
        self.what = Message(what, params)
        self.hint = Message(hint)
        super().__init__("storage.unavailable", what=self.what, hint=self.hint)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (partial(type(self), **self.what.params), (self.what.code, self.hint.code))


@deconstructible(path="gallery.storage.AtomicFileSystemStorage")
class AtomicFileSystemStorage(FileSystemStorage):
    """Django's file storage, but a file appears under its name only when it is complete.

    Names are made from content hashes, so a name that is taken already holds the same bytes: it
    is replaced, never given a second name. Where the disk has no room for it, saving raises
    :class:`gallery.disk.DiskFullError`.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    @full_disk_told()
    def _save(self, name: str, content: "File[bytes]") -> str:
        target = Path(self.path(name))
        require_room(content.size, target)
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".tmp-")
        try:
            with os.fdopen(descriptor, "wb") as handle:
                for chunk in content.chunks():
                    handle.write(chunk)
                handle.flush()
                os.fsync(handle.fileno())
                os.fchmod(handle.fileno(), 0o644)
            os.replace(temporary, target)  # noqa: PTH105  (the pair of mkstemp above)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return name
