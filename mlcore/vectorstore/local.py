"""A vector store in files of this machine: FAISS, and SQLite for what changes."""

import fcntl
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.errors import IndexFileError
from mlcore.index import Hit, VectorIndex
from mlcore.index.checks import check_ids, check_ids_and_vectors, check_queries, check_width
from mlcore.vectorstore.base import (
    ACTIVE,
    Attributes,
    Record,
    VersionInfo,
    attributes_for,
    check_fingerprint,
    check_name,
    check_same_version,
)
from mlcore.vectorstore.catalogue import Catalogue, Entry
from mlcore.vectorstore.filters import Filter
from mlcore.vectorstore.journal import Journal
from mlcore.vectorstore.view import READ_AT_ONCE, View

TAIL_LIMIT = 2_000
"""Changes after which a small version is indexed anew; a search reads all of them, which takes
about a millisecond at 512 numbers each."""
TAIL_SHARE = 0.02
"""Changes after which a large version is indexed anew, as a share of its pictures."""

SQ8_ROUNDING = 0.05
"""L2 distance that no vector is moved by 8 bits a number: at 1,024 numbers that spread over the
whole of -0.4 to 0.4 the worst case is sqrt(1024) * 0.8 / 255 / 2. Other pictures are 0.3 away."""

STALE_SECONDS = 24 * 3600
"""Age at which a folder that no version lives in is not one that is just being made."""

JOURNAL_FILE = "journal.sqlite3"
LOCK_FILE = "building.lock"
"""Locked while an index is built; the system unlocks it when its holder dies."""


class FaissBackend:
    """Versions in a folder, for the processes of one machine.

    A version is a journal (SQLite: every vector, its attributes, and when it changed) and an index
    directory made from it that never changes. Searches read the index, and beside it what the
    journal has since; when that grows past a limit the writer builds the next index from the
    journal, and readers go over to it. A kill at any moment leaves a journal that ends with the
    last finished change, and at worst an index directory that nothing names.

    What one process writes the next search of every process sees.
    """

    def __init__(self, root: Path, *, spec: IndexSpec = IndexSpec()) -> None:  # noqa: B008 - frozen
        """Use the folder ``root``, made if need be; ``spec`` tells how indexes are built."""
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._spec = spec
        self._catalogue = Catalogue(root / "catalogue.sqlite3")
        self._lock = threading.Lock()
        self._opened: dict[str, _Version] = {}

    def create_version(self, name: str, *, dim: int, fingerprint: str) -> None:
        check_name(name)
        self._sweep()
        # The folder first, under a name that nothing else has: a row never names a missing one.
        directory = uuid.uuid4().hex
        path = self._root / directory
        path.mkdir()
        added = False
        try:
            Journal(path / JOURNAL_FILE, dim, create=True).state()
            added = self._catalogue.add(name, dim=dim, fingerprint=fingerprint, directory=directory)
        finally:
            if not added:
                shutil.rmtree(path, ignore_errors=True)
        if not added:
            check_same_version(self.info(name), dim=dim, fingerprint=fingerprint)

    def upsert(
        self,
        version: str,
        ids: IdVector,
        vectors: FloatMatrix,
        attributes: Sequence[Attributes] | None = None,
        *,
        fingerprint: str,
    ) -> None:
        entry = self._named(version)
        check_fingerprint(entry.info, fingerprint, "The vectors")
        check_ids_and_vectors(ids, vectors)
        check_width(vectors, entry.info.dim, "The vectors")
        attributes = attributes_for(ids, attributes)
        if len(ids):
            opened = self._open(entry)
            opened.journal.upsert(ids, vectors, attributes)
            self._keep_tail_short(entry, opened)

    def delete(self, version: str, ids: IdVector) -> None:
        entry = self._named(version)
        check_ids(ids, "ids")
        opened = self._open(entry)
        opened.journal.delete(ids)
        self._keep_tail_short(entry, opened)

    def search(
        self,
        version: str,
        queries: FloatMatrix,
        k: int,
        *,
        fingerprint: str,
        where: Filter | None = None,
    ) -> list[list[Hit]]:
        entry = self._catalogue.get(version)
        check_fingerprint(entry.info, fingerprint, "The queries")
        check_queries(queries, k, entry.info.dim)
        opened = self._read(entry)
        return opened.view().search(queries, k, where or Filter(), opened.journal.matching)

    def count(self, version: str) -> int:
        return len(self._read(self._catalogue.get(version)).view())

    def ids(self, version: str) -> Iterator[IdVector]:
        ids = self._read(self._catalogue.get(version)).view().ids()
        for start in range(0, len(ids), READ_AT_ONCE):
            yield ids[start : start + READ_AT_ONCE]

    def records(self, version: str) -> Iterator[Record]:
        opened = self._read(self._catalogue.get(version))
        for ids, vectors in opened.view().vectors():
            attributes = opened.journal.attributes_between(int(ids[0]), int(ids[-1]))
            for key, vector in zip(ids.tolist(), vectors, strict=True):
                yield Record(key, vector, attributes.get(key, Attributes()))

    def rounding(self, version: str) -> float:
        view = self._read(self._catalogue.get(version)).view()
        return 0.0 if view.base.kind == "flat" else SQ8_ROUNDING

    def activate(self, version: str) -> None:
        entry = self._named(version)
        self._read(entry).view()
        self._catalogue.activate(version)

    def active(self) -> VersionInfo | None:
        found = self._catalogue.find(ACTIVE)
        return found.info if found else None

    def info(self, version: str) -> VersionInfo:
        return self._catalogue.get(version).info

    def drop(self, version: str) -> None:
        directory = self._catalogue.remove(version)
        with self._lock:
            self._opened.pop(directory, None)
        shutil.rmtree(self._root / directory, ignore_errors=True)

    def versions(self) -> list[VersionInfo]:
        return [entry.info for entry in self._catalogue.all()]

    def rebuild(self, version: str) -> None:
        """Make the index of a version anew from its journal, as after damage to its files."""
        self._open(self._catalogue.get(version)).rebuild()

    def _keep_tail_short(self, entry: Entry, opened: "_Version") -> None:
        # One that is not active is being filled; it is indexed when it is first read.
        if entry.info.active:
            opened.index_a_long_tail()

    def _read(self, entry: Entry) -> "_Version":
        opened = self._open(entry)
        if not entry.info.active:
            opened.index_a_long_tail()
        return opened

    def _named(self, name: str) -> Entry:
        """Find a version to write to, which :data:`ACTIVE` does not name: it may change."""
        check_name(name)
        return self._catalogue.get(name)

    def _open(self, entry: Entry) -> "_Version":
        with self._lock:
            opened = self._opened.get(entry.directory)
            if opened is None:
                opened = _Version(self._root / entry.directory, entry.info, self._spec)
                self._opened[entry.directory] = opened
            return opened

    def _sweep(self) -> None:
        """Remove what killed processes left: old folders that no version lives in."""
        named = {entry.directory for entry in self._catalogue.all()}
        for path in self._root.iterdir():
            if path.is_dir() and path.name not in named:
                with suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime > STALE_SECONDS:
                        shutil.rmtree(path, ignore_errors=True)


