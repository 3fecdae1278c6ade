"""Typed readers of environment variables; an error names the variable and what it accepts.

django-environ reads; what stands here checks what it lets pass, and never repeats a secret.
"""

import re
import warnings
from collections.abc import Callable, Collection
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import lazy

from contextvision_site.settings.kept_secret import MIN_SECRET_LENGTH, kept_secret
from gallery.vectors.registry import check_address
from mlcore.config import VIEWS, Views

SQLITE = "contextvision_site.sqlite3"
"""Django's backend, which makes the folder of the file as well."""

_FLAGS = {
    **dict.fromkeys(("1", "on", "true", "yes"), True),
    **dict.fromkeys(("0", "off", "false", "no", ""), False),
}
_PLACEHOLDER = re.compile(
    r"change.?(me|this)|place.?holder|insecure|example|your.?(secret|key)|secret.?key",
    re.I,
)
"""What stands in samples of settings, and is known to everybody."""
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
T = TypeVar("T")


class _Environment(environ.Env):  # type: ignore[misc]  # it carries no types
    """Takes values as they are written: a password that starts with $ names no other variable."""

    def get_value(
        self, var: str, cast: Any = None, default: Any = None, parse_default: bool = False
    ) -> Any:
        read.add(var)
        value = self.ENVIRON.get(var)
        return default if value is None else self.parse_value(value.strip(), cast)


_environment = _Environment()
read: set[str] = set()
"""Variables that were asked for: all that there are, once the settings are read."""


def _understood(
    name: str, default: T, cast: Callable[[str], T], accepted: str, *, shown: bool = True
) -> T:
    """Read what ``cast`` makes of the value; it raises ValueError or KeyError where it cannot."""
    try:
        value: T = _environment(name, cast=cast, default=default)
    except (ValueError, KeyError):
        what = f"{name}={text(name, '')!r}" if shown else name
        raise ImproperlyConfigured(f"{what} is not understood: use {accepted}.") from None
    return value


def _matching(pattern: str) -> Callable[[str], str]:
    def cast(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return cast


def _installed(name: str, module: str, extra: str) -> None:
    """Refuse a setting that needs packages which are chosen when the program is installed."""
    if find_spec(module) is None:
        raise ImproperlyConfigured(
            f"{name} needs packages that are not installed: "
            f"pip install 'contextvision[{extra}]', or unset it."
        )


def text(name: str, default: str) -> str:
    value: str = _environment.str(name, default)
    return value


def words(name: str, default: str) -> list[str]:
    """Read a comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def flag(name: str, default: bool) -> bool:
    return _understood(name, default, lambda value: _FLAGS[value.lower()], "'on' or 'off'")


def debug(name: str, hosts: Collection[str]) -> bool:
    """Read whether errors show their stack traces, which is for the developer's machine alone."""
    on = flag(name, False)
    others = [host for host in hosts if host not in _LOCAL_HOSTS and ".localhost" not in host]
    if on and others:
        raise ImproperlyConfigured(
            f"{name} shows code and settings to whoever meets an error, and visitors reach this "
            f"site as {', '.join(others)}. Turn it off, or let CONTEXTVISION_ALLOWED_HOSTS name "
            "this machine alone."
        )
    return on


def whole(name: str, default: int, *, minimum: int = 0) -> int:
    def cast(value: str) -> int:
        if int(value) < minimum:
            raise ValueError
        return int(value)

    return _understood(name, default, cast, f"a whole number of at least {minimum}")


def hour(name: str, default: int) -> int | None:
    """Read an hour of the day, or nothing for 'off'."""
    hours: dict[str, int | None] = {"off": None, **{str(number): number for number in range(24)}}
    read = _matching("|".join(hours))
    return hours[_understood(name, str(default), read, "an hour from 0 to 23, or 'off'")]


def share(name: str, default: float) -> float:
    """Read a number from 0 to 1."""

    def cast(value: str) -> float:
        if not 0.0 <= float(value) <= 1.0:  # not a number is refused as well
            raise ValueError
        return float(value)

    return _understood(name, default, cast, "a number from 0 to 1, such as 0.05")


def networks(name: str, default: str) -> list[IPv4Network | IPv6Network]:
    """Read a comma-separated list of networks or single addresses."""
    try:
        return [ip_network(word) for word in words(name, default)]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is not understood ({error}): use networks such as 10.0.0.0/8 or ::1."
        ) from error


def choice(name: str, default: str, allowed: Collection[str]) -> str:
    values = {value: value for value in allowed}
    return _understood(name, default, values.__getitem__, f"one of {', '.join(allowed)}")


