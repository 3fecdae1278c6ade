"""Where the pictures of a source are: a folder of the server, or the prefix of a bucket.

Both are followed by listing them again and again, which works on network shares as well.
"""

import time
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from django.conf import settings

from gallery.models.sync import sync_roots
from mlcore.errors import ContextVisionError, ImageRejectedError
from mlcore.i18n import Message
from mlcore.layouts import Chosen, Source, open_files, open_source
from mlcore.layouts.files import Entry, display_name, entries_below, find_among, is_hidden
from mlcore.layouts.states import FileState, FolderListing, state_of

if TYPE_CHECKING:
    from gallery.bucket import BucketStorage

SCHEME = "s3://"
QUIET = 5.0
"""Seconds for which a file must not change before it is taken: nobody writes to it any more."""
_PAUSE = 0.5


class SyncError(ContextVisionError):
    """A source cannot be followed."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a place."""

    files: Mapping[str, FileState]
    unread: tuple[str, ...] = ()
    """What could not be looked into; folders end with a slash. Whether a file below one of these
    is still there is not known."""


class Place(Protocol):
    """What a source follows."""

    def contents(self) -> Contents:
        """List it."""

    def growing(self, files: Mapping[str, FileState], stop: Callable[[], bool]) -> frozenset[str]:
        """Wait a moment, unless ``stop`` says otherwise, and name those that have changed since."""

    def open(self, contents: Contents, chosen: Chosen, skipped: Container[str]) -> Source:
        """Open it as a data set without the files that are ``skipped``; raises as open_source."""


def place_at(address: str) -> Place:
    """Return the place of an address.

    Raises:
        SyncError: a bucket's, and the packages for buckets are not installed; or a folder that a
            link leads out of meanwhile.
    """
    if address.startswith(SCHEME):
        if find_spec("storages") is None:
            raise SyncError("sync.no_buckets")
        return _Bucket(address)
    return _Folder(Path(address))


def checked_address(address: str) -> str:
    """Return the address of a place that staff may follow, spelled in one way.

    A folder is named by its whole path, or from the last part of the allowed place that it is in.

    Raises:
        SyncError: it is in none of :func:`sync_roots`, or is no folder.
    """
    roots = sync_roots()
    address = address.strip()
    if address.startswith(SCHEME):
        return _checked_prefix(address.rstrip("/"), roots)
    for root in map(Path, (each for each in roots if not each.startswith(SCHEME))):
        first, _, rest = address.partition("/")
        path = root / rest if first == root.name else Path(address)
        # Resolved first: neither ".." nor a link leads out.
        folder = path.resolve()
        if path.is_absolute() and folder.is_relative_to(root.resolve()):
            if not folder.is_dir():
                raise SyncError("sync.no_folder", path=folder.name)
            return str(folder)
    raise _outside(roots)


def _checked_prefix(address: str, roots: list[str]) -> str:
    parts = address.removeprefix(SCHEME).split("/")
    is_plain = all(parts) and not {".", ".."} & set(parts)
    if not is_plain or not any(f"{address}/".startswith(f"{root}/") for root in roots):
        raise _outside(roots)
    place_at(address)
    return address


def _outside(roots: list[str]) -> SyncError:
    names = [root if root.startswith(SCHEME) else Path(root).name for root in roots]
    return SyncError("sync.outside", roots=names)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def contents(self) -> Contents:
        # The address was resolved when it was chosen: whoever may write beside the folder shall
        # not lead elsewhere with a link in its place.
        if self._path.resolve() != self._path:
            raise SyncError("sync.moved", path=self._path.name)
        if not self._path.is_dir():
            raise SyncError("sync.no_folder", path=self._path.name)
        listing = FolderListing(self._path)
        files = dict(listing)
        return Contents(files, tuple(listing.unread))

    def growing(self, files: Mapping[str, FileState], stop: Callable[[], bool]) -> frozenset[str]:
        quiet_at = time.monotonic() + QUIET
        while time.monotonic() < quiet_at and not stop():
            time.sleep(min(_PAUSE, QUIET))
        return frozenset(
            name for name, state in files.items() if state_of(self._path, name) != state
        )

    def open(self, contents: Contents, chosen: Chosen, skipped: Container[str]) -> Source:
        return open_source(self._path, chosen=chosen, skipped=skipped)


class _Bucket:
    def __init__(self, address: str) -> None:
        self._name, _, self._prefix = address.removeprefix(SCHEME).partition("/")

    def contents(self) -> Contents:
        files = {
            name: FileState(size, etag)
            for name, size, etag in self._storage().states()
            if all(name.split("/")) and not any(map(is_hidden, name.split("/")))
        }
        return Contents(files)

    def growing(self, files: Mapping[str, FileState], stop: Callable[[], bool]) -> frozenset[str]:
        return frozenset()  # an object is there whole or not at all

    def open(self, contents: Contents, chosen: Chosen, skipped: Container[str]) -> Source:
        files = {name: each for name, each in contents.files.items() if name not in skipped}
        label = self._prefix.rpartition("/")[2] or self._name
        return open_files(BucketFiles(self._storage(), files), label, chosen=chosen)

    def _storage(self) -> "BucketStorage":
        from gallery.bucket import BucketStorage  # boto3 is not installed everywhere

        return BucketStorage(bucket_name=self._name, location=self._prefix, **settings.S3_OPTIONS)


class BucketFiles:
    """The objects below a prefix as the files of a data set; archives are not looked into."""

    def __init__(self, storage: "BucketStorage", files: Mapping[str, FileState]) -> None:
        self._storage = storage
        self._files = files

    def find(self, name: str) -> str | None:
        return find_among(self._files, name)

    def has_folder(self, name: str) -> bool:
        return not name or any(stored.startswith(f"{name}/") for stored in self._files)

    def entries(self, folder: str) -> list[Entry]:
        return entries_below(self._files, folder)

    def walk(self) -> Iterator[str]:
        return iter(self._files)

    def problems(self) -> dict[str, Message]:
        return {}

    def head(self, name: str, count: int) -> bytes:
        return self._read(name, count)

    def read(self, name: str, max_bytes: int) -> bytes:
        data = self._read(name, max_bytes + 1)
        if len(data) > max_bytes:
            raise ImageRejectedError(
                display_name(name), "file.too_large", megabytes=round(max_bytes / 2**20)
            )
        return data

    def close(self) -> None:
        return None

    def _read(self, name: str, count: int) -> bytes:
        try:
            with self._storage.open(name) as file:
                data: bytes = file.read(count)
                return data
        except FileNotFoundError:
            raise ImageRejectedError(display_name(name), "file.missing") from None
