"""Where index versions are kept: in files on this machine, or in a vector store on many."""

import logging
from collections.abc import Callable, Sequence
from functools import cache
from operator import methodcaller
from pathlib import Path

import numpy as np
from django.conf import settings

from gallery.models import IndexVersion, ModelVersion
from gallery.stores.backend import BackendStore
from gallery.stores.base import IndexStore, LikelyQueries, Lookup
from gallery.stores.files import FileStore
from mlcore.errors import IndexMismatchError
from mlcore.vectorstore import VectorStoreError, open_store

__all__ = [
    "BackendStore",
    "IndexStore",
    "LikelyQueries",
    "Lookup",
    "backend_store",
    "catch_up",
    "pass_on_deleted",
    "pass_on_live",
    "pass_on_new",
    "store_for_new",
    "store_of",
]

logger = logging.getLogger(__name__)


def store_for_new() -> IndexStore:
    """Return the store that the settings name, in which new index versions are made."""
    return backend_store() or FileStore()


def backend_store() -> BackendStore | None:
    """Return the vector store on other machines, if the settings name one."""
    reference = settings.CONTEXTVISION_VECTOR_BACKEND
    return None if reference == "faiss" else _opened(reference)


def store_of(index: IndexVersion) -> IndexStore:
    """Return the store that a version is kept in.

    Raises:
        VectorStoreError: it is in a vector store that the settings do not name any more.
    """
    if index.store == IndexVersion.IN_FILES:
        return FileStore()
    found = backend_store()
    if found is None:
        raise VectorStoreError(
            f"{index} is kept in Milvus, and CONTEXTVISION_VECTOR_BACKEND does not say where that "
            "is. Set it to the server's address, or build an index in files with "
            "'manage.py build_index'."
        )
    return found


def pass_on_new(model: ModelVersion) -> None:
    """Let kept versions take in what was embedded with this model.

    One that cannot do so now stays behind, which its row remembers; workers try again.
    """
    for index in IndexVersion.objects.of_vectors(model):
        _attempt(index, methodcaller("follow", index))


def catch_up() -> None:
    """Let kept versions take in whatever they are behind by."""
    for index in IndexVersion.objects.select_related("model_version"):
        _attempt(index, methodcaller("follow", index))


def pass_on_deleted(ids: Sequence[int]) -> None:
    """Let kept versions take deleted pictures out.

    One that cannot do so now keeps vectors that no search shows and 'manage.py check_vectors
    --mend' removes.
    """
    gone = np.array(ids, dtype=np.int64)
    for index in IndexVersion.objects.all():
        _attempt(index, methodcaller("forget", index, gone))


def pass_on_live(index: IndexVersion) -> None:
    """Let a store know which version is live; searches ask the database and do not need that."""
    _attempt(index, methodcaller("went_live", index))


def _attempt(index: IndexVersion, work: Callable[[IndexStore], None]) -> None:
    try:
        work(store_of(index))
    except (VectorStoreError, IndexMismatchError) as error:
        logger.warning("%s was not brought up to date: %s", index, error)


@cache
def _opened(reference: str) -> BackendStore:
    # The folder is for a store of FAISS, which has files of its own and is not reached here.
    return BackendStore(open_store(reference, Path(settings.INDEX_DIR)))
