"""What is remembered for a while, in a cache that all processes share where there is one."""

import json
import logging
import time
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache

logger = logging.getLogger(__name__)

PAUSE_AFTER_OUTAGE = 10.0
"""Seconds for which a cache that failed is left alone: each try may cost its whole timeout."""


class JSONSerializer:
    """How values stand in Redis. Django's own way are pickles, and reading a pickle runs what is
    in it: whoever may write into the cache could run code as the server.

    Tuples come back as lists, and keys of dictionaries as text. Whole numbers are written as Redis
    counts them.
    """

    def dumps(self, value: Any) -> str:
        return json.dumps(value)

    def loads(self, data: bytes) -> Any:
        """Return the value; nothing, as for a key that is not there, where it is no JSON."""
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            logger.warning("Passed over what is no JSON in the shared cache.")
            return None


class SteadyCache:
    """The shared cache; the process's own one while the shared one is out of reach."""

    def __init__(self) -> None:
        self._shared_again_at = 0.0

    @property
    def is_shared(self) -> bool:
        """Whether there is a cache that other processes see."""
        return not isinstance(caches["default"], LocMemCache)

    def get(self, key: str, default: Any = None) -> Any:
        if time.monotonic() >= self._shared_again_at:
            try:
                value = caches["default"].get(key)
                return default if value is None else value
            except Exception as error:  # each kind of cache raises its own kinds of errors
                self._leave_alone(error)
        return caches["local"].get(key, default)

    def set(self, key: str, value: Any, timeout: float) -> None:
        if time.monotonic() >= self._shared_again_at:
            try:
                caches["default"].set(key, value, timeout)
            except Exception as error:
                self._leave_alone(error)
            else:
                return
        caches["local"].set(key, value, timeout)

    def _leave_alone(self, error: Exception) -> None:
        self._shared_again_at = time.monotonic() + PAUSE_AFTER_OUTAGE
        logger.warning("The shared cache cannot be used (%s); each process has its own.", error)
