"""Triggers of the database, which note what has changed, whoever changed it.

Services, bulk updates, the admin, imports and statements typed into a console all go through the
database, so it is the one place that misses none of them. Triggers are taken away before a
migration of the gallery and made after it: in SQLite a table that is made anew loses its own and
trips over those of others that name it, and PostgreSQL changes no column that a trigger names.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True, slots=True)
class Trigger:
    """What is done after a row was changed."""

    name: str
    table: str
    event: str
    """``INSERT``, ``DELETE``, or ``UPDATE``, with the columns that matter."""
    body: str
    """Statements that read the rows OLD and NEW."""
    changed: tuple[str, ...] = ()
    """Columns of which one must have another value."""
    condition: str = ""
    """What must hold besides."""

    def statements(self, vendor: str) -> Iterator[str]:
        """Yield what makes it."""
        when = self._when("IS NOT" if vendor == "sqlite" else "IS DISTINCT FROM")
        head = f"CREATE TRIGGER {self.name} AFTER {self.event} ON {self.table} FOR EACH ROW {when}"
        if vendor == "sqlite":
            yield f"{head}BEGIN {self.body} END"
            return
        yield (
            f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {self.body} RETURN NULL; END $$"
        )
        yield f"{head}EXECUTE FUNCTION {self.name}()"

    def _when(self, differs: str) -> str:
        changed = " OR ".join(f"OLD.{name} {differs} NEW.{name}" for name in self.changed)
        conditions = " AND ".join(f"({each})" for each in (changed, self.condition) if each)
        return f"WHEN ({conditions}) " if conditions else ""

    def digest(self, vendor: str) -> str:
        """Tell whether it is the same as one that was made before."""
        return sha256("\n".join(self.statements(vendor)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TriggerSet:
    """Triggers that are made and removed together."""

    prefix: str
    """What all their names begin with, and no others'."""
    of: Callable[[str], Iterable[Trigger]]
    """Returns them for a kind of database: ``sqlite`` or ``postgresql``."""

    def install(self, connection: BaseDatabaseWrapper) -> bool:
        """Make them where they are not as they should be; return whether they were not."""
        digests = self._wanted(connection)
        if self._present(connection) == digests:
            return False
        self.remove(connection)
        with connection.cursor() as cursor:
            for each in self.of(connection.vendor):
                for statement in each.statements(connection.vendor):
                    cursor.execute(statement)
                if connection.vendor == "postgresql":
                    digest = digests[each.name]
                    cursor.execute(f"COMMENT ON TRIGGER {each.name} ON {each.table} IS '{digest}'")
        return True

    def remove(self, connection: BaseDatabaseWrapper) -> None:
        """Remove all of them."""
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                for name in self._present(connection):
                    cursor.execute(f"DROP TRIGGER {name}")
                return
            cursor.execute(
                "SELECT tgname, tgrelid::regclass::text FROM pg_trigger "
                "WHERE starts_with(tgname, %s)",
                [self.prefix],
            )
            for name, table in cursor.fetchall():
                cursor.execute(f"DROP TRIGGER {name} ON {table}")

    def are_installed(self, connection: BaseDatabaseWrapper) -> bool:
        """Tell whether all are there as they should be."""
        return self._present(connection) == self._wanted(connection)

    def _wanted(self, connection: BaseDatabaseWrapper) -> dict[str, str]:
        """Return the digests of the triggers that there should be, by name."""
        return {each.name: each.digest(connection.vendor) for each in self.of(connection.vendor)}

    def _present(self, connection: BaseDatabaseWrapper) -> dict[str, str]:
        """Return the digests of the triggers that there are, by name."""
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
                made = {
                    name: sql for name, sql in cursor.fetchall() if name.startswith(self.prefix)
                }
                return {name: sha256(sql.encode()).hexdigest() for name, sql in made.items()}
            cursor.execute(
                "SELECT tgname, obj_description(oid, 'pg_trigger') FROM pg_trigger "
                "WHERE starts_with(tgname, %s)",
                [self.prefix],
            )
            return {name: digest or "" for name, digest in cursor.fetchall()}
