"""Example pictures that somebody searches with, kept for some hours under names nobody can guess.

An address can then hold such a search: it can be shared, gone back to and turned page by page. Who
knows the address sees the picture; nobody can list the others. What is kept is the middle of
the picture, at the few pixels that are looked at, not the file that was sent.
"""

import io
import re
import secrets
import time
from hashlib import sha256
from typing import Self

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from PIL.Image import Image

from mlcore.errors import ContextVisionError

EXAMPLE = "example."
"""Begins the name of an example picture in an address, where an id names one of the gallery."""
FOLDER = "examples"
KEPT = 10_000
MOST_BYTES = 2**30
"""Pictures kept at most, and what they weigh; the oldest go first."""
LOOK_AFTER = 64
"""Pictures that a process keeps between two looks whether there are too many, so that the bound
holds with no worker as well; they weigh some 10 MB."""

_LIKELY_BYTES = 100_000
"""Of a picture in a bucket, which would have to be asked for each."""
_kept_since_look = LOOK_AFTER

_KEY = re.compile(r"[0-9a-f]{8}[\w-]{22}", re.ASCII)
"""The time it was kept, in seconds, and 128 random bits."""
_OURS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{64}\.png")
"""Names of files."""


class ExampleGoneError(ContextVisionError):
    """An example picture was kept for as long as they are, or never."""

    def __init__(self) -> None:
        super().__init__("example.gone", count=settings.CONTEXTVISION_EXAMPLE_HOURS)

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return (type(self), ())


def keep_example(picture: Image) -> str:
    """Keep a picture, RGB, and return the key to it.

    Raises:
        DiskFullError: there is no room for it.
    """
    key = f"{int(time.time()):08x}{secrets.token_urlsafe(16)}"
    _look_now_and_then()
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", compress_level=1)  # without loss: the model sees the same pixels
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
        # Others are still being written.
        names = sorted(filter(_OURS.fullmatch, default_storage.listdir(FOLDER)[1]))
    except FileNotFoundError:
        return 0  # nothing was ever kept
    oldest_kept = f"{int(time.time() - _lifetime()):08x}"
    left, expired = MOST_BYTES, 0
    for place, name in enumerate(reversed(names)):
        left -= _weight(name)
        if name < oldest_kept or place >= KEPT or left < 0:
            default_storage.delete(f"{FOLDER}/{name}")
            expired += 1
    return expired


def _look_now_and_then() -> None:
    global _kept_since_look
    _kept_since_look += 1
    if _kept_since_look > LOOK_AFTER:
        _kept_since_look = 0
        remove_expired_examples()


def _weight(name: str) -> int:
    if not isinstance(default_storage, FileSystemStorage):
        return _LIKELY_BYTES
    try:
        return default_storage.size(f"{FOLDER}/{name}")
    except FileNotFoundError:
        return 0  # another process removed it


def _name(key: str) -> str:
    # Hashed, so that who can list the files cannot tell the keys.
    return f"{FOLDER}/{key[:8]}-{sha256(key.encode()).hexdigest()}.png"


def _expiry(key: str) -> float:
    return int(key[:8], 16) + _lifetime()


def _lifetime() -> float:
    return float(settings.CONTEXTVISION_EXAMPLE_HOURS * 3600)
