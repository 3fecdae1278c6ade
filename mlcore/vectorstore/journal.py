"""What was put into one version of a FAISS store, and in which order."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlcore.config import FloatMatrix, IdVector
from mlcore.index.positions import ascends
from mlcore.vectorstore.base import Attributes
from mlcore.vectorstore.database import Database
from mlcore.vectorstore.filters import Conditions

SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY,
    change INTEGER NOT NULL,
    vector BLOB  -- float32, little-endian; null where the picture was deleted
);
CREATE INDEX IF NOT EXISTS vectors_by_change ON vectors (change);
CREATE TABLE IF NOT EXISTS attributes (
    id INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    split TEXT NOT NULL,
    public INTEGER NOT NULL,
    owner INTEGER
);
CREATE INDEX IF NOT EXISTS attributes_by_collection ON attributes (collection);
CREATE TABLE IF NOT EXISTS tags (
    tag TEXT NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (tag, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tags_by_id ON tags (id);
CREATE TABLE IF NOT EXISTS state (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    change INTEGER NOT NULL,
    base TEXT NOT NULL,
    base_change INTEGER NOT NULL,
    base_count INTEGER NOT NULL
);
INSERT OR IGNORE INTO state VALUES (1, 0, '', 0, 0);
"""


@dataclass(frozen=True, slots=True)
class State:
    """How far a version has come."""

    change: int
    """Number of the latest change; each upsert and each delete is one."""
    base: str
    """Name of the index directory that was built last; empty where there is none."""
    base_change: int
    """The latest change that is in it."""
    base_count: int
    """Pictures in it."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened after some change, in its outcome."""

    state: State
    ids: IdVector
    """int64, shape (n,), ascending."""
    vectors: FloatMatrix
    """float32, shape (n, dim)."""
    deleted: IdVector
    """int64, shape (d,), ascending."""


