"""Models that come with the program, kept so that a later release may ship others.

A site goes on searching with the model that its index was made with. That of a row called
``starter`` would be gone with the release that shipped it, so each is copied to the models of this
installation while it is there; when another one is shipped, the row leads to the copy.
"""

import shutil
import uuid
from functools import cache
from pathlib import Path

from django.conf import settings

from gallery.models import ModelVersion
from mlcore.config import Views
from mlcore.encoders.registry import FAMILIES, find_model, model_fingerprint
from mlcore.encoders.views import with_views
from mlcore.errors import ContextVisionError

_CODED = 16
"""Digits of a fingerprint in the name of a copy."""


def keep_shipped_models() -> None:
    """Copy what is shipped and indexed here, and lead rows of what was shipped to their copies.

    Nothing is done where there is no copy and none can be made: searches tell so.
    """
    shipped = {name for family in FAMILIES.values() for name in family.shipped}
    rows = ModelVersion.objects.filter(reference__in=shipped, index_versions__isnull=False)
    for row in rows.distinct():
        place = Path(settings.MODELS_DIR) / f"{row.reference}-{row.fingerprint[:_CODED]}"
        if not place.exists():
            source = _source(row)
            if source is None:
                continue
            _copy(source, place)
            if not place.exists():
                continue
        if _fingerprint(row.reference, row.looks_at) != row.fingerprint:
            # Its name is free for the one that is shipped now.
            row.name, row.reference = f"{row.name} {row.fingerprint[:8]}", str(place)
            row.save(update_fields=["name", "reference"])


def _source(row: ModelVersion) -> Path | None:
    """Find a folder of this release with the model of this row."""
    if _fingerprint(row.reference, row.looks_at) == row.fingerprint:
        return find_model(row.reference).directory
    for family in FAMILIES.values():
        for folder in family.former if row.reference in family.shipped else ():
            if _fingerprint(str(folder), row.looks_at) == row.fingerprint:
                return folder
    return None


@cache
def _fingerprint(reference: str, views: Views) -> str:
    """What is shipped does not change while a process runs; empty where it cannot be read."""
    try:
        return with_views(model_fingerprint(find_model(reference)), views)
    except ContextVisionError:
        return ""


def _copy(source: Path, place: Path) -> None:
    temporary = place.with_name(f".tmp-{uuid.uuid4().hex}")
    try:
        shutil.copytree(source, temporary, ignore=shutil.ignore_patterns(".*"))
        temporary.rename(place)
    except OSError:
        # Another process was faster, or the disk is full: it is tried again.
        shutil.rmtree(temporary, ignore_errors=True)
