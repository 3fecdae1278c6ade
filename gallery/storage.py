"""Files on disk that are either whole or not there, and what is said when files are out of reach.

``gallery/bucket.py`` keeps them in a bucket instead.
"""

import os
import tempfile
from pathlib import Path

from django.core.files import File
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

from mlcore.errors import ContextVisionError

READERS = 8
"""Files that are read at a time: in a bucket each costs a wait of some milliseconds."""


class StorageUnavailableError(ContextVisionError):
    """The place where pictures are kept does not answer; whether a file exists is not known."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what} {hint}")
        self.what = what
        self.hint = hint


@deconstructible(path="gallery.storage.AtomicFileSystemStorage")
class AtomicFileSystemStorage(FileSystemStorage):
    """Django's file storage, but a file appears under its name only when it is complete.

    Names are made from content hashes, so a name that is taken already holds the same bytes: it
    is replaced, never given a second name.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: "File[bytes]") -> str:
        target = Path(self.path(name))
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
