"""Having captions and titles read soon after they were written."""

import logging
import time

from gallery import tasks
from gallery.models import SentenceReading

logger = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two looks of a worker for what has changed."""
PATIENCE = 2.0
"""Seconds after which a worker that nobody answered asks again."""

_asked_at = float("-inf")


def ask_for_reading() -> bool:
    """Ask the workers to read what has changed, if there is anything and none is at it; tell
    whether they were asked.

    A message too many does no harm: one worker reads at a time.
    """
    global _asked_at
    if time.monotonic() - _asked_at < PATIENCE or not SentenceReading.objects.is_due():
        return False
    try:
        tasks.read_sentences.apply_async(expires=PATIENCE, retry=False)
    except Exception as error:  # kombu raises the transport's own kinds of errors
        logger.warning("Sentences wait: the broker cannot be reached (%s).", error)
        return False
    _asked_at = time.monotonic()
    return True
