"""The secret that is kept in a file where the environment names none."""

import os
import secrets
import tempfile
from functools import cache
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

MIN_SECRET_LENGTH = 32
"""Characters; Django's own deployment check asks for 50, a token of 32 bytes has 43."""


@cache
def kept_secret(name: str, file: Path) -> str:
    """Return what the file holds; the first process that asks makes it."""
    if not file.exists():
        _make_secret(name, file)
    try:
        kept = file.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{file} cannot be read ({error.strerror}). Let this user read it, or set {name}."
        ) from error
    if len(kept) < MIN_SECRET_LENGTH:
        raise ImproperlyConfigured(
            f"{file} does not hold a secret of at least {MIN_SECRET_LENGTH} characters. Delete it "
            f"and a new one is made (everybody has to log in again), or set {name}."
        )
    return kept


def _make_secret(name: str, file: Path) -> None:
    """Write a new secret that only this user can read; it appears whole or not at all."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=".secret-")
    except OSError as error:
        raise ImproperlyConfigured(
            f"{file.parent} cannot be written to ({error.strerror}), so no secret can be kept "
            f"there. Let this user write to it, or set {name}."
        ) from error
    try:
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(48))
        os.link(temporary, file)
    except FileExistsError:
        pass  # another process of the same start was faster
    finally:
        Path(temporary).unlink()
