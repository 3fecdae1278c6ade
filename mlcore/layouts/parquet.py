"""Data sets whose pictures lie in Parquet or Arrow files, as the Hugging Face hub keeps them."""

import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from mlcore.errors import DatasetError, ImageRejectedError
from mlcore.i18n import Message
from mlcore.layouts.facts import Chosen, Columns, texts
from mlcore.layouts.files import Files, SourceLimits, display_name
from mlcore.layouts.listing import MAX_CAPTION, Listing, split_of
from mlcore.metadata.photo import PhotoMetadata
from mlcore.metadata.sanitize import clean_line

_BATCH = 16
"""Rows read at a time with their pictures, of which some have megabytes."""
_WORDS = 64
"""Rows read at a time without them; there may be pictures of another kind in them."""
_PICTURES = ("image", "jpg", "png", "webp", "img", "picture", "bytes", "imagebytes")
_OPEN = 4
"""Tables of which the last pictures are kept: splits are read side by side."""
_SUFFIXES = (".parquet", ".arrow")


def rows(files: Files, listing: str, limits: SourceLimits) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a table of metadata, with their numbers from 1."""
    number = 0
    for batch in _batches(files, listing, None):
        for row in batch.to_pylist():
            number += 1
            yield number, row


def read(files: Files, base: str, limits: SourceLimits, chosen: Chosen) -> Listing | None:
    """Read the data set at ``base`` that holds its pictures itself; None where there is none."""
    places = [base, f"{base}data/"]
    places += [f"{base}{e.name}/" for e in files.entries(base.rstrip("/")) if e.is_folder]
    tables = [
        place + entry.name
        for place in dict.fromkeys(places)
        for entry in files.entries(place.rstrip("/"))
        if entry.name.endswith(_SUFFIXES) and not entry.name.startswith(("metadata.", "cache-"))
    ]
    return read_tables(files, tables, chosen) if tables else None


def read_tables(files: Files, tables: list[str], chosen: Chosen) -> Listing:
    """Read these tables, one after the other."""
    stream = _Rows(files, tables, chosen)
    return Listing(
        Message.of("layout.parquet"),
        [],
        Message.of("why.listings", listings=tables[:10]),
        tuple(tables),
        stream=stream,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One picture of a table."""

    name: str
    captions: tuple[str, ...]
    split: Any
    read: Any
    said: PhotoMetadata


class _Rows:
    """The rows of tables, in bounded memory; words first, pictures when they are asked for."""

    def __init__(self, files: Files, tables: list[str], chosen: Chosen) -> None:
        self._files = files
        self._tables = tables
        self._chosen = chosen
        self.total = sum(_count(files, table) for table in tables)
        self._lock = threading.Lock()
        self._columns: dict[str, _Column] = {}

    def __iter__(self) -> Iterator[Row]:
        for table in self._tables:
            yield from self._rows(table)

    def _rows(self, table: str) -> Iterator[Row]:
        names = _names(self._files, table)
        picture = _picture_column(names)
        if picture is None:
            raise DatasetError("parquet.no_pictures", table=display_name(table), columns=names)
        others = [name for name in names if name != picture]
        columns = Columns.among(["file", *others], self._chosen)
        split = _split_of_table(table)
        at = 0
        for batch in _batches(self._files, table, others, _WORDS):
            for row in batch.to_pylist() if others else [{}] * batch.num_rows:
                yield self._row(table, picture, at, row, columns, split)
                at += 1

    def _row(
        self, table: str, picture: str, at: int, row: Mapping[str, Any], columns: Any, split: Any
    ) -> Row:
        captions = [text for key in columns.captions for text in texts(row.get(key), list)]
        lines = (clean_line(text, MAX_CAPTION) for text in captions)
        return Row(
            name=f"{display_name(table)}#{at}",
            captions=tuple(dict.fromkeys(filter(None, lines))),
            split=columns.split(row) or split,
            read=partial(self._read, table, picture, at),
            said=columns.said(row),
        )

    def _read(self, table: str, picture: str, at: int) -> bytes:
        value = self._pictures(table, picture).value(at)
        if isinstance(value, dict):
            value = value.get("bytes")
        if not isinstance(value, bytes):
            raise ImageRejectedError(f"{display_name(table)}#{at}", "file.missing")
        return value

    def _pictures(self, table: str, picture: str) -> "_Column":
        with self._lock:
            column = self._columns.pop(table, None) or _Column(self._files, table, picture)
            self._columns[table] = column  # the one that was used last is the last
            for oldest in list(self._columns)[:-_OPEN]:
                del self._columns[oldest]
            return column


