"""Typed readers of environment variables; an error names the variable and what it accepts."""

import errno
import os
import re
import secrets
import tempfile
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

MIN_SECRET_LENGTH = 32
"""Characters; Django's own deployment check asks for 50, a token of 32 bytes has 43."""


def text(name: str, default: str) -> str:
    return os.environ.get(name, default).strip()


def words(name: str, default: str) -> list[str]:
    """Read a comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def flag(name: str, default: bool) -> bool:
    value = text(name, "on" if default else "off").lower()
    if value in {"1", "on", "true", "yes"}:
        return True
    if value in {"0", "off", "false", "no", ""}:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is not understood: use 'on' or 'off'.")


def whole(name: str, default: int, *, minimum: int = 0) -> int:
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        number = minimum - 1
    if number < minimum:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not understood: use a whole number of at least {minimum}."
        )
    return number


def choice(name: str, default: str, allowed: Collection[str]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not understood: use one of {', '.join(allowed)}."
        )
    return value


def rate(name: str, default: str) -> str:
    """Read how many requests are answered in which time, as the API's throttles take it."""
    value = text(name, default)
    if not re.fullmatch(r"\d+/(second|minute|hour|day)", value):
        raise ImproperlyConfigured(
            f"{name}={value!r} is not understood: use a number a second, minute, hour or day, "
            "such as 120/minute."
        )
    return value


def folder(name: str, default: Path) -> Path:
    """Read a folder to write to, and make it where it is missing."""
    path = Path(text(name, str(default))).expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}: the folder {path} cannot be used ({error.strerror}). Name one that this "
            "user may write to."
        ) from error
    return path


def database(name: str, default: str) -> dict[str, Any]:
    url = text(name, default)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an unknown kind, with the password in clear
            config: dict[str, Any] = dict(environ.Env.db_url_config(url))
    except Exception as error:  # environ raises several kinds for a malformed URL
        raise ImproperlyConfigured(
            f"{name} is not understood: use sqlite:////path/to/file or "
            "postgres://user:password@host:5432/name."
        ) from error
    engine = str(config.get("ENGINE", ""))
    if engine.endswith("sqlite3"):
        # Web threads and workers share the file: WAL lets them read while one writes, IMMEDIATE
        # takes the write lock at the start of a transaction, where waiting for it cannot deadlock.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    elif engine.endswith("postgresql"):
        # A lost server is noticed in seconds and a restarted one is used again by itself.
        config["OPTIONS"] = {**config.get("OPTIONS", {}), "connect_timeout": 2}
        config["CONN_MAX_AGE"] = 60
        config["CONN_HEALTH_CHECKS"] = True
    else:
        raise ImproperlyConfigured(f"{name}: only sqlite and postgres are supported.")
    return config


def secret(name: str, file: Path) -> str:
    """Read a secret from the environment, else from a file that is made on the first start."""
    value = text(name, "")
    if value:
        if len(value) < MIN_SECRET_LENGTH or len(set(value)) < 5:
            raise ImproperlyConfigured(
                f"{name} is too weak: use at least {MIN_SECRET_LENGTH} random characters, for "
                "example from: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        return value
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
