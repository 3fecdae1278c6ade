"""From a setting to a store."""

from pathlib import Path

from mlcore.vectorstore.address import FORM, MilvusAddress
from mlcore.vectorstore.base import VectorBackend
from mlcore.vectorstore.local import FaissBackend
from mlcore.vectorstore.milvus import MilvusBackend


def open_store(reference: str, directory: Path) -> VectorBackend:
    """Return the store that a setting names; no server is called yet.

    Args:
        reference: ``faiss``, or the address of a Milvus server:
            ``milvus://user:password@host:19530/database``, ``milvus+tls://...`` where encrypted.
        directory: where FAISS keeps its files.

    Raises:
        ValueError: it names neither, or the address is malformed.
    """
    if reference == "faiss":
        return FaissBackend(directory)
    if reference.startswith("milvus"):
        return MilvusBackend(MilvusAddress.parse(reference))
    raise ValueError(f"The vector store is 'faiss' or an address like {FORM}.")
