"""Files inside a tar archive, read where they lie: nothing is unpacked, little is remembered."""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from mlcore.errors import DatasetError, ImageRejectedError
from mlcore.i18n import Message
from mlcore.layouts.files import Entry, display_name, entries_below, find_among, is_hidden


class TarFiles:
    """Files inside a tar that is not compressed, such as the shards of WebDataset.

    Only the place of each file is kept: some 200 bytes, whatever it holds.

    Raises:
        DatasetError: not a tar, compressed, damaged, or with a name that leads outside.
    """

    def __init__(self, path: Path) -> None:
        self._problems: dict[str, Message] = {}
        self._places: dict[str, tuple[int, int]] = {}
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise DatasetError(
                "archive.unreadable", archive=path.name, cause=str(error.strerror)
            ) from error
        try:
            self._index(path)
        except BaseException:
            self._file.close()
            raise

    def find(self, name: str) -> str | None:
        return find_among(self._places, name)

    def has_folder(self, name: str) -> bool:
        return not name or any(stored.startswith(f"{name}/") for stored in self._places)

    def entries(self, folder: str) -> list[Entry]:
        return entries_below(self._places, folder)

    def walk(self) -> Iterator[str]:
        # In the order of the archive: whoever reads on reads the disk from front to back.
        return iter(self._places)

    def problems(self) -> dict[str, Message]:
        return self._problems

    def head(self, name: str, count: int) -> bytes:
        return self._read(name, count)

    def read(self, name: str, max_bytes: int) -> bytes:
        size = self._places.get(name, (0, 0))[1]
        if size > max_bytes:
            raise ImageRejectedError(
                display_name(name), "file.too_large", megabytes=round(max_bytes / 2**20)
            )
        data = self._read(name, size)
        if len(data) < size:
            raise ImageRejectedError(display_name(name), "file.damaged_in_archive")
        return data

    def close(self) -> None:
        self._file.close()

    def _read(self, name: str, count: int) -> bytes:
        place = self._places.get(name)
        if place is None:
            raise ImageRejectedError(display_name(name), "file.missing")
        # At a place of its own, so that threads may read side by side.
        return os.pread(self._file.fileno(), min(count, place[1]), place[0])

    def _index(self, path: Path) -> None:
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as archive:
                for member in archive:
                    archive.members.clear()  # type: ignore[attr-defined]  # or it keeps them all
                    self._note(member, path)
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            if tarfile.is_tarfile(path) and not self._places:
                raise DatasetError("archive.compressed_tar", archive=path.name) from error
            if not self._places:
                raise DatasetError(
                    "archive.unreadable", archive=path.name, cause=str(error)
                ) from error
            # Cut off: what was whole until there is read.
            self._problems[path.name] = Message.of("archive.cut_off")

    def _note(self, member: tarfile.TarInfo, path: Path) -> None:
        name = member.name.removeprefix("./").lstrip("/")
        parts = name.split("/")
        if ".." in parts:
            entry = display_name(name)
            raise DatasetError("archive.outside", archive=path.name, entry=entry)
        if not name or any(is_hidden(part) for part in parts) or member.isdir():
            return
        if not member.isreg() or member.issparse():
            self._problems[name] = Message.of("file.link")
            return
        self._places[name] = (member.offset_data, member.size)
