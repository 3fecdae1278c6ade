"""Failures that are expected, each with a message written for the person who meets it.

Whoever catches a :class:`ContextVisionError` may show ``str(error)`` as it is: it says what is
wrong and what to do. Any other exception is a defect of the program and is reported as such.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from mlcore.words import gettext


class ContextVisionError(Exception):
    """Base of every expected failure."""


class ImageRejectedError(ContextVisionError):
    """A file is not accepted as a picture. The message names the file and the reason.

    The reason is put into the language of whoever reads it, at that moment: the file may have been
    looked at in another thread or process than the one that answers.
    """

    def __init__(self, name: str, reason: str, **values: str) -> None:
        """``reason`` has a place such as ``%(limit)s`` for each of ``values``."""
        super().__init__(name, reason)
        self.name = name
        self.told = (reason, values)

    @property
    def reason(self) -> str:
        sentence, values = self.told
        return gettext(sentence) % values if values else gettext(sentence)

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # The error crosses a process border on its way out of the decoding process.
        reason, values = self.told
        return (partial(ImageRejectedError, **values), (self.name, reason))


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
