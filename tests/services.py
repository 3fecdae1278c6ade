"""Where the services and data are that some tests need, and how hard tests should try."""

import os
import shutil
import socket
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def flickr8k_path() -> Path:
    default = REPOSITORY.parent / "shared" / "flickr8k"
    return Path(os.environ.get("CONTEXTVISION_FLICKR8K", default))


@cache
def redis_url() -> str:
    """Address of a Redis database that tests may empty, or nothing where none answers.

    Processes that test beside each other have one each: the one that is named, and those after it.
    """
    import redis

    named = os.environ.get("CONTEXTVISION_TEST_REDIS", "redis://127.0.0.1:6379/9")
    server, _, number = named.rpartition("/")
    process = os.getenv("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    url = f"{server}/{int(number) + int(process)}"
    try:
        redis.Redis.from_url(url, socket_connect_timeout=1).ping()
    except redis.RedisError:
        return ""
    return url


@cache
def chromium_path() -> str:
    return shutil.which("chromium") or ""


def effort() -> int:
    """How many times as many cases as usual the tests make up, where they make cases up."""
    return int(os.environ.get("CONTEXTVISION_TEST_EFFORT", "1"))


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
