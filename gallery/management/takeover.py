"""A database that release 0.1.0 filled becomes one of this release.

Nothing was released before 0.1.0, so its eleven migrations were put together into the one that
there is now. Their tables are set aside, those of today are made by that migration, the rows are
copied over, and all of it is one transaction: it is done, or nothing has happened. Large tables
are copied by the database alone; in the others what was kept as sentences becomes codes. See
docs/adr/0023-one-initial-migration.md.
"""

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from gallery.management.rows_of_0_1 import CONVERSIONS

APP = "gallery"
LAST_OF_0_1 = "0011_names_of_the_last_tables"
FIRST_OF_TODAY = "0001_initial"
ASIDE = "before_"
"""Put before the name of each table, index and sequence of 0.1.0."""
BATCH = 500
"""Rows that are held in memory at once."""

TABLES = {"gallery_resumableupload": "gallery_incomingfile"}
"""Tables by today's name that had another."""
COLUMNS = {
    ("gallery_image", "split"): "CASE split WHEN 'val' THEN 'validation' ELSE split END",
    ("gallery_indexversion", "location"): "directory",
    ("gallery_jobevent", "message"): "text",
}
"""Columns by today's name that are made of others, in SQL that every database knows."""


class UnknownDatabaseError(Exception):
    """The database is of a version that this release does not know."""


def is_of_0_1(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether these are tables that 0.1.0 made.

    Raises:
        UnknownDatabaseError: they are of a state before that.
    """
    applied = {
        name for app, name in MigrationRecorder(connection).applied_migrations() if app == APP
    }
    if LAST_OF_0_1 in applied:
        return True
    if "0002_training" in applied:
        raise UnknownDatabaseError(
            f"This database is older than release 0.1.0: it has no migration {LAST_OF_0_1!r}. "
            "Run 'migrate' of release 0.1.0 first, then this one."
        )
    return False


def take_over(connection: BaseDatabaseWrapper) -> None:
    """Turn the tables of 0.1.0 into those of today, with all that is in them."""
    loader = MigrationLoader(None)
    migration = loader.get_migration(APP, FIRST_OF_TODAY)
    state = loader.project_state((APP, FIRST_OF_TODAY), at_end=False)
    with connection.schema_editor(atomic=True) as editor:
        old_tables = _set_aside(connection)
        state = migration.apply(state, editor)
        app = state.apps.get_app_config(APP)
        made = list(app.get_models(include_auto_created=True))
        for model in made:
            _copy(connection, editor, model)
        _keep_counting(connection, made)
        _drop(connection, old_tables)
        _rename_content_types(connection)
        MigrationRecorder(connection).migration_qs.filter(app=APP).exclude(
            name=FIRST_OF_TODAY
        ).delete()


def _set_aside(connection: BaseDatabaseWrapper) -> list[str]:
    """Give the tables of 0.1.0, their indexes and sequences other names; return those of the
    tables."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        tables = [
            name
            for name in connection.introspection.table_names(cursor)
            if name.startswith(f"{APP}_")
        ]
        for name in tables:
            cursor.execute(f"ALTER TABLE {quote(name)} RENAME TO {quote(ASIDE + name)}")
        aside = [ASIDE + name for name in tables]
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            )
            for index, table in cursor.fetchall():
                if table in aside:
                    cursor.execute(f"DROP INDEX {quote(index)}")
            return aside
        # Their names may be as long as PostgreSQL lets them be, so the new ones are numbers.
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = ANY(%s)", [aside])
        for number, (index,) in enumerate(cursor.fetchall()):
            cursor.execute(f"ALTER INDEX {quote(index)} RENAME TO {quote(f'{ASIDE}{number}')}")
        for table in aside:
            for sequence in connection.introspection.get_sequences(cursor, table):
                name = sequence["name"]
                cursor.execute(f"ALTER SEQUENCE {quote(name)} RENAME TO {quote(ASIDE + name)}")
    return aside


def _copy(
    connection: BaseDatabaseWrapper, editor: BaseDatabaseSchemaEditor, model: type[models.Model]
) -> None:
    quote = connection.ops.quote_name
    table = model._meta.db_table
    old_table = ASIDE + TABLES.get(table, table)
    with connection.cursor() as cursor:
        had = {
            column.name
            for column in connection.introspection.get_table_description(cursor, old_table)
        }
    columns = [str(field.column) for field in model._meta.local_concrete_fields]
    sources: dict[str, str] = {
        column: COLUMNS.get((table, column)) or quote(column)
        for column in columns
        if column in had or (table, column) in COLUMNS
    }
    names = ", ".join(map(quote, columns))
    select = f"SELECT {', '.join(sources.values())} FROM {quote(old_table)}"  # noqa: S608
    convert = CONVERSIONS.get(table)
    with connection.cursor() as reading, connection.cursor() as writing:
        if convert is None:
            names = ", ".join(map(quote, sources))
            writing.execute(f"INSERT INTO {quote(table)} ({names}) {select}")
            return
        reading.execute(select)
        places = ", ".join(["%s"] * len(columns))
        for rows in iter(lambda: reading.fetchmany(BATCH), []):
            converted = (convert(dict(zip(sources, row, strict=True))) for row in rows)
            writing.executemany(
                f"INSERT INTO {quote(table)} ({names}) VALUES ({places})",  # noqa: S608
                [[row[column] for column in columns] for row in converted],
            )


def _keep_counting(connection: BaseDatabaseWrapper, made: list[type[models.Model]]) -> None:
    """Give no number again that a row had once, even one that is deleted: indexes go by it."""
    with connection.cursor() as cursor:
        for model in made:
            table, key = model._meta.db_table, model._meta.pk
            if not isinstance(key, models.AutoField | models.BigAutoField):
                continue
            old_table = ASIDE + TABLES.get(table, table)
            if connection.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute(
                    "INSERT INTO sqlite_sequence (name, seq) "
                    "SELECT %s, seq FROM sqlite_sequence WHERE name = %s",
                    [table, old_table],
                )
                continue
            [old] = connection.introspection.get_sequences(cursor, old_table)
            name = connection.ops.quote_name(old["name"])
            setval = "setval(pg_get_serial_sequence(%s, %s), last_value, is_called)"
            cursor.execute(f"SELECT {setval} FROM {name}", [table, key.column])  # noqa: S608


def _drop(connection: BaseDatabaseWrapper, tables: list[str]) -> None:
    names = [connection.ops.quote_name(table) for table in tables]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":  # takes one at a time, and minds no references now
            for name in names:
                cursor.execute(f"DROP TABLE {name}")
        else:
            cursor.execute(f"DROP TABLE {', '.join(names)}")


def _rename_content_types(connection: BaseDatabaseWrapper) -> None:
    """Permissions that were given stay with the model that has another name now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE auth_permission SET codename = REPLACE(codename, %s, %s) "
            "WHERE content_type_id IN "
            "(SELECT id FROM django_content_type WHERE app_label = %s AND model = %s)",
            ["incomingfile", "resumableupload", APP, "incomingfile"],
        )
        cursor.execute(
            "UPDATE django_content_type SET model = %s WHERE app_label = %s AND model = %s",
            ["resumableupload", APP, "incomingfile"],
        )
