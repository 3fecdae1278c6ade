"""Where a Milvus server is and how to log in there."""

from dataclasses import dataclass, field
from typing import Literal, Self, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

Consistency = Literal["strong", "session", "bounded", "eventually"]

DEFAULT_PORT = 19530

FORM = "milvus://user:password@host:19530/database?consistency=session&timeout=3"


@dataclass(frozen=True, slots=True)
class MilvusAddress:
    """What a ``milvus://`` address says."""

    host: str
    port: int = DEFAULT_PORT
    secure: bool = False
    """Whether the connection is encrypted (TLS)."""
    token: str = field(default="", repr=False)
    """``user:password``, or a token alone; empty where no login is asked for."""
    database: str = ""
    consistency: Consistency = "session"
    """What a search sees of writes. ``session``: those of this process at once, those of others
    soon. ``strong``: everybody's, for about 0.2 s a search."""
    timeout: float = 3.0
    """Seconds that a search or a look-up may take."""

    @classmethod
    def parse(cls, address: str) -> Self:
        """Read ``milvus://`` or, encrypted, ``milvus+tls://``.

        The user's name, the password and the database are percent-encoded where they hold signs
        that have a meaning in addresses. A user's name without a password is a token.

        Raises ValueError, which never repeats the password.
        """
        parts = urlsplit(address)
        try:
            port = parts.port or DEFAULT_PORT
        except ValueError:
            raise _malformed("its port is not a number up to 65535") from None
        if parts.scheme not in {"milvus", "milvus+tls"}:
            raise _malformed("it does not begin with milvus:// or milvus+tls://")
        if not parts.hostname:
            raise _malformed("it names no host")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        consistency = options.pop("consistency", "session")
        if consistency not in get_args(Consistency):
            raise _malformed(f"consistency is one of {', '.join(get_args(Consistency))}")
        try:
            timeout = float(options.pop("timeout", 3.0))
        except ValueError:
            timeout = 0.0
        if not 0.0 < timeout <= 600.0:
            raise _malformed("timeout is a number of seconds above 0, up to 600")
        if options:
            raise _malformed(f"{', '.join(sorted(options))} cannot be set there")
        login = [unquote(part) for part in (parts.username, parts.password) if part]
        return cls(
            host=parts.hostname,
            port=port,
            secure=parts.scheme == "milvus+tls",
            token=":".join(login),
            database=unquote(parts.path.strip("/")),
            consistency=consistency,  # type: ignore[arg-type]
            timeout=timeout,
        )

    @property
    def url(self) -> str:
        """The address as the client library takes it, without the login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def _malformed(why: str) -> ValueError:
    return ValueError(f"The address of the Milvus server cannot be used: {why}. Its form: {FORM}")
