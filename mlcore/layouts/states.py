"""What lies in a folder, and what each file can be told by without being opened."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mlcore.errors import DatasetError
from mlcore.layouts.files import is_hidden


class FileState(NamedTuple):
    """What tells one content of a file from the next."""

    size: int
    """Bytes."""
    stamp: str
    """When it was changed, in nanoseconds; of an object in a bucket its ETag."""


class FolderListing:
    """Every regular file below a folder, hidden ones and links left out, folder by folder in the
    order of their names.

    Raises:
        DatasetError: the folder itself cannot be read, when the iteration begins.
    """

    def __init__(self, root: Path) -> None:
        self.unread: list[str] = []
        """Folders below that could not be read: what is in them is not known. Complete once all
        files were gone through."""
        self._root = root

    def __iter__(self) -> Iterator[tuple[str, FileState]]:
        return self._below("")

    def _below(self, folder: str) -> Iterator[tuple[str, FileState]]:
        # os.walk would ask for each file's state once more: a round trip each on a network share.
        try:
            with os.scandir(self._root / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not folder:
                raise DatasetError(
                    "source.folder_unreadable", path=self._root.name, cause=str(error.strerror)
                ) from error
            self.unread.append(folder)
            return
        for entry in entries:
            if is_hidden(entry.name):
                continue
            name = f"{folder}{entry.name}"
            try:
                if entry.is_dir(follow_symlinks=False):
                    yield from self._below(f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    state = entry.stat(follow_symlinks=False)
                    yield name, FileState(state.st_size, str(state.st_mtime_ns))
            except FileNotFoundError:
                continue  # gone since the folder was read
            except OSError:
                self.unread.append(name)


def state_of(root: Path, name: str) -> FileState | None:
    """Look at one file again; None where it is not there any more, or cannot be seen."""
    try:
        state = os.lstat(root / name)
    except OSError:
        return None
    return FileState(state.st_size, str(state.st_mtime_ns))