class _Column:
    """One column of a table, read in order: the next values cheaply, any other by going there.

    May be shared by threads, whose orders differ a little: the last two batches are kept.
    """

    def __init__(self, files: Files, table: str, name: str) -> None:
        self._batches = partial(_batches, files, table, [name])
        self._lock = threading.Lock()
        self._begin()

    def value(self, at: int) -> Any:
        """Return one value; None behind the last."""
        with self._lock:
            if at < self._next and not any(at >= first for first, _ in self._recent):
                self._begin()
            while at >= self._next:
                batch = next(self._coming, None)
                if batch is None:
                    return None
                self._recent.append((self._next, batch.column(0)))
                self._next += batch.num_rows
            first, values = next(each for each in reversed(self._recent) if at >= each[0])
            return values[at - first].as_py()

    def _begin(self) -> None:
        self._coming = self._batches()
        self._recent: deque[tuple[int, Any]] = deque(maxlen=2)
        self._next = 0


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise DatasetError("parquet.needs_pyarrow") from error
    return pyarrow


def _open(files: Files, table: str) -> Any:
    """Open a table on disk without reading it; out of an archive it is read whole."""
    pyarrow = _pyarrow()
    local = getattr(files, "local_path", lambda _: None)(table)
    if local is not None:
        return pyarrow.memory_map(str(local))
    return pyarrow.BufferReader(files.read(table, 2**31))


def _batches(
    files: Files, table: str, columns: list[str] | None, rows: int = _BATCH
) -> Iterator[Any]:
    pyarrow = _pyarrow()
    try:
        source = _open(files, table)
        if table.endswith(".arrow"):
            yield from (
                batch if columns is None else batch.select(columns)
                for batch in _arrow_batches(source)
            )
            return
        file = pyarrow.parquet.ParquetFile(source)
        yield from file.iter_batches(batch_size=rows, columns=columns)
    except pyarrow.ArrowException as error:
        raise DatasetError(
            "parquet.unreadable", table=display_name(table), cause=str(error)[:200]
        ) from error


def _arrow_batches(source: Any) -> Iterator[Any]:
    pyarrow = _pyarrow()
    try:
        yield from pyarrow.ipc.open_stream(source)
    except pyarrow.ArrowInvalid:
        source.seek(0)
        file = pyarrow.ipc.open_file(source)
        for at in range(file.num_record_batches):
            yield file.get_batch(at)


def _names(files: Files, table: str) -> list[str]:
    for batch in _batches(files, table, None):
        return list(batch.schema.names)
    return []


def _count(files: Files, table: str) -> int:
    if table.endswith(".parquet"):
        pyarrow = _pyarrow()
        try:
            return int(pyarrow.parquet.ParquetFile(_open(files, table)).metadata.num_rows)
        except pyarrow.ArrowException as error:
            raise DatasetError(
                "parquet.unreadable", table=display_name(table), cause=str(error)[:200]
            ) from error
    return sum(batch.num_rows for batch in _batches(files, table, None))


def _picture_column(names: list[str]) -> str | None:
    by_letters = {"".join(c for c in name.casefold() if c.isalpha()): name for name in names}
    return next((by_letters[name] for name in _PICTURES if name in by_letters), None)


def _split_of_table(table: str) -> Any:
    path = PurePosixPath(table)
    words = [*path.parts[:-1], *re.split(r"[-_.]", path.name)]
    return next(filter(None, map(split_of, words)), "")
