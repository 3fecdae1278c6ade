"""Stores to test: files, milvus-lite as a double, a toy and, where asked for, a real Milvus."""

from collections.abc import Callable, Iterator

import pytest
from django.conf import LazySettings

from gallery.models import ModelVersion
from gallery.vectors.base import IndexStore
from gallery.vectors.registry import BACKENDS, store_for_new
from tests.gallery.vectors.rows import make_model
from tests.gallery.vectors.servers import MilvusServer
from tests.gallery.vectors.toy_store import ENTRY

ADDRESSES = {"files": "faiss", "toy": "toy://here"}
"""Of the stores for which no server has to be started."""
MILVUSES = ("milvus-lite", pytest.param("milvus", marks=pytest.mark.slow))
FOLLOWERS = ("toy", *MILVUSES)
"""Those whose versions take in what comes and goes."""


@pytest.fixture(params=(*ADDRESSES, *MILVUSES))
def store(
    request: pytest.FixtureRequest,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    server_for: Callable[[str], MilvusServer],
) -> Iterator[IndexStore]:
    """A store without versions, which the settings name; emptied at the end."""
    monkeypatch.setitem(BACKENDS, "toy", ENTRY)
    settings.CONTEXTVISION_VECTOR_BACKEND = ADDRESSES.get(request.param) or (
        server_for(request.param).uri + "?consistency=strong&timeout=20"
    )
    store = store_for_new()
    yield store
    for location in store.locations():  # a server holds only so many collections
        store.remove(location)


@pytest.fixture
def model(db: None) -> ModelVersion:
    return make_model()
