"""The versions of a FAISS store, and which of them is active."""

from dataclasses import dataclass
from pathlib import Path

from mlcore.vectorstore.base import ACTIVE, VersionInfo
from mlcore.vectorstore.database import Database
from mlcore.vectorstore.errors import UnknownVersionError, VectorStoreError

SCHEMA = """
CREATE TABLE IF NOT EXISTS versions (
    name TEXT PRIMARY KEY,
    dim INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    directory TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX IF NOT EXISTS one_active ON versions (active) WHERE active;
"""
COLUMNS = "name, dim, fingerprint, active, directory"


@dataclass(frozen=True, slots=True)
class Entry:
    """A version and the folder it lives in."""

    info: VersionInfo
    directory: str


class Catalogue:
    """One row for each version; at most one is active, which the database itself sees to."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SCHEMA, create=True)

    def all(self) -> list[Entry]:
        with self._database.transaction() as read:
            rows = read.execute(f"SELECT {COLUMNS} FROM versions ORDER BY name")  # noqa: S608
            return [_entry(row) for row in rows]

    def find(self, name: str) -> Entry | None:
        """Return the version of this name, or the active one for :data:`ACTIVE`."""
        condition = "active" if name == ACTIVE else "name = ?"
        with self._database.transaction() as read:
            row = read.execute(
                f"SELECT {COLUMNS} FROM versions WHERE {condition}",  # noqa: S608
                () if name == ACTIVE else (name,),
            ).fetchone()
        return _entry(row) if row else None

    def get(self, name: str) -> Entry:
        """As :meth:`find`, but raises UnknownVersionError where there is none."""
        found = self.find(name)
        if found is None:
            raise unknown(name)
        return found

    def add(self, name: str, *, dim: int, fingerprint: str, directory: str) -> bool:
        """Add a version; tell whether the name was free."""
        with self._database.transaction(write=True) as write:
            added = write.execute(
                "INSERT OR IGNORE INTO versions VALUES (?, ?, ?, ?, 0)",
                (name, dim, fingerprint, directory),
            )
            return added.rowcount == 1

    def activate(self, name: str) -> None:
        with self._database.transaction(write=True) as write:
            write.execute("UPDATE versions SET active = 0 WHERE active")
            done = write.execute("UPDATE versions SET active = 1 WHERE name = ?", (name,))
            if done.rowcount == 0:
                raise unknown(name)

    def remove(self, name: str) -> str:
        """Remove a version that is not active, and return its folder."""
        with self._database.transaction(write=True) as write:
            row = write.execute(
                "SELECT directory, active FROM versions WHERE name = ?", (name,)
            ).fetchone()
            if row is None:
                raise unknown(name)
            directory, active = row
            if active:
                raise still_active(name)
            write.execute("DELETE FROM versions WHERE name = ?", (name,))
            return str(directory)


def unknown(name: str) -> UnknownVersionError:
    """Say that there is no such version."""
    if name == ACTIVE:
        return UnknownVersionError("No version is active yet. Fill one and make it active.")
    return UnknownVersionError(f"There is no version {name!r}. Make and fill it first.")


def still_active(name: str) -> VectorStoreError:
    """Say that the active version stays."""
    return VectorStoreError(
        f"The version {name!r} is active: searches read it. Make another one active before you "
        "drop it."
    )


def _entry(row: tuple[str, int, str, int, str]) -> Entry:
    name, dim, fingerprint, active, directory = row
    return Entry(VersionInfo(name, dim, fingerprint, bool(active)), directory)
