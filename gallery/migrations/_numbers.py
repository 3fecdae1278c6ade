"""Keeping the numbers of rows going on where they were, while SQLite makes tables anew.

To change a column, Django copies a table on SQLite, and the copy counts on from the highest number
that is left: that of a picture deleted last would be given again, and an index may still know it.
"""

from typing import Any

from django.db import migrations


def keeping_numbers(
    tables: list[str], operations: list[Any]
) -> list[migrations.operations.base.Operation]:
    """Put the operations, which change these tables, between noting and restoring the numbers."""
    noted: dict[str, int] = {}

    def note(apps: Any, schema_editor: Any) -> None:
        noted.clear()
        if schema_editor.connection.vendor == "sqlite":
            with schema_editor.connection.cursor() as cursor:
                cursor.execute("SELECT name, seq FROM sqlite_sequence")
                noted.update((name, seq) for name, seq in cursor.fetchall() if name in tables)

    def restore(apps: Any, schema_editor: Any) -> None:
        with schema_editor.connection.cursor() as cursor:
            for name, seq in noted.items():
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [name])
                cursor.execute("INSERT INTO sqlite_sequence VALUES (%s, %s)", [name, seq])

    noop = migrations.RunPython.noop
    return [migrations.RunPython(note, noop), *operations, migrations.RunPython(restore, noop)]
