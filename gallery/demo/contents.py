"""What the demo imports and searches for."""

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings

from gallery.demo import photos
from gallery.models import Caption, Collection, Image, IndexVersion

OUTSIDE_SAMPLE_QUERY = "people outdoors"
"""Asked of pictures that came without captions."""


def import_params(source: Path | None) -> dict[str, Any]:
    """Say what is imported: a folder or an archive, or the demo's own photographs.

    Raises:
        DatasetError: these are asked for, and scikit-image is not installed.
    """
    if source is None:
        source = photos.lay_out(settings.DATA_DIR / "demo-photos")
        collection = photos.COLLECTION
    else:
        source = source.expanduser().resolve()
        collection = source.stem
    return {
        "path": str(source),
        "collection": collection[: Collection._meta.get_field("name").max_length],
        "listing": _listing_digest(source),
    }


def is_searchable() -> bool:
    """Tell whether the live model is as it should be and no picture lacks a vector."""
    live = IndexVersion.objects.active()
    if live is None or not live.model_version.is_as_set:
        return False
    return not Image.objects.missing_embeddings(live.model_version).exists()


def sample_query() -> str:
    """Return what to ask for, so that something is found."""
    if Image.objects.filter(collection__name=photos.COLLECTION).exists():
        return photos.SAMPLE_QUERY
    caption = Caption.objects.order_by("pk").first()
    return caption.text if caption else OUTSIDE_SAMPLE_QUERY


def _listing_digest(source: Path) -> str:
    """Tell one state of a folder or archive from another by names, sizes and times of its files."""
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            facts = file.stat()
            digest.update(
                f"{file}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode(errors="replace")
            )
    return digest.hexdigest()
