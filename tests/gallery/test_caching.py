"""What is kept in the shared cache, and what is read from it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from gallery.caching import JSONSerializer
from tests.services import REPOSITORY, redis_url

READ = """
from django.core.cache import cache
from gallery.caching import SteadyCache
print(cache.get("planted"), SteadyCache().get("planted", []))
cache.set("kept", [1.5, (2, "three")], 60)
cache.set("number", 4, 60)
print(cache.get("kept"), cache.incr("number"), cache.get("number"))
"""


@pytest.mark.requires_redis
def test_a_pickle_in_the_shared_cache_is_never_read(tmp_path: Path) -> None:
    file = tmp_path / "planted"
    pickled = f"cbuiltins\nopen\n(V{file}\nVw\ntR."  # makes the file where it is unpickled
    server = redis.Redis.from_url(redis_url())
    server.set(":1:planted", pickled, ex=60)
    output = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", READ],
        cwd=REPOSITORY,
        env={**os.environ, "CACHE_URL": redis_url(), "CONTEXTVISION_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    server.delete(":1:planted", ":1:kept", ":1:number")
    assert not file.exists()
    assert output.splitlines() == ["None []", "[1.5, [2, 'three']] 5 5"]


@pytest.mark.parametrize("data", [b"", b"\x80\x04.", b"{", b"[" * 100_000, b"(lp0\nI1\na."])
def test_what_is_no_json_is_passed_over(data: bytes) -> None:
    assert JSONSerializer().loads(data) is None
