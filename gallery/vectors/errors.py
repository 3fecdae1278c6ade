"""Failures of a vector store."""

from mlcore.errors import ContextVisionError


class VectorStoreError(ContextVisionError):
    """A vector store refused what it was asked, or what it holds is damaged."""


class VectorStoreUnavailableError(VectorStoreError):
    """A vector store cannot answer now; the same request may succeed later."""


class StoreNotNamedError(VectorStoreError):
    """The settings do not say where the store of a version is."""


class UnknownVersionError(VectorStoreError):
    """A version is not in the store that its row names."""
