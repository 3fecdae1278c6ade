"""Vectors as rows hold them, and the locks that keep rows in order."""

import zlib
from collections.abc import Sequence

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from mlcore.config import FloatMatrix

_STORED = "<f4"
"""float32, little-endian, whatever machine reads it."""
_UNIT = 1e-3
"""By how much the length of a vector may differ from 1."""


def pack(vector: NDArray[np.float32]) -> bytes:
    """Return a vector as it is stored."""
    return np.ascontiguousarray(vector, dtype=_STORED).tobytes()


def unpack(stored: Sequence[bytes], dim: int = -1) -> FloatMatrix:
    """Return stored vectors, float32 of shape (n, dim); ``dim`` must be given where there may be
    none."""
    flat = np.frombuffer(b"".join(stored), dtype=_STORED).astype(np.float32, copy=False)
    return flat.reshape(len(stored), dim)


def checksum(stored: bytes) -> int:
    """Return the CRC-32 of a stored vector, which is kept beside it."""
    return zlib.crc32(stored)


def is_sound(stored: bytes, dim: int, kept: int | None) -> bool:
    """Tell whether these bytes are a vector of ``dim`` finite numbers, of unit norm within 1e-3,
    and those of which the checksum was kept, where one was."""
    if len(stored) != 4 * dim or (kept is not None and checksum(stored) != kept):
        return False
    length = float(np.linalg.norm(unpack([stored], dim)))
    return abs(length - 1.0) <= _UNIT  # false for what is not a number


def lock_writers(number: int) -> None:
    """Wait for other writers that take the same lock, until the transaction ends.

    SQLite has one writer at a time anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
