"""A site that Compose runs, and what can be asked of it."""

import json
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.services import free_port

NAME, PASSWORD = "keeper", "violet-harbour-91"
QUERIES = ("a cup of coffee", "a cat", "bricks", "a rocket starts")
READY_TIMEOUT = 900.0
"""Seconds: a first start compiles networks, on two busy cores."""

_DATA = {
    "pictures": "SELECT string_agg(concat_ws('|', id, sha256, title, file), ',' ORDER BY id)"
    " FROM gallery_image",
    "captions": "SELECT string_agg(concat_ws('|', image_id, text), ',' ORDER BY id)"
    " FROM gallery_caption",
    "vectors": "SELECT string_agg(concat_ws('|', image_id, md5(vector)), ',' ORDER BY image_id)"
    " FROM gallery_imageembedding WHERE model_version_id ="
    " (SELECT min(model_version_id) FROM gallery_imageembedding)",
    "people": "SELECT string_agg(concat_ws('|', id, username, password), ',' ORDER BY id)"
    " FROM auth_user",
}


@dataclass
class ComposeSite:
    """The services of a copy of the project, whose docker-compose.yml is as it is."""

    folder: Path
    project: str
    model: str
    port: int = field(default_factory=free_port)
    token: str = ""
    host: str = ""
    """Under which a proxy that ends HTTPS would ask for it; none stands before it where empty."""

    def write_settings(self) -> None:
        names = ("CONTEXTVISION_SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD")
        lines = [f"{name}={secrets.token_hex(32)}" for name in names]
        lines += [f"CONTEXTVISION_MODEL={self.model}", f"CONTEXTVISION_PORT={self.port}"]
        lines += ["CONTEXTVISION_TOKEN_HOURS=48"]  # one that the file itself does not pass on
        (self.folder / ".env").write_text("\n".join(lines) + "\n")

    def use(self, folder: Path) -> None:
        """Go on from another copy of the project, with the same settings."""
        shutil.copy(self.folder / ".env", folder / ".env")
        self.folder = folder

    def compose(self, *arguments: str) -> str:
        done = subprocess.run(
            ["docker-compose", "--project-name", self.project, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def manage(self, *arguments: str, variables: Sequence[str] = ()) -> str:
        options = [part for each in variables for part in ("-e", each)]
        command = ("python", "manage.py", *arguments)
        return self.compose("exec", "-T", *options, "web", *command)

    def make_keeper(self) -> None:
        given = (f"DJANGO_SUPERUSER_USERNAME={NAME}", f"DJANGO_SUPERUSER_PASSWORD={PASSWORD}")
        email = ("--email", "keeper@example.org")
        self.manage("createsuperuser", "--noinput", *email, variables=given)
        self.sign_in()

    def sign_in(self) -> None:
        body = json.dumps({"username": NAME, "password": PASSWORD}).encode()
        answer = self.ask("/api/v1/auth/token/", body, "application/json")
        self.token = answer["token"]

    def ask(self, path: str, body: bytes | None = None, kind: str = "") -> Any:
        """Return what a page of JSON answers; an answer that is none is an error."""
        headers = {"Accept": "application/json"}
        if kind:
            headers["Content-Type"] = kind
        if self.host:
            headers |= {"Host": self.host, "X-Forwarded-Proto": "https"}
        if self.token:
            headers["Authorization"] = f"Token {self.token}"
        address = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(address, body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def upload(self, picture: Path, caption: str) -> None:
        boundary = uuid.uuid4().hex
        body = b"".join(
            f"--{boundary}\r\nContent-Disposition: form-data; name={name}\r\n\r\n".encode()
            + content
            + b"\r\n"
            for name, content in (
                (f'"file"; filename="{picture.name}"', picture.read_bytes()),
                ('"captions"', caption.encode()),
            )
        )
        kind = f"multipart/form-data; boundary={boundary}"
        self.ask("/api/v1/images/", body + f"--{boundary}--\r\n".encode(), kind)

    def wait_until_ready(self) -> float:
        """Return after how many seconds all is well, with an index live."""
        started, last = time.monotonic(), ""
        while time.monotonic() - started < READY_TIMEOUT:
            try:
                self.ask("/readyz")
                return time.monotonic() - started
            except urllib.error.HTTPError as error:
                last = error.read().decode()
            except OSError as error:
                last = str(error)
            time.sleep(0.5)
        raise AssertionError(f"Not ready: {last}\n{self.compose('logs', '--tail', '40')}")

    def answers(self) -> dict[str, list[Any]]:
        """Return what is found for each query, with its score, whatever that is called."""
        found = {}
        for query in QUERIES:
            hits = self.ask(f"/api/v1/search/?limit=5&q={query.replace(' ', '+')}")["results"]
            assert hits, query
            found[query] = [
                (hit["image"]["id"], hit.get("similarity", hit.get("score"))) for hit in hits
            ]
        return found

    def wait_until_found(self, count: int) -> float:
        """Return after how many seconds so many pictures are searchable."""
        started = time.monotonic()
        while time.monotonic() - started < READY_TIMEOUT:
            try:
                hits = self.ask("/api/v1/search/?limit=100&q=picture")["results"]
                if len(hits) >= count:
                    return time.monotonic() - started
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
            time.sleep(0.5)
        raise AssertionError(f"Not found: {self.compose('logs', '--tail', '40')}")

    def data(self) -> dict[str, str]:
        """Return what is to be the same whatever happens: rows, and the files of originals."""
        psql = ("psql", "--username", "contextvision", "--tuples-only", "--no-align", "--command")
        found = {
            name: self.compose("exec", "-T", "postgres", *psql, query)
            for name, query in _DATA.items()
        }
        sums = "find /data/media/originals -type f -exec sha256sum {} + | sort"
        found["files"] = self.compose("exec", "-T", "web", "sh", "-c", sums)
        assert all(found.values())
        return found
