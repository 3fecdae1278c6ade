"""Files below one folder or inside one zip archive, read without ever leaving it.

Names are relative, with ``/`` between their parts. Nothing is extracted, links are not followed,
and hidden files are as good as absent.
"""

import contextlib
import io
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from mlcore.errors import DatasetError, ImageRejectedError
from mlcore.i18n import Message
from mlcore.layouts.encodings import guess_name_encoding
from mlcore.metadata.sanitize import clean_line

_CHUNK = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:(/|$)")
_NAME_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What a data set may hold. The archive limits are checked before anything is unpacked."""

    max_file_bytes: int = 100 * 2**20
    """Of one picture; it guards memory. What is accepted as a picture ImageLimits decides."""
    max_listing_bytes: int = 512 * 2**20
    """Of a file of captions, which is read whole: COCO's largest holds 92 MB."""
    max_members: int = 50_000
    """Entries of a zip: Flickr30k has 31,783 pictures, Flickr8k zipped on a Mac 16,000 entries."""
    max_total_bytes: int = 8 * 2**30
    """Of a zip when unpacked: Flickr30k takes 4.4 GB."""
    max_ratio: float = 100.0
    """Unpacked over packed size of one entry. Pictures are near 1, text stays below 20."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing directly inside a folder."""

    name: str
    is_folder: bool


class Files(Protocol):
    """Where the files of a data set are."""

    def find(self, name: str) -> str | None:
        """Return the stored form of a safe name, or None if there is no such file."""

    def has_folder(self, name: str) -> bool:
        """Tell whether there is such a folder; "" is the top."""

    def entries(self, folder: str) -> list[Entry]:
        """List what is directly in a folder ("" is the top), by name; [] where it is missing."""

    def walk(self) -> Iterator[str]:
        """Yield the name of every file below, by name."""

    def problems(self) -> dict[str, Message]:
        """Places that :meth:`walk` did not enter, each with the reason; complete after it."""

    def head(self, name: str, count: int) -> bytes:
        """Return the first bytes of a file, fewer where it is shorter; raises as :meth:`read`."""

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return a file's bytes, or raise ImageRejectedError naming it and the reason."""

    def close(self) -> None:
        """Let go of open files."""


def display_name(name: str) -> str:
    """Return a name that can be printed, logged and stored: file names may hold any bytes."""
    return clean_line(os.fsencode(name).decode("utf-8", "replace"), _NAME_LENGTH)


def is_hidden(part: str) -> bool:
    """Tell whether one part of a name is left out: hidden, or what macOS adds to archives."""
    return part.startswith(".") or part == "__MACOSX"


def find_among(names: Container[str], name: str) -> str | None:
    """Return the spelling of a name that is stored, or None."""
    return next((spelled for spelled in _spellings(name) if spelled in names), None)


def entries_below(names: Iterable[str], folder: str) -> list[Entry]:
    """List what is directly in a folder, of the names of files alone."""
    prefix = f"{folder.rstrip('/')}/" if folder else ""
    found = set()
    for name in names:
        if name.startswith(prefix):
            first, slash, _ = name.removeprefix(prefix).partition("/")
            found.add(Entry(first, bool(slash)))
    return sorted(found, key=lambda entry: entry.name)


