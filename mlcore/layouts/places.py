"""Where a picture is that a listing names: the same place, or the one place that fits."""

import posixpath
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from urllib.parse import unquote

from mlcore.i18n import Message
from mlcore.layouts.files import Files

MISSING = Message.of("file.missing")
OUTSIDE = Message.of("file.outside")


class Places:
    """Finds listed names below a data set, and never outside of it."""

    def __init__(self, files: Files, folders: Iterable[str]) -> None:
        self._files = files
        # A data set of 100,000 pictures is not asked for in five folders that are not there.
        self._folders = [folder for folder in folders if files.has_folder(folder.rstrip("/"))]

    def find(self, listed: str) -> tuple[str | None, Message | None]:
        """Return the path of a listed picture, or the reason why there is none.

        Tried are the name as it stands; of an absolute one its last parts; then the one file whose
        name is the same but for upper case, escapes of addresses, or a suffix that was left out.
        """
        name = listed.replace("\\", "/").strip()
        if "\0" in name or ".." in name.split("/"):
            return None, OUTSIDE
        absolute = name.startswith("/") or name[1:2] == ":" or "://" in name
        for candidate in _tails(name) if absolute else (name,):
            for folder in self._folders:
                path = self._files.find(posixpath.normpath(posixpath.join(folder, candidate)))
                if path is not None:
                    return path, None
        path = self._alike(name) or self._alike(unquote(name))
        if path is not None:
            return path, None
        return None, OUTSIDE if absolute else MISSING

    def _alike(self, name: str) -> str | None:
        wanted = _fold(name).strip("/")
        found = self._by_last_part.get(wanted.rpartition("/")[2], [])
        if not found:
            return None
        # The more of the folders above agree, the better; only one may fit best.
        ranked = sorted(found, key=lambda path: _agreement(path, wanted), reverse=True)
        best = _agreement(ranked[0], wanted)
        fitting = [path for path in ranked if _agreement(path, wanted) == best]
        if len(fitting) > 1:
            listed = [path for path in fitting if posixpath.dirname(path) in self._listed]
            fitting = listed or fitting
        return fitting[0] if len(fitting) == 1 else None

    @cached_property
    def _listed(self) -> set[str]:
        return {folder.rstrip("/") for folder in self._folders}

    @cached_property
    def _by_last_part(self) -> dict[str, list[str]]:
        """Paths by the folded last part of their name, with and without its suffix."""
        found: dict[str, list[str]] = {}
        for path in self._files.walk():
            last = _fold(path).rpartition("/")[2]
            for key in {last, posixpath.splitext(last)[0]}:
                found.setdefault(key, []).append(path)
        return found


def _tails(name: str) -> Iterator[str]:
    """Yield the last parts of an absolute name, the most of them first."""
    parts = [part for part in name.split("/") if part and part != "."]
    for at in range(len(parts)):
        yield "/".join(parts[at:])


def _agreement(path: str, wanted: str) -> int:
    """Count the folders above that two names have in common, from the file upwards."""
    count = 0
    pairs = zip(
        reversed(_fold(path).split("/")[:-1]), reversed(wanted.split("/")[:-1]), strict=False
    )
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
