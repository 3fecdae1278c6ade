"""Failures of a vector store, in words for the person who meets them."""

from mlcore.errors import ContextVisionError


class VectorStoreError(ContextVisionError):
    """A vector store refused what it was asked, or what it holds is damaged."""


class VectorStoreUnavailableError(VectorStoreError):
    """A vector store cannot answer now; the same request may succeed later."""


class UnknownVersionError(VectorStoreError):
    """A version does not exist, or none is active."""