class _Version:
    """One version as this process has it."""

    def __init__(self, directory: Path, info: VersionInfo, spec: IndexSpec) -> None:
        self._directory = directory
        self._info = info
        self._spec = spec
        self.journal = Journal(directory / JOURNAL_FILE, info.dim)
        self._looking = threading.Lock()
        self._loading = threading.Lock()
        self._building = threading.Lock()
        self._view: View | None = None

    def view(self) -> View:
        """Return the version as it is now.

        While one thread goes over to a newer index, others go on with the one before it.
        """
        state = self.journal.state()
        if not state.base:
            self.rebuild(state.change)
        if self._view is None:
            with self._loading:
                if self._view is None:
                    self._view = self._loaded()
        elif self._view.base_change < state.base_change and self._loading.acquire(blocking=False):
            try:
                fresh = self._loaded()
                with self._looking:
                    self._view = fresh
            finally:
                self._loading.release()
        with self._looking:
            if self._view.change < state.change:
                self._view = self._view.after(self.journal.since(self._view.change))
            return self._view

    def index_a_long_tail(self) -> None:
        """Build the next index if so much has changed that it is due."""
        state = self.journal.state()
        limit = max(TAIL_LIMIT, int(TAIL_SHARE * state.base_count))
        if self.journal.changed_since(state.base_change) > limit:
            self.rebuild(state.change)

    def rebuild(self, change: int | None = None) -> None:
        """Make the next index directory from the journal and let everybody know of it.

        One process builds at a time; with ``change`` it is enough that another has come that far.
        """
        with self._building, (self._directory / LOCK_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.journal.state()
            if change is not None and state.base and state.base_change >= change:
                return
            changes = self.journal.since(0)
            index = VectorIndex.build(
                changes.ids,
                changes.vectors,
                self._spec,
                fingerprint=self._info.fingerprint,
                watermark=changes.state.change,
            )
            name = uuid.uuid4().hex
            index.save(self._directory / name)
            self.journal.set_base(name, changes.state.change, len(index))
            for path in self._directory.iterdir():
                if path.is_dir() and path.name != name:
                    shutil.rmtree(path, ignore_errors=True)

    def _loaded(self) -> View:
        while True:
            state = self.journal.state()
            try:
                base = VectorIndex.load(
                    self._directory / state.base, fingerprint=self._info.fingerprint
                )
            except IndexFileError:
                # A newer index may have taken its place between the two looks.
                if self.journal.state().base == state.base:
                    raise
            else:
                return View.of(base, state.base_change)