def views(name: str, default: str) -> Views:
    """Read how pictures are looked at: the centre, and what else, in any order."""

    def cast(value: str) -> str:
        named = [word.strip() for word in value.split(",")]
        if "centre" not in named or len(set(named)) < len(named) or set(named) - set(VIEWS):
            raise ValueError
        return value

    known = "'centre', with ',mirror' or ',middle' or both after it"
    named = _understood(name, default, cast, known)
    return tuple(view for view in VIEWS if view in named.replace(" ", "").split(","))


def rate(name: str, default: str) -> str:
    """Read how many requests are answered in which time, as the API's throttles take it."""
    accepted = "a number a second, minute, hour or day, such as 120/minute"
    return _understood(name, default, _matching(r"\d+/(second|minute|hour|day)"), accepted)


def folder(name: str, default: Path) -> Path:
    """Read a folder to write to; it is made by what first writes there."""
    return Path(text(name, str(default))).expanduser().resolve()


_BUCKET = r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/\w[\w.-]*)*)/?"


def bucket(name: str, default: str) -> tuple[str, str] | None:
    """Read a bucket and the prefix of the names in it, or nothing."""

    def cast(value: str) -> str:
        return value and _matching(_BUCKET)(value)

    value = _understood(name, default, cast, "s3://bucket or s3://bucket/prefix")
    if not value:
        return None
    _installed(name, "storages", "s3")
    place, _, prefix = value.removeprefix("s3://").partition("/")
    return place, prefix.strip("/")


def places(name: str, default: str) -> list[str]:
    """Read a comma-separated list of folders, by their absolute paths, and prefixes of buckets."""

    def cast(value: str) -> str:
        if value.startswith("s3://"):
            _installed(name, "storages", "s3")
            return _matching(_BUCKET)(value).rstrip("/")
        if not Path(value).is_absolute():
            raise ValueError
        return str(Path(value))

    try:
        return [cast(word) for word in words(name, default)]
    except ValueError:
        raise ImproperlyConfigured(
            f"{name}={text(name, '')!r} is not understood: use absolute folders such as "
            "/srv/pictures and s3://bucket/prefix, separated by commas."
        ) from None


def address(name: str, default: str) -> str:
    """Read the address of a service that is spoken to over HTTP, without keys in it."""
    accepted = "https://host or https://host:port, without keys"
    cast = _matching(r"(https?://[^\s/@?#]+/?)?")
    return _understood(name, default, cast, accepted, shown=False).rstrip("/")


def service(name: str, default: str) -> str:
    """Read the address of a broker or cache."""
    value = text(name, default)
    if value.startswith(("redis:", "rediss:")):
        _installed(name, "redis", "redis")
    return value


def vector_backend(name: str, default: str) -> str:
    """Read the address of a vector store; an error never repeats its password."""
    value = text(name, default) or default
    try:
        backend = check_address(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not understood. {error}") from None
    if backend.packages:
        _installed(name, *backend.packages)
    return value


def database(name: str, default: str) -> dict[str, Any]:
    url = text(name, default)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an unknown kind, with the password in clear
            config: dict[str, Any] = dict(_environment.db_url_config(url))
    except Exception as error:  # environ raises several kinds for a malformed URL
        raise ImproperlyConfigured(
            f"{name} is not understood: use sqlite:////path/to/file or "
            "postgres://user:password@host:5432/name."
        ) from error
    engine = str(config.get("ENGINE", ""))
    if engine.endswith("sqlite3"):
        config["ENGINE"] = SQLITE
        # Web threads and workers share the file: WAL lets them read while one writes, IMMEDIATE
        # takes the write lock at the start of a transaction, where waiting for it cannot deadlock.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    elif engine.endswith("postgresql"):
        _installed(name, "psycopg", "postgres")
        # A lost server is noticed in seconds and a restarted one is used again by itself.
        config["OPTIONS"] = {**config.get("OPTIONS", {}), "connect_timeout": 2}
        config["CONN_HEALTH_CHECKS"] = True
    else:
        raise ImproperlyConfigured(f"{name}: only sqlite and postgres are supported.")
    config["CONN_MAX_AGE"] = 60  # opening a connection takes as long as some queries
    return config


def secret(name: str, file: Path) -> str:
    """Read a secret from the environment, else from a file, which is read or made when the secret
    is first used."""
    value = text(name, "")
    if not value:
        return lazy(kept_secret, str)(name, file)
    if len(value) < MIN_SECRET_LENGTH or len(set(value)) < 5 or _PLACEHOLDER.search(value):
        raise ImproperlyConfigured(
            f"{name} is too weak, or a placeholder: use at least {MIN_SECRET_LENGTH} random "
            "characters, for example from: "
            "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return value
