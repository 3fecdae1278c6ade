"""Index versions: whether they can be read, and are as the rows say."""

from collections.abc import Iterator

import numpy as np

from gallery.models import ImageEmbedding, IndexVersion, Job
from gallery.pipelines.doctor.findings import Examination, Finding, Step
from gallery.pipelines.indexing import build_index, make_live, remove_index
from gallery.vectors.base import IndexStore
from gallery.vectors.errors import StoreNotNamedError, VectorStoreUnavailableError
from gallery.vectors.reconcile import Drift, compare, compare_sentences, repair
from gallery.vectors.registry import store_for_new, store_of
from gallery.vectors.sentences import SentenceStore
from mlcore.errors import ContextVisionError
from mlcore.i18n import Message


def check_indexes(examination: Examination, after: int) -> Iterator[Step]:
    """Read every version, and compare it with the rows. Files that are not as they should be are
    built anew where they are live, and removed where not; a store is brought to what the rows
    say.

    Raises:
        VectorStoreUnavailableError: a store cannot be reached.
    """
    versions = IndexVersion.objects.select_related("model_version", "sentence_model")
    for index in versions.filter(pk__gt=after).order_by("pk"):
        yield Step(index.pk, list(_look(examination, index)))
    yield Step(after, list(_strays(examination)))


def _look(examination: Examination, index: IndexVersion) -> Iterator[Finding]:
    number = str(index.pk)
    try:
        store = store_of(index)
        store.check(index, thoroughly=True)
        if store.follows_rows:
            yield from _reconciled(examination, store, index)
            return
        drift = _drift(store, index)
    except VectorStoreUnavailableError:
        raise  # what is out of reach for the moment is not damaged
    except ContextVisionError as error:
        told = Message.of("doctor.index_unusable", index=number, reason=error.message)
        can_be_mended = not isinstance(error, StoreNotNamedError)
        mended = examination.repairing and can_be_mended and _replace(examination, index)
        yield Finding(told, mended)
        return
    if drift:
        told = Message.of("doctor.index_differs", index=number, drift=drift.message)
        yield Finding(told, examination.repairing and _replace(examination, index))


def _drift(store: IndexStore, index: IndexVersion) -> Drift:
    """Compare files with the rows they were made of.

    What was deleted since is still in them, and what came since is not. Numbers of an index that
    is not exact are rounded.
    """
    found = compare(store, index)
    rows = ImageEmbedding.objects.of_model(index.model_version)
    held = rows.filter(pk__lte=index.watermark, image_id__in=found.missing.tolist())
    missing = np.array(sorted(held.values_list("image_id", flat=True)), dtype=np.int64)
    none = np.empty(0, dtype=np.int64)
    is_exact = index.manifest.get("kind") == "flat"
    return Drift(missing, none, found.changed if is_exact else none)


def _replace(examination: Examination, index: IndexVersion) -> bool:
    if not index.is_active:
        return remove_index(index)
    built = build_index(index.model_version, examination.progress)
    if make_live(built, instead_of=index, job=examination.job):
        return remove_index(index)
    remove_index(built)
    return False


def _reconciled(
    examination: Examination, store: IndexStore, index: IndexVersion
) -> Iterator[Finding]:
    number = str(index.pk)
    drift = (repair if examination.repairing else compare)(store, index)
    if drift:
        told = Message.of("doctor.index_differs", index=number, drift=drift.message)
        yield Finding(told, examination.repairing)
    if isinstance(store, SentenceStore) and index.sentence_model is not None:
        drift = compare_sentences(store, index, repairing=examination.repairing)
        if drift:
            told = Message.of("vectors.sentences_compared", index=number, drift=drift.message)
            yield Finding(told, examination.repairing)


def _strays(examination: Examination) -> Iterator[Finding]:
    """Name versions in a store that no row names."""
    store = store_for_new()
    if not store.follows_rows or Job.objects.filling_indexes().exists():
        return  # what belongs to nothing yet may be theirs
    rows = IndexVersion.objects.filter(store=store.scheme)
    for location in sorted(set(store.locations()) - set(rows.values_list("location", flat=True))):
        if examination.repairing:
            store.remove(location)
        yield Finding(Message.of("vectors.stray", location=location), examination.repairing)
