"""Signs of life, while work goes on that is silent for long."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

from gallery.models.job import HEARTBEAT

logger = logging.getLogger(__name__)


@contextmanager
def kept_alive(beat: Callable[[], object], what: str) -> Iterator[None]:
    """Call ``beat``, which extends a lease, from a thread every few seconds."""
    ended = threading.Event()

    def keep_beating() -> None:
        try:
            while not ended.wait(HEARTBEAT.total_seconds()):
                try:
                    beat()
                except Exception:  # an outage of the database: the next beat tries again
                    logger.warning("The heartbeat of %s failed", what, exc_info=True)
                    connection.close()
        finally:
            connection.close()

    thread = threading.Thread(target=keep_beating, name=f"heartbeat of {what}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
