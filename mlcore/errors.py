"""Failures that are expected, each with a message written for the person who meets it.

Whoever catches a :class:`ContextVisionError` may show ``str(error)`` as it is: it says what is
wrong and what to do. Any other exception is a defect of the program and is reported as such.
"""


class ContextVisionError(Exception):
    """Base of every expected failure."""


class ImageRejectedError(ContextVisionError):
    """A file is not accepted as a picture. The message names the file and the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type["ImageRejectedError"], tuple[str, str]]:
        # The error crosses a process border on its way out of the decoding process.
        return (ImageRejectedError, (self.name, self.reason))


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
