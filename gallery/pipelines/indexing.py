"""Vectors to an index, beside the one that is live."""

import shutil
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings

from gallery.models import ImageEmbedding, IndexVersion, Job
from gallery.pipelines.embedding import resolve_model
from mlcore.config import IndexSpec
from mlcore.errors import IndexMismatchError
from mlcore.progress import Progress


def rebuild_index(job: Job, progress: Progress) -> dict[str, Any]:
    """Build an index from the stored vectors and make it live.

    Params: ``model`` (reference; as for embedding). The live index is replaced only if it is
    still the one that was live at the start; otherwise this build was overtaken and steps back.
    """
    from mlcore.index import VectorIndex, remove_stale_builds

    live = IndexVersion.objects.active()
    version, _ = resolve_model(job.params.get("model"))
    progress.report(0, 3, "Reading vectors")
    ids, vectors, watermark = ImageEmbedding.objects.filter(model_version=version).matrix()
    if not len(ids):
        raise IndexMismatchError(
            f"There are no vectors of {version.name!r} to index yet. Import or upload pictures "
            "and let them be embedded ('manage.py embed')."
        )
    progress.report(1, 3, f"Building an index of {len(ids)} pictures")
    index = VectorIndex.build(
        ids, vectors, IndexSpec(), fingerprint=version.fingerprint, watermark=watermark
    )
    if progress.should_stop():
        return {}
    directory = uuid.uuid4().hex
    root = Path(settings.INDEX_DIR)
    manifest = index.save(root / directory)
    progress.report(2, 3, "Making it live")
    built = IndexVersion.objects.create(
        model_version=version,
        directory=directory,
        count=len(ids),
        watermark=watermark,
        manifest=asdict(manifest),
    )
    activated = built.activate(instead_of=live)
    if not activated:
        _remove(built)
        return {"superseded": True}
    for old in IndexVersion.objects.removable():
        _remove(old)
    remove_stale_builds(root, older_than_seconds=3600)
    progress.report(3, 3, "Live")
    return {"index": built.pk, "pictures": len(ids), "model": version.name}


def _remove(version: IndexVersion) -> None:
    """Forget a version that is not live; the row goes first, so nothing names missing files."""
    path = version.path
    deleted, _ = IndexVersion.objects.filter(pk=version.pk, is_active=False).delete()
    if deleted:
        shutil.rmtree(path, ignore_errors=True)
