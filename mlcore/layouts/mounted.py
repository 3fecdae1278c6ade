"""A folder together with the archives that lie in it, each seen as a folder of its own."""

from collections.abc import Iterator, Mapping

from mlcore.i18n import Message
from mlcore.layouts.files import Entry, Files


class MountedFiles:
    """Files of a folder and of archives in it: ``00000.tar/000001.jpg``, ``images.zip/1.jpg``."""

    def __init__(self, files: Files, archives: Mapping[str, Files]) -> None:
        """``archives`` by their names in ``files``."""
        self._files = files
        self._archives = dict(archives)

    def find(self, name: str) -> str | None:
        archive, inside = self._split(name)
        if archive is None:
            return self._files.find(name)
        found = self._archives[archive].find(inside)
        return None if found is None else f"{archive}/{found}"

    def has_folder(self, name: str) -> bool:
        archive, inside = self._split(f"{name}/")
        if archive is None:
            return self._files.has_folder(name)
        return self._archives[archive].has_folder(inside.rstrip("/"))

    def entries(self, folder: str) -> list[Entry]:
        archive, inside = self._split(f"{folder}/" if folder else "")
        if archive is not None:
            return self._archives[archive].entries(inside.rstrip("/"))
        prefix = f"{folder}/" if folder else ""
        return [
            Entry(entry.name, entry.is_folder or f"{prefix}{entry.name}" in self._archives)
            for entry in self._files.entries(folder)
        ]

    def walk(self) -> Iterator[str]:
        for name in self._files.walk():
            if name in self._archives:
                yield from (f"{name}/{inside}" for inside in self._archives[name].walk())
            else:
                yield name

    def problems(self) -> dict[str, Message]:
        found = dict(self._files.problems())
        for archive, files in self._archives.items():
            found.update({f"{archive}/{name}": why for name, why in files.problems().items()})
        return found

    def head(self, name: str, count: int) -> bytes:
        archive, inside = self._split(name)
        if archive is None:
            return self._files.head(name, count)
        return self._archives[archive].head(inside, count)

    def read(self, name: str, max_bytes: int) -> bytes:
        archive, inside = self._split(name)
        if archive is None:
            return self._files.read(name, max_bytes)
        return self._archives[archive].read(inside, max_bytes)

    def close(self) -> None:
        for files in self._archives.values():
            files.close()
        self._files.close()

    def _split(self, name: str) -> tuple[str | None, str]:
        """Part a name into an archive and what is in it; no archive where it is in none."""
        at = name.find("/")
        while at >= 0:
            if name[:at] in self._archives:
                return name[:at], name[at + 1 :]
            at = name.find("/", at + 1)
        return None, name