class FolderFiles:
    """Files below a folder on disk; those of ``skipped`` are as good as absent."""

    def __init__(self, root: Path, skipped: Container[str] = ()) -> None:
        # The folder itself may be reached through a link: its owner typed that name.
        self._root = root.resolve()
        self._skipped = skipped
        self._problems: dict[str, Message] = {}

    def find(self, name: str) -> str | None:
        for candidate in _spellings(name):
            with contextlib.suppress(OSError, ValueError):
                # Not through pathlib, which doubles the time of a data set of 100,000 pictures.
                is_folder = stat.S_ISDIR(os.lstat(f"{self._root}/{candidate}").st_mode)
                if not is_folder and candidate not in self._skipped:
                    return candidate
        return None

    def has_folder(self, name: str) -> bool:
        return (self._root / name).is_dir()

    def entries(self, folder: str) -> list[Entry]:
        prefix = f"{folder}/" if folder else ""
        with contextlib.suppress(OSError), os.scandir(self._root / folder) as found:
            return sorted(
                (
                    Entry(item.name, item.is_dir(follow_symlinks=False))
                    for item in found
                    if not is_hidden(item.name) and f"{prefix}{item.name}" not in self._skipped
                ),
                key=lambda entry: entry.name,
            )
        return []

    def walk(self) -> Iterator[str]:
        def note(error: OSError) -> None:
            folder = os.path.relpath(error.filename, self._root)
            self._problems[folder] = Message.of("file.folder_unreadable", cause=str(error.strerror))

        for folder, folders, files in os.walk(self._root, onerror=note):
            below = Path(folder).relative_to(self._root).as_posix()
            prefix = "" if below == "." else f"{below}/"
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            for name in folders:
                if Path(folder, name).is_symlink():
                    self._problems[f"{prefix}{name}"] = Message.of("file.link_to_folder")
            for name in sorted(files):
                path = f"{prefix}{name}"
                if not is_hidden(name) and path not in self._skipped:
                    yield path

    def problems(self) -> dict[str, Message]:
        return self._problems

    def head(self, name: str, count: int) -> bytes:
        return self._read(name, lambda file: file.read(count))

    def read(self, name: str, max_bytes: int) -> bytes:
        return self._read(name, lambda file: _read_at_most(file, name, max_bytes))

    def _read(self, name: str, take: Callable[[IO[bytes]], bytes]) -> bytes:
        try:
            with self._open(name) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise ImageRejectedError(display_name(name), "file.not_regular")
                return take(file)
        except FileNotFoundError:
            raise ImageRejectedError(display_name(name), "file.missing") from None
        except OSError as error:
            if self._passes_a_link(name):
                raise ImageRejectedError(display_name(name), "file.link") from None
            raise ImageRejectedError(
                display_name(name), "file.unreadable", cause=str(error.strerror)
            ) from None

    def local_path(self, name: str) -> Path | None:
        """Return where a file is on disk; None where a link leads there."""
        return None if self._passes_a_link(name) else self._root / name

    def close(self) -> None:
        return None

    def _open(self, name: str) -> IO[bytes]:
        """Open part by part, each relative to the one before, so that no link is ever passed."""
        *folders, last = name.split("/")
        with contextlib.ExitStack() as opened:

            def step(part: str, flags: int, inside: int | None) -> int:
                return os.open(part, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=inside)

            at = step(str(self._root), os.O_DIRECTORY, None)
            opened.callback(os.close, at)
            for folder in folders:
                at = step(folder, os.O_DIRECTORY | os.O_NOFOLLOW, at)
                opened.callback(os.close, at)
            # Without O_NONBLOCK a named pipe would be waited for.
            return os.fdopen(step(last, os.O_NOFOLLOW | os.O_NONBLOCK, at), "rb")

    def _passes_a_link(self, name: str) -> bool:
        path = self._root / name
        return any(p.is_symlink() for p in (path, *path.parents) if p != self._root)