class Journal:
    """Every vector of a version with its attributes and the number of its latest change.

    A row says when it changed, so a reader that knows the state at one change asks for what came
    later. Rows of deleted pictures stay without their vector: a reader may be behind.
    """

    def __init__(self, path: Path, dim: int, *, create: bool = False) -> None:
        self._dim = dim
        self._database = Database(path, SCHEMA, create=create)

    def state(self) -> State:
        with self._database.transaction() as read:
            return _state(read)

    def upsert(self, ids: IdVector, vectors: FloatMatrix, attributes: Sequence[Attributes]) -> None:
        """Put pictures in, as one change."""
        keys = ids.tolist()
        rows = np.ascontiguousarray(vectors, dtype="<f4")
        with self._database.transaction(write=True) as write:
            change = _next_change(write)
            write.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                ((key, change, row.tobytes()) for key, row in zip(keys, rows, strict=True)),
            )
            _forget_attributes(write, keys)
            write.executemany(
                "INSERT INTO attributes VALUES (?, ?, ?, ?, ?)",
                (
                    (key, each.collection, each.split, each.public, each.owner)
                    for key, each in zip(keys, attributes, strict=True)
                ),
            )
            write.executemany(
                "INSERT INTO tags VALUES (?, ?)",
                (
                    (tag, key)
                    for key, each in zip(keys, attributes, strict=True)
                    for tag in each.tags
                ),
            )

    def delete(self, ids: IdVector) -> None:
        """Take pictures out, as one change."""
        keys = ids.tolist()
        with self._database.transaction(write=True) as write:
            change = _next_change(write)
            write.executemany(
                "UPDATE vectors SET vector = NULL, change = ? WHERE id = ? AND vector IS NOT NULL",
                ((change, key) for key in keys),
            )
            _forget_attributes(write, keys)

    def since(self, change: int) -> Changes:
        """Read what happened after a change; after 0, everything. All of it is in memory then."""
        # All rows are read fastest in the order of the table; a few must not cost a look at all.
        path = "INDEXED BY vectors_by_change" if change else "NOT INDEXED"
        deleted: list[int] = []
        live = 0
        with self._database.transaction() as read:
            state = _state(read)
            (count,) = read.execute(
                f"SELECT COUNT(*) FROM vectors {path} WHERE change > ?",  # noqa: S608
                (change,),
            ).fetchone()
            ids = np.empty(count, dtype=np.int64)
            vectors = np.empty((count, self._dim), dtype=np.float32)
            rows = read.execute(
                f"SELECT id, vector FROM vectors {path} WHERE change > ?",  # noqa: S608
                (change,),
            )
            for key, vector in rows:
                if vector is None:
                    deleted.append(key)
                    continue
                ids[live] = key
                vectors[live] = np.frombuffer(vector, dtype="<f4")
                live += 1
        ids, vectors = ids[:live], vectors[:live]
        if not ascends(ids):
            order = np.argsort(ids)
            ids, vectors = ids[order], vectors[order]
        return Changes(state, ids, vectors, np.array(sorted(deleted), dtype=np.int64))

    def changed_since(self, change: int) -> int:
        """Count the pictures that were put in or taken out after a change."""
        with self._database.transaction() as read:
            (count,) = read.execute(
                "SELECT COUNT(*) FROM vectors WHERE change > ?", (change,)
            ).fetchone()
        return int(count)

    def matching(self, conditions: Conditions) -> IdVector:
        """Find the pictures that meet every condition: int64, ascending."""
        terms, values = _terms(conditions)
        with self._database.transaction() as read:
            # The terms are written here; what was asked for travels as values.
            rows = read.execute(
                f"SELECT id FROM attributes WHERE {' AND '.join(terms)} ORDER BY id",  # noqa: S608
                values,
            )
            return np.fromiter((key for (key,) in rows), dtype=np.int64)

    def attributes_between(self, first: int, last: int) -> dict[int, Attributes]:
        """Read the attributes of the pictures with ids in this range, both ends included."""
        with self._database.transaction() as read:
            tags: dict[int, list[str]] = {}
            span = (first, last)
            for key, tag in read.execute("SELECT id, tag FROM tags WHERE id BETWEEN ? AND ?", span):
                tags.setdefault(key, []).append(tag)
            rows = read.execute(
                "SELECT id, collection, split, public, owner FROM attributes "
                "WHERE id BETWEEN ? AND ?",
                span,
            )
            return {
                key: Attributes(collection, tuple(tags.get(key, ())), split, bool(public), owner)
                for key, collection, split, public, owner in rows
            }

    def set_base(self, base: str, base_change: int, base_count: int) -> None:
        """Name the index directory that holds everything up to a change."""
        with self._database.transaction(write=True) as write:
            write.execute(
                "UPDATE state SET base = ?, base_change = ?, base_count = ?",
                (base, base_change, base_count),
            )


def _state(read: sqlite3.Connection) -> State:
    row = read.execute("SELECT change, base, base_change, base_count FROM state").fetchone()
    return State(*row)


def _next_change(write: sqlite3.Connection) -> int:
    write.execute("UPDATE state SET change = change + 1")
    return _state(write).change


def _forget_attributes(write: sqlite3.Connection, keys: Sequence[int]) -> None:
    write.executemany("DELETE FROM attributes WHERE id = ?", ((key,) for key in keys))
    write.executemany("DELETE FROM tags WHERE id = ?", ((key,) for key in keys))


def _terms(conditions: Conditions) -> tuple[list[str], list[str | int]]:
    terms, values = ["TRUE"], list[str | int]()
    if conditions.collection:
        terms.append("collection = ?")
        values.append(conditions.collection)
    if conditions.split:
        terms.append("split = ?")
        values.append(conditions.split)
    for tag in conditions.tags:
        terms.append("id IN (SELECT id FROM tags WHERE tag = ?)")
        values.append(tag)
    if conditions.audience is not None:
        if conditions.audience.user is None:
            terms.append("public")
        else:
            terms.append("(public OR owner = ?)")
            values.append(conditions.audience.user)
    return terms, values
