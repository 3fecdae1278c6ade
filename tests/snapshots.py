"""States of the gallery that take long to make: made once in a run of the tests, then put back.

A state is all rows of the gallery and the files that belong to them. It is put back only where the
gallery stands, to the last byte, as it stood when the state was made, and under the same settings:
otherwise it is made anew. So a test cannot tell the one from the other, but for the time.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Model
from django.db.models.fields.files import FieldFile

from contextvision_site.settings.test import TEST_DATA_DIR
from gallery.models import AuditEvent, StaleText

_LOCAL_STORAGE = "gallery.storage.AtomicFileSystemStorage"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state of the gallery, kept outside of it."""

    rows: dict[type[Model], list[Model]]
    folders: dict[Path, Path]
    """Copies of the folders of pictures, indexes and models, by where those were."""


_kept: dict[str, Snapshot] = {}


def made_once(what: Hashable, make: Callable[[], object]) -> None:
    """Bring the gallery into the state that ``make`` leads to from where it stands.

    ``what`` names ``make``, which changes the gallery and nothing else, and all that it is given.
    """
    if settings.STORAGES["default"]["BACKEND"] != _LOCAL_STORAGE:
        make()  # its files are elsewhere
        return
    key = repr((what, _settings(), _state()))
    if key in _kept:
        _restore(_kept[key])
        return
    make()
    copies = Path(tempfile.mkdtemp(dir=TEST_DATA_DIR, prefix="snapshot-"))
    folders = {folder: copies / str(number) for number, folder in enumerate(_folders())}
    for folder, copy in folders.items():
        if folder.exists():
            shutil.copytree(folder, copy)
    rows = {model: list(model._base_manager.all()) for model in _models()}
    _kept[key] = Snapshot(rows, folders)


def _folders() -> list[Path]:
    return [Path(settings.MEDIA_ROOT), Path(settings.INDEX_DIR), Path(settings.MODELS_DIR)]


def _models() -> Iterator[type[Model]]:
    # Notes of what changed, or was done, say nothing of a state: putting one back leaves a note of
    # every row.
    for model in apps.get_app_config("gallery").get_models(include_auto_created=True):
        if model not in (StaleText, AuditEvent):
            yield model


def _settings() -> list[tuple[str, str]]:
    names = [name for name in dir(settings) if name.startswith("CONTEXTVISION_")]
    return [(name, repr(getattr(settings, name))) for name in names]


def _state() -> str:
    digest = hashlib.sha256()
    for model in _models():
        for row in model._base_manager.order_by("pk").values_list():
            digest.update(repr(row).encode())
    return digest.hexdigest()


def _restore(snapshot: Snapshot) -> None:
    for folder, copy in zip(_folders(), snapshot.folders.values(), strict=True):
        if copy.exists():
            shutil.copytree(copy, folder, dirs_exist_ok=True)
    moves = [(str(then), str(now)) for then, now in zip(snapshot.folders, _folders(), strict=True)]
    with transaction.atomic():  # keys between tables are looked at when it ends
        for model in snapshot.rows:
            model._base_manager.all()._raw_delete("default")
        for model, rows in snapshot.rows.items():
            fields = model._meta.concrete_fields
            moved = [_moved(row, moves) for row in rows]
            # Triggers may have written to it meanwhile.
            model._base_manager.all()._raw_delete("default")
            if moved:
                # ``bulk_create`` would write the time of today over that of the row.
                table: Any = model._base_manager.all()
                table._insert(moved, fields, using="default", raw=True)
        # Rows came with their numbers, which PostgreSQL would give out again.
        with connection.cursor() as cursor:
            for sql in connection.ops.sequence_reset_sql(no_style(), list(snapshot.rows)):
                cursor.execute(sql)


def _moved(row: Model, moves: list[tuple[str, str]]) -> Model:
    """Return a row in which addresses of files lead to the folders of now."""
    values = {}
    for field in row._meta.concrete_fields:
        value = field.value_from_object(row)
        if isinstance(value, FieldFile):
            value = value.name
        elif isinstance(value, str):
            for then, now in moves:
                if value.startswith(then):
                    value = now + value.removeprefix(then)
        values[field.attname] = value
    return type(row)(**values)
