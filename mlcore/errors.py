"""Failures that are expected, each with a message written for the person who meets it.

Whoever catches a :class:`ContextVisionError` may show ``str(error)`` as it is: it says what is
wrong and what to do. Any other exception is a defect of the program and is reported as such.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from mlcore.i18n import Message


class ContextVisionError(Exception):
    """Base of every expected failure: a code with parameters, which ``str`` puts into words.

    The words are in the language of whoever reads them, at that moment: the failure may have
    happened in another thread or process than the one that answers.
    """

    def __init__(self, code: str, /, **params: Any) -> None:
        """``code`` is one of the catalogues; see :class:`mlcore.i18n.Message` for both."""
        super().__init__(code)
        self.message = Message(code, params)

    def __str__(self) -> str:
        return str(self.message)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # It may cross a process border, and exceptions lose their keyword arguments there.
        return (partial(type(self), **self.message.params), (self.message.code,))


class ImageRejectedError(ContextVisionError):
    """A file is not accepted as a picture; ``reason`` is the message without the file's name."""

    def __init__(self, name: str, reason: str, /, **values: Any) -> None:
        """``reason`` is a code of the catalogues, with a place for each of ``values``."""
        self.name = name
        self.reason = Message(reason, values)
        super().__init__("image.rejected", name=name, reason=self.reason)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (partial(ImageRejectedError, **self.reason.params), (self.name, self.reason.code))


class ModelUnavailableError(ContextVisionError):
    """A model cannot be had: not in the cache, not in the folder, or not of the CLIP kind."""


class CheckpointError(ContextVisionError):
    """A stored checkpoint is incomplete or its bytes are not those that were written."""


class IndexFileError(ContextVisionError):
    """A stored index is missing, incomplete, or its bytes are not those that were written."""


class IndexMismatchError(ContextVisionError):
    """Vectors and index do not belong together: another model, or another width."""


class InvalidQueryError(ContextVisionError):
    """A query has no direction to search in: nothing asked, or its parts cancel out."""


class DatasetError(ContextVisionError):
    """A folder or archive is not in a layout that is known, or its listing is malformed."""


class TrainingError(ContextVisionError):
    """A training run cannot start, or stopped because its numbers are no longer finite."""


class RelevanceError(ContextVisionError):
    """A relevance model cannot be read, or cannot be fitted on what is at hand."""
