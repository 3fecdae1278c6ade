"""Django's SQLite, for a database whose folder may not be there yet: it is made on first use."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        name = str(conn_params["database"])
        if name != ":memory:" and not name.startswith("file:"):
            folder = Path(name).parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ImproperlyConfigured(
                    f"The folder {folder} of the database cannot be made ({error.strerror}). Name "
                    "one that this user may write to with CONTEXTVISION_DATA_DIR or DATABASE_URL."
                ) from error
        return super().get_new_connection(conn_params)
