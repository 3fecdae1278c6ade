"""A server that speaks S3 on this machine, for tests: moto's, over real HTTP."""

import logging
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

KEYS = {"access_key": "a key of the tests", "secret_key": "a secret of the tests"}
REGION = "eu-central-1"


class S3Server:
    """The server, which can go away and come back with all that it held."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every request
        self._port = 0
        self.start()

    def start(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()

    def stop(self) -> None:
        self._server.stop()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEYS["access_key"],
            aws_secret_access_key=KEYS["secret_key"],
        )

    @contextmanager
    def away(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    def make_bucket(self) -> str:
        name = f"pictures-{secrets.token_hex(6)}"
        place = {"LocationConstraint": REGION}
        self.client.create_bucket(Bucket=name, CreateBucketConfiguration=place)
        return name

    def names(self, bucket: str) -> set[str]:
        answer = self.client.list_objects_v2(Bucket=bucket)
        return {entry["Key"] for entry in answer.get("Contents", ())}


@contextmanager
def server_that_answers(answer: bytes) -> Iterator[str]:
    """Answer everybody with these bytes and hang up; with none, never answer. Yields an address."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if answer:
                connection.recv(65_536)
                connection.sendall(answer)
                connection.close()
            else:
                kept.append(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in kept:
            connection.close()
        thread.join(5)
