"""Django's command, which first takes over a database of release 0.1.0, and refuses a later one."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from gallery.management.takeover import APP, UnknownDatabaseError, is_of_0_1, take_over
from gallery.services.shipped_models import keep_shipped_models


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> Any:
        connection = connections[options["database"]]
        only_asks = options["plan"] or options["check_unapplied"]
        try:
            if is_of_0_1(connection):
                if not only_asks:
                    self.stdout.write("Taking over the database of release 0.1.0.")
                    take_over(connection)
            else:
                refuse_later(connection)
        except UnknownDatabaseError as error:
            raise CommandError(str(error)) from error
        done = super().handle(*args, **options)
        if not only_asks and not options["app_label"]:  # the tables are those of this release
            keep_shipped_models()
        return done


def refuse_later(connection: BaseDatabaseWrapper) -> None:
    """Let nobody run a release on a database that a later one has changed.

    Raises:
        UnknownDatabaseError: a later release has migrated it.
    """
    loader = MigrationLoader(connection)
    later = {name for app, name in loader.applied_migrations if app == APP} - {
        name for app, name in loader.disk_migrations if app == APP
    }
    if later:
        raise UnknownDatabaseError(
            f"A later release has migrated this database: this one does not know {min(later)!r}. "
            "Run that release again, or restore the backup that was made before the upgrade: "
            "docs/operations.md says how."
        )
