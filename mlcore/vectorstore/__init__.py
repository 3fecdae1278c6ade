"""Vector stores: one protocol over FAISS on this machine and Milvus on many.

A store is derived from the embedding rows and can always be filled again from them;
:func:`check` tells where it differs and :func:`mend` brings it back.
"""

from mlcore.vectorstore.address import MilvusAddress
from mlcore.vectorstore.base import ACTIVE, Attributes, Record, VectorBackend, VersionInfo
from mlcore.vectorstore.errors import (
    UnknownVersionError,
    VectorStoreError,
    VectorStoreUnavailableError,
)
from mlcore.vectorstore.filters import Audience, Conditions, Filter
from mlcore.vectorstore.local import FaissBackend
from mlcore.vectorstore.milvus import MilvusBackend
from mlcore.vectorstore.opening import open_store
from mlcore.vectorstore.truth import Differences, check, mend

__all__ = [
    "ACTIVE",
    "Attributes",
    "Audience",
    "Conditions",
    "Differences",
    "FaissBackend",
    "Filter",
    "MilvusAddress",
    "MilvusBackend",
    "Record",
    "UnknownVersionError",
    "VectorBackend",
    "VectorStoreError",
    "VectorStoreUnavailableError",
    "VersionInfo",
    "check",
    "mend",
    "open_store",
]
