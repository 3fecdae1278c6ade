"""SQLite files that outlive a kill and are shared by processes of one machine."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlcore.vectorstore.errors import VectorStoreError, VectorStoreUnavailableError

PATIENCE = 30.0
"""Seconds that a writer waits for another to finish."""


class Database:
    """One SQLite file, with a connection for each thread.

    A transaction is on the disk when it has ended (write-ahead log, full synchronisation), and
    absent when it was cut short. Readers see the state at the start of their transaction and
    never wait for writers.
    """

    def __init__(self, path: Path, schema: str, *, create: bool) -> None:
        """Refer to the file at ``path``; only with ``create`` is one made that is not there, with
        the tables of ``schema``."""
        self._path = path
        self._schema = schema
        self._mode = "rwc" if create else "rw"
        self._local = threading.local()

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """Open a transaction that is kept when the block ends and dropped when it raises.

        Raises:
            VectorStoreUnavailableError: another writer kept the file for too long.
            VectorStoreError: the file is damaged or the disk is full.
        """
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise VectorStoreUnavailableError(
                    f"Another program is writing to {self._path}. Please try again."
                ) from error
            raise self._fault(error) from error
        except sqlite3.DatabaseError as error:
            raise self._fault(error) from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode={self._mode}",
                uri=True,
                timeout=PATIENCE,
                isolation_level=None,
            )
            self._go_over_to_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = FULL")
            if connection.execute("PRAGMA user_version").fetchone() == (0,):
                connection.executescript(
                    f"BEGIN IMMEDIATE; {self._schema} PRAGMA user_version = 1; COMMIT;"
                )
            self._local.connection = connection
        return connection

    @staticmethod
    def _go_over_to_write_ahead_log(connection: sqlite3.Connection) -> None:
        """Wait by hand: for this change alone SQLite does not use its own timeout."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _fault(self, error: sqlite3.Error) -> VectorStoreError:
        return VectorStoreError(
            f"{self._path} cannot be read or written ({error}). Free disk space or correct the "
            "permissions; if it is damaged, drop the version and fill it again from the database."
        )