class ZipFiles:
    """Files inside a zip archive, which is refused as a whole if it was built to do harm.

    Raises:
        DatasetError: not a zip, damaged, beyond the limits, or with entries that are encrypted,
            links, outside the archive, twice there or lying over one another. An entry that is
            packed in a strange way, or to a hundredth, is refused when it is read.
    """

    def __init__(self, path: Path, limits: SourceLimits) -> None:
        self._label = path.name
        self._max_ratio = limits.max_ratio
        with contextlib.ExitStack() as opened:
            try:
                file = opened.enter_context(_ModestReader(path, limits.max_members * 512))
                self._zip = opened.enter_context(zipfile.ZipFile(file))
            except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
                raise DatasetError(
                    "archive.unreadable", archive=path.name, cause=str(error)
                ) from error
            self._check_layout(limits)
            self._by_name = self._index()
            self._opened = opened.pop_all()

    def find(self, name: str) -> str | None:
        return find_among(self._by_name, name)

    def has_folder(self, name: str) -> bool:
        return not name or any(stored.startswith(f"{name}/") for stored in self._by_name)

    def entries(self, folder: str) -> list[Entry]:
        return entries_below(self._by_name, folder)

    def walk(self) -> Iterator[str]:
        return iter(sorted(self._by_name))

    def problems(self) -> dict[str, Message]:
        return {}

    def head(self, name: str, count: int) -> bytes:
        return self._read(name, lambda file: file.read(count))

    def read(self, name: str, max_bytes: int) -> bytes:
        return self._read(name, lambda file: _read_at_most(file, name, max_bytes))

    def _read(self, name: str, take: Callable[[IO[bytes]], bytes]) -> bytes:
        member = self._by_name.get(name)
        if member is None:
            raise ImageRejectedError(display_name(name), "file.missing")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ImageRejectedError(display_name(name), "file.method_in_archive")
        if member.file_size > self._max_ratio * max(member.compress_size, 1):
            raise ImageRejectedError(
                display_name(name), "file.ratio_in_archive", times=f"{self._max_ratio:g}"
            )
        try:
            with self._zip.open(member) as file:
                return take(file)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError):
            raise ImageRejectedError(display_name(name), "file.damaged_in_archive") from None

    def close(self) -> None:
        self._opened.close()

    def _check_layout(self, limits: SourceLimits) -> None:
        members = self._zip.infolist()
        if len(members) > limits.max_members:
            raise DatasetError(
                "archive.too_many_entries",
                archive=self._label,
                entries=len(members),
                limit=limits.max_members,
            )
        total = sum(member.file_size for member in members)
        if total > limits.max_total_bytes:
            raise DatasetError(
                "archive.too_large",
                archive=self._label,
                size=f"{total / 2**30:.1f}",
                limit=f"{limits.max_total_bytes / 2**30:.1f}",
            )
        end = 0
        for member in sorted(members, key=lambda member: member.header_offset):
            if member.header_offset < end:
                # The trick of archives that unpack one stretch of bytes thousands of times.
                raise DatasetError(
                    "archive.overlapping", archive=self._label, entry=_printed(member)
                )
            # A local header takes 30 bytes and the name, then come the packed bytes.
            end = member.header_offset + 30 + len(member.orig_filename) + member.compress_size
        if end > self._zip.start_dir:
            raise DatasetError("archive.over_contents", archive=self._label)

    def _index(self) -> dict[str, zipfile.ZipInfo]:
        by_name: dict[str, zipfile.ZipInfo] = {}
        encoding = _name_encoding(self._zip.infolist())
        for member in self._zip.infolist():
            name = _member_name(member, encoding).lstrip("/")
            parts = name.rstrip("/").split("/")
            if ".." in parts or _DRIVE.match(name):
                raise DatasetError("archive.outside", archive=self._label, entry=_printed(member))
            if any(is_hidden(part) for part in parts):
                continue
            if member.flag_bits & 0x1:
                raise DatasetError("archive.encrypted", archive=self._label)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DatasetError("archive.link", archive=self._label, entry=_printed(member))
            if name.endswith("/"):
                continue
            if name in by_name:
                raise DatasetError("archive.twice", archive=self._label, entry=_printed(member))
            by_name[name] = member
        return by_name


class _ModestReader(io.FileIO):
    """A file that refuses one huge read: zipfile takes in a table of contents of any size."""

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path, "rb")
        self._most = max(most, 2 * _CHUNK)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most:
            raise ValueError("its table of contents is too long")
        return super().read(size) or b""


def _read_at_most(file: IO[bytes], name: str, max_bytes: int) -> bytes:
    """Count the bytes as they come: what a directory or an archive says of a size may be a lie."""
    parts: list[bytes] = []
    count = 0
    while part := file.read(_CHUNK):
        count += len(part)
        if count > max_bytes:
            raise ImageRejectedError(
                display_name(name), "file.too_large", megabytes=round(max_bytes / 2**20)
            )
        parts.append(part)
    return b"".join(parts)


def _spellings(name: str) -> tuple[str, ...]:
    # macOS writes accented letters in file names as two characters, captions have them as one.
    if name.isascii():
        return (name,)
    return name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)


def _name_encoding(members: Iterable[zipfile.ZipInfo]) -> str:
    """Tell what the names are written in that do not say so; one program wrote them all."""
    raw = [_raw_name(member) for member in members if not member.flag_bits & 0x800]
    names = [name for name in raw if not name.isascii()]
    try:
        # Most programs wrote UTF-8 all the same.
        for name in names:
            name.decode("utf-8")
    except UnicodeDecodeError:
        return guess_name_encoding(names)
    return "utf-8"


def _raw_name(member: zipfile.ZipInfo) -> bytes:
    # Without the flag zipfile assumes code page 437, which every byte fits.
    return member.orig_filename.encode("cp437", "replace")


def _member_name(member: zipfile.ZipInfo, encoding: str = "utf-8") -> str:
    name = member.orig_filename
    if not member.flag_bits & 0x800:
        name = _raw_name(member).decode(encoding, "replace")
    # Only now: in Shift JIS the second byte of a character may be that of a backslash.
    return name.partition("\0")[0].replace("\\", "/")


def _printed(member: zipfile.ZipInfo) -> str:
    return display_name(_member_name(member))
