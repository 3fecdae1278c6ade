"""Rows of every table as lines of JSON, in segments, and back.

A segment holds the rows whose numbers fall into one range, so rows that are only ever added to, as
vectors are, leave the segments before them as they were.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from types import SimpleNamespace
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.core.management.color import no_style
from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper

from gallery.services.backups.repository import BackupError, Repository

SEGMENT = 5_000
"""Numbers of rows in one segment; with vectors of 512 some 14 MB before they are packed."""
_AT_ONCE = 1_000
"""Rows written with one statement."""

LEFT_OUT = frozenset(
    {
        "django_session",  # who holds one is signed in
        "gallery_workerpulse",  # of workers that are not here
        "gallery_resumableupload",  # their files are not kept
    }
)
"""Tables of which only the structure is brought back."""

Counted = Callable[[int], None]
"""Told how many rows were done."""


def tables(registry: Apps = apps) -> dict[str, type[models.Model]]:
    """Return the model of each table whose rows are kept."""
    found = {
        model._meta.db_table: model
        for model in registry.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    }
    return {name: model for name, model in sorted(found.items()) if name not in LEFT_OUT}


def dump(repository: Repository, counted: Counted) -> list[dict[str, Any]]:
    """Keep the rows of all tables, as the surrounding transaction sees them."""
    return [_dump_table(repository, model, counted) for model in tables().values()]


def _dump_table(
    repository: Repository, model: type[models.Model], counted: Counted
) -> dict[str, Any]:
    fields = list(model._meta.local_concrete_fields)
    key = model._meta.pk
    assert key is not None  # noqa: S101  (every model has one)
    names = [field.attname for field in fields]
    rows = model._base_manager.order_by("pk").values_list(*names).iterator(_AT_ONCE)
    segments, count = [], 0
    for number, group in _segments(rows, names.index(key.attname)):
        lines = [list(map(_plain, fields, row)) for row in group]
        segments.append([number, repository.put_lines(lines).digest])
        count += len(lines)
        counted(len(lines))
    return {
        "table": model._meta.db_table,
        "columns": [field.column for field in fields],
        "rows": count,
        "last_number": last_number(connection, model),
        "segments": segments,
    }


def _segments(
    rows: Iterable[tuple[Any, ...]], key: int
) -> Iterator[tuple[int, Iterable[tuple[Any, ...]]]]:
    """Cut rows by their numbers; those without numbers, such as words, by how many they are."""
    each = iter(rows)
    first = next(each, None)
    if first is None:
        return
    everything = _chained(first, each)
    if isinstance(first[key], int):
        yield from groupby(everything, lambda row: row[key] // SEGMENT)
        return
    for number in range(1_000_000_000):
        some = list(islice(everything, SEGMENT))
        if not some:
            return
        yield number, some


def _chained(first: tuple[Any, ...], rest: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    yield first
    yield from rest


def _plain(field: Any, value: Any) -> Any:
    """Return a value as JSON has it; ``to_python`` makes the same of it on every database."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return field.value_to_string(SimpleNamespace(**{field.attname: value}))


def rows_of(repository: Repository, contents: dict[str, Any], table: str) -> Iterator[Any]:
    """Yield a segment's number and its rows as dictionaries by column, for all of one table."""
    [entry] = [each for each in contents["tables"] if each["table"] == table]
    for number, digest in entry["segments"]:
        lines = repository.lines(digest)
        yield number, [dict(zip(entry["columns"], line, strict=True)) for line in lines]


def empty(database: BaseDatabaseWrapper, registry: Apps) -> None:
    """Remove all rows of all tables, those that are not kept as well."""
    names = [
        model._meta.db_table
        for model in registry.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]
    with database.cursor() as cursor:
        for statement in database.ops.sql_flush(no_style(), names):
            cursor.execute(statement)


def load(
    repository: Repository, contents: dict[str, Any], registry: Apps, counted: Counted
) -> None:
    """Write all rows of a backup into tables that are empty."""
    known = tables(registry)
    for entry in contents["tables"]:
        model = known.get(entry["table"])
        if model is None:
            raise BackupError("backup.unknown_table", table=entry["table"])
        for _, digest in entry["segments"]:
            _insert(model, entry["columns"], repository.lines(digest), counted)
        _count_on(connection, model, entry["last_number"])


def _insert(
    model: type[models.Model], columns: list[str], rows: Iterator[Any], counted: Counted
) -> None:
    by_column = {field.column: field for field in model._meta.local_concrete_fields}
    unknown = set(columns) - set(by_column)
    if unknown:
        raise BackupError("backup.unknown_table", table=f"{model._meta.db_table} {sorted(unknown)}")
    fields: list[Any] = [by_column[column] for column in columns]
    quote = connection.ops.quote_name
    sql = (
        f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(map(quote, columns))}) "  # noqa: S608
        f"VALUES ({', '.join(['%s'] * len(columns))})"
    )
    with connection.cursor() as cursor:
        while batch := list(islice(rows, _AT_ONCE)):
            values = [list(map(_prepared, fields, row)) for row in batch]
            cursor.executemany(sql, values)
            counted(len(batch))


def _prepared(field: Any, value: Any) -> Any:
    return field.get_db_prep_save(field.to_python(value), connection)


def last_number(database: BaseDatabaseWrapper, model: type[models.Model]) -> int | None:
    """Return the highest number that a row of this table ever had; None where it counts none."""
    table, key = model._meta.db_table, model._meta.pk
    if not isinstance(key, models.AutoField | models.BigAutoField):
        return None
    with database.cursor() as cursor:
        if database.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
            row = cursor.fetchone()
            return int(row[0]) if row else 0
        [sequence] = database.introspection.get_sequences(cursor, table)
        name = database.ops.quote_name(sequence["name"])
        cursor.execute(f"SELECT last_value, is_called FROM {name}")  # noqa: S608
        value, is_called = cursor.fetchone()
        return int(value) if is_called else int(value) - 1


def _count_on(database: BaseDatabaseWrapper, model: type[models.Model], last: int | None) -> None:
    """Give no number again that a row had once, even one that is deleted: indexes go by it."""
    table, key = model._meta.db_table, model._meta.pk
    if last is None or key is None:
        return
    with database.cursor() as cursor:
        if database.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, last])
            return
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence(%s, %s), %s, %s)",
            [database.ops.quote_name(table), key.column, max(last, 1), last > 0],
        )
