"""Example pictures that somebody searches with, kept for some hours under names nobody can guess.

An address can then hold such a search: it can be shared, gone back to and turned page by page. Who
knows the address sees the picture; nobody can list the others. What is kept is the small square
that the model looks at, not the file that was sent.
"""

import io
import re
import secrets
import time
from hashlib import sha256

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.translation import ngettext
from PIL.Image import Image

from mlcore.errors import ContextVisionError

EXAMPLE = "example."
"""Begins the name of an example picture in an address, where an id names one of the gallery."""
FOLDER = "examples"
KEPT = 10_000
"""Pictures kept at most, about 1 GB; the oldest go first."""

_KEY = re.compile(r"[0-9a-f]{8}[\w-]{22}", re.ASCII)
"""The time it was kept, in seconds, and 128 random bits."""


class ExampleGoneError(ContextVisionError):
    """An example picture was kept for as long as they are, or never."""

    def __init__(self) -> None:
        hours = settings.CONTEXTVISION_EXAMPLE_HOURS
        super().__init__(
            ngettext(
                "This example picture is no longer kept: choose it again. Example pictures are "
                "removed after %(hours)s hour.",
                "This example picture is no longer kept: choose it again. Example pictures are "
                "removed after %(hours)s hours.",
                hours,
            )
            % {"hours": hours}
        )


def keep_example(square: Image) -> str:
    """Keep a picture, RGB, and return the key to it."""
    key = f"{int(time.time()):08x}{secrets.token_urlsafe(16)}"
    encoded = io.BytesIO()
    square.save(encoded, "PNG", compress_level=1)  # without loss: the model sees the same pixels
    default_storage.save(_name(key), ContentFile(encoded.getvalue()))
    return key


def is_kept(key: str) -> bool:
    """Tell whether a picture of this key would still be kept, if there ever was one."""
    return _KEY.fullmatch(key) is not None and time.time() < _expiry(key)


def read_example(key: str) -> bytes:
    """Return the PNG that was kept under this key.

    Raises:
        ExampleGoneError: it has expired, or there never was one.
    """
    if not is_kept(key):
        raise ExampleGoneError
    try:
        with default_storage.open(_name(key)) as file:
            return bytes(file.read())
    except FileNotFoundError as error:
        raise ExampleGoneError from error


def remove_expired_examples() -> int:
    """Remove what was kept for long enough, and the oldest where there are too many."""
    try:
        names = sorted(default_storage.listdir(FOLDER)[1])
    except FileNotFoundError:
        return 0  # nothing was ever kept
    oldest_kept = f"{int(time.time() - _lifetime()):08x}"
    too_many = len(names) - KEPT
    expired = [name for at, name in enumerate(names) if name < oldest_kept or at < too_many]
    for name in expired:
        default_storage.delete(f"{FOLDER}/{name}")
    return len(expired)


def _name(key: str) -> str:
    # Hashed, so that who can list the files cannot tell the keys.
    return f"{FOLDER}/{key[:8]}-{sha256(key.encode()).hexdigest()}.png"


def _expiry(key: str) -> float:
    return int(key[:8], 16) + _lifetime()


def _lifetime() -> float:
    return float(settings.CONTEXTVISION_EXAMPLE_HOURS * 3600)
