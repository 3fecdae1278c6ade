"""Stores to test: FAISS, milvus-lite as a double, and, where asked for, a real Milvus."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlcore.vectorstore import FaissBackend, MilvusAddress, MilvusBackend, VectorBackend
from tests.mlcore.vectorstore.servers import MilvusServer

ENGINES = ("faiss", "milvus-lite", pytest.param("milvus", marks=pytest.mark.slow))
MILVUSES = ENGINES[1:]


Opener = Callable[[], VectorBackend]


@pytest.fixture(params=ENGINES)
def open_again(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    server_for: Callable[[str], MilvusServer],
) -> Opener:
    """Opens a store of this test, the same one each time, as another process would."""
    if request.param == "faiss":
        return lambda: FaissBackend(tmp_path / "store")
    address = MilvusAddress.parse(server_for(request.param).uri + "?consistency=strong&timeout=20")
    namespace = f"test{uuid.uuid4().hex[:12]}"
    return lambda: MilvusBackend(address, namespace=namespace)


@pytest.fixture
def store(open_again: Opener) -> Iterator[VectorBackend]:
    """A store without versions, emptied at the end: a server holds only so many collections."""
    store = open_again()
    yield store
    spare = "the_last_one"
    if any(info.name != spare for info in store.versions()):
        store.create_version(spare, dim=2, fingerprint="none")
        store.activate(spare)
        for info in store.versions():
            if info.name != spare:
                store.drop(info.name)
