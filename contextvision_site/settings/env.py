"""Typed readers of environment variables; an error names the variable and what it accepts."""

import errno
import os
import re
import secrets
import tempfile
import warnings
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_network
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


def share(name: str, default: float) -> float:
    """Read a number from 0 to 1."""
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:  # not a number is refused as well
        raise ImproperlyConfigured(
            f"{name}={value!r} is not understood: use a number from 0 to 1, such as 0.05."
        )
    return number


def networks(name: str, default: str) -> list[IPv4Network | IPv6Network]:
    """Read a comma-separated list of networks or single addresses."""
    try:
        return [ip_network(word) for word in words(name, default)]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is not understood ({error}): use networks such as 10.0.0.0/8 or ::1."
        ) from error


def choice(name: str, default: str, allowed: Collection[str]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not understood: use one of {', '.join(allowed)}."
        )
    return value


def vector_backend(name: str, default: str) -> str:
    """Read ``faiss`` or the address of a Milvus server; an error never repeats its password."""
    value = text(name, default) or default
    if value == "faiss":
        return value
    from mlcore.vectorstore import MilvusAddress

    try:
        MilvusAddress.parse(value)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is not understood: use 'faiss', or the address of a Milvus server. {error}"
        ) from None
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


def bucket(name: str, default: str) -> tuple[str, str] | None:
    """Read a bucket and the prefix of the names in it, or nothing."""
    value = text(name, default)
    if not value:
        return None
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/\w[\w.-]*)*)/?", value)
    if match is None:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not understood: use s3://bucket or s3://bucket/prefix."
        )
    return match[1], match[2].strip("/")


def address(name: str, default: str) -> str:
    """Read the address of a service that is spoken to over HTTP, without keys in it."""
    value = text(name, default)
    if value and not re.fullmatch(r"https?://[^\s/@?#]+/?", value):
        raise ImproperlyConfigured(
            f"{name} is not understood: use https://host or https://host:port, without keys."
        )
    return value.rstrip("/")


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
        config["CONN_HEALTH_CHECKS"] = True
    else:
        raise ImproperlyConfigured(f"{name}: only sqlite and postgres are supported.")
    config["CONN_MAX_AGE"] = 60  # opening a connection takes as long as some queries
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
