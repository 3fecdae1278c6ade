"""Calls to a Milvus server, and what can go wrong with them, in words."""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from gallery.vectors.errors import VectorStoreError, VectorStoreUnavailableError
from gallery.vectors.milvus_address import MilvusAddress

COLLECTION_NOT_FOUND = 100
COLLECTION_NOT_LOADED = 101
NOT_REACHED = 2
"""Codes of Milvus 2.3 and later (pkg/util/merr/errors.go), and the client's own for a server that
does not answer or that turns the login away."""

RECONNECT = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
}
"""A server that is back is found within a second; by default it may take two minutes."""


class NotFoundError(VectorStoreError):
    """A collection does not exist."""


class NotLoadedError(VectorStoreUnavailableError):
    """A collection is not in the server's memory, or not yet."""


class Connection:
    """One client of a Milvus server, made when it is first needed and renewed after a fork.

    Its channel connects again by itself when the server was away.
    """

    def __init__(self, address: MilvusAddress) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._client: Any = None
        self._process = 0

    def call(self, method: str, *arguments: Any, timeout: float | None = None, **named: Any) -> Any:
        """Call a method of ``pymilvus.MilvusClient``.

        Args:
            method: its name.
            arguments: for it.
            timeout: seconds that it may take; by default the address's.
            named: for it.

        Raises:
            VectorStoreUnavailableError: the server is away, too slow, still loading, or does not
                accept the login.
            NotFoundError: a collection is not there.
            VectorStoreError: the server refuses.
        """
        timeout = timeout or self.address.timeout
        return self.guard(
            lambda: getattr(self.client(), method)(*arguments, timeout=timeout, **named)
        )

    def guard(self, work: Callable[[], Any]) -> Any:
        """Do some work with the client; errors as in :meth:`call`."""
        import grpc
        from pymilvus.exceptions import MilvusException

        try:
            return work()
        except grpc.RpcError as error:
            raise self._away(str(error.code())) from error
        except MilvusException as error:
            self._translate(error)

    def client(self) -> Any:
        """Return the client. It raises the library's own errors."""
        from pymilvus import MilvusClient

        with self._lock:
            # It logs, with a traceback, each error that it raises as well.
            logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
            # A channel does not survive a fork.
            if self._client is None or self._process != os.getpid():
                self._client = MilvusClient(
                    uri=self.address.url,
                    token=self.address.token,
                    db_name=self.address.database,
                    timeout=self.address.timeout,
                    dedicated=True,
                    grpc_options=RECONNECT,
                )
                self._process = os.getpid()
            return self._client

    def _translate(self, error: Any) -> NoReturn:
        code, message = error.code, str(error.message)
        if code == COLLECTION_NOT_FOUND:
            raise NotFoundError("vectors.milvus_not_found", **self._told(message)) from error
        if code == COLLECTION_NOT_LOADED:
            raise NotLoadedError("vectors.milvus_loading", address=str(self.address)) from error
        # The client wraps what it gave up on in a message and passes on gRPC's codes.
        if code == NOT_REACHED or not isinstance(code, int) or "Retry timeout" in message:
            raise self._away(message) from error
        raise VectorStoreError("vectors.milvus_refuses", **self._told(message)) from error

    def _away(self, message: str) -> VectorStoreUnavailableError:
        return VectorStoreUnavailableError(
            "vectors.milvus_away",
            seconds=f"{self.address.timeout:g}",
            **self._told(message[:200]),
        )

    def _told(self, message: str) -> dict[str, str]:
        return {"address": str(self.address), "reason": message}
