"""A model on its way out: one file with its index, the list of its pictures, and all query sets."""

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.text import slugify

from gallery.models import Image, IndexVersion, Job, ModelVersion, SavedQuerySet, SentenceEmbedding
from gallery.pipelines.bundles import CAPTIONS, BundleError, write_bundle
from gallery.selectors import tail_length
from gallery.vectors.registry import store_of
from gallery.vectors.sentences import IndexedCaptions
from mlcore.encoders import find_model
from mlcore.i18n import Message
from mlcore.progress import Progress

_AT_A_TIME = 1_000
"""Pictures looked up in one statement."""


@dataclass(frozen=True, slots=True)
class ExportedBundle:
    path: Path
    bytes: int
    model: ModelVersion
    pictures: int
    newer: int
    """Pictures that were embedded since the index was built and so are not in the bundle."""
    query_sets: int


def export(job: Job, progress: Progress) -> dict[str, Any]:
    """Write a bundle for somebody to download; it lies in the folder of transfers for a while.

    Params: ``model`` (id).
    """
    model = ModelVersion.objects.get(pk=job.params["model"])
    name = f"{slugify(model.name) or 'model'}-{model.fingerprint[:8]}.zip"
    folder = Path(settings.TRANSFER_DIR) / uuid.uuid4().hex
    folder.mkdir(parents=True)
    stage = Message.of("stage.writing", file=name)
    progress.report(0, 1, stage)
    try:
        done = export_bundle(folder / name, model=model)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    progress.report(1, 1, stage)
    return {
        "file": f"{folder.name}/{name}",
        "bytes": done.bytes,
        "model": model.name,
        "pictures": done.pictures,
        "newer": done.newer,
    }


def export_bundle(path: Path, *, model: ModelVersion | None = None) -> ExportedBundle:
    """Write a model, its index, the list of its pictures, and all query sets into one file.

    Args:
        path: the file to make; must not exist.
        model: the live one where None.

    Raises:
        BundleError: nothing is live, the model has no index, or the file cannot be written.
        IndexFileError, ModelUnavailableError: what should be exported is damaged or gone.
    """
    from mlcore.index import VectorIndex

    index = _index_of(model)
    folder = store_of(index).folder(index)
    if folder is None:
        raise BundleError("bundle.index_elsewhere", index=str(index), store=index.store)
    model = index.model_version
    model.load_encoder()
    ids = VectorIndex.load(folder, fingerprint=model.fingerprint).ids
    pictures = [
        (int(pk), sha256)
        for start in range(0, len(ids), _AT_A_TIME)
        for pk, sha256 in Image.objects.filter(pk__in=ids[start : start + _AT_A_TIME].tolist())
        .order_by("pk")
        .values_list("pk", "sha256")
    ]
    sets = [_told(query_set) for query_set in SavedQuerySet.objects.all()]
    write_bundle(
        path,
        about={
            "model": {
                "name": model.name,
                "fingerprint": model.fingerprint,
                "image_fingerprint": model.image_fingerprint,
                "dim": model.dim,
                "views": model.views,
                "recipe": model.recipe,
                "data": model.data,
            },
            "index": {"count": index.count, "pictures": len(pictures)},
            **_sentence_model(index),
        },
        model=find_model(model.reference).directory,
        index=folder,
        pictures=pictures,
        query_sets=sets,
        sentences=_sentences(index, folder),
    )
    return ExportedBundle(
        path, path.stat().st_size, model, len(pictures), tail_length(index), len(sets)
    )


def _sentence_model(index: IndexVersion) -> dict[str, Any]:
    model = index.sentence_model
    if model is None:
        return {}
    about = {"reference": model.reference, "fingerprint": model.fingerprint, "dim": model.dim}
    return {"sentences": about}


def _sentences(index: IndexVersion, folder: Path) -> list[tuple[int, str]] | None:
    """Tell what each row of the index of captions and titles is of; no digest where it is said
    otherwise by now."""
    model = index.sentence_model
    if model is None:
        return None
    captions = IndexedCaptions.load(model, folder / CAPTIONS, index.sentence_watermark)
    rows = SentenceEmbedding.objects.of_model(model).filter(pk__lte=index.sentence_watermark)
    known = {
        (image_id, key): digest
        for image_id, key, digest in rows.values_list("image_id", "key", "digest").iterator()
    }
    table = zip(captions.table.images.tolist(), captions.table.keys.tolist(), strict=True)
    return [(image_id, known.get((image_id, key), "")) for image_id, key in table]


def _index_of(model: ModelVersion | None) -> IndexVersion:
    rows = IndexVersion.objects.select_related("model_version", "sentence_model")
    found = rows.filter(is_active=True).first()
    if model is not None and (found is None or found.model_version != model):
        found = rows.filter(model_version=model).first()
    if found is None:
        if model is None:
            raise BundleError("bundle.nothing_live")
        raise BundleError("bundle.no_index", model=model.name)
    return found


def _told(query_set: SavedQuerySet) -> dict[str, Any]:
    queries = query_set.queries.prefetch_related("relevant")
    return {
        "name": query_set.name,
        "description": query_set.description,
        "tolerance": query_set.tolerance,
        "queries": [
            {"text": query.text, "relevant": [image.sha256 for image in query.relevant.all()]}
            for query in queries
        ],
    }
