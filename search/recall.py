"""A meter of what live searches find: some are run again exactly, off the request's path.

An exact index needs none: its recall is 1 by construction. Of one that is approximate, more is read
than for a search, and the best of that are ranked by the stored float32 vectors.
"""

import logging
import queue
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from django.db import Error, connection

from gallery.models import IndexVersion, RecallTally
from gallery.selectors import stored_scores
from gallery.vectors.base import Lookup
from mlcore.config import FloatMatrix, IdVector
from mlcore.errors import ContextVisionError
from mlcore.index import Hit
from mlcore.index.hits import best

logger = logging.getLogger(__name__)

DEPTH = 10
"""Results that are compared."""
CANDIDATES = 100
"""Pictures that the exact ranking chooses from. Rounding to 8 bits moves none so far down."""
WAITING = 4
"""Samples that may wait; when the machine is too busy to keep up, the next are dropped."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A search and what it was answered with."""

    version: IndexVersion
    index: Lookup
    query: FloatMatrix
    """float32 (1, dim), a unit vector."""
    hits: Sequence[Hit]
    """Best first."""
    allowed_ids: IdVector | None


class RecallMeter:
    """Compares samples in one thread of its own, which starts with the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._waiting: queue.Queue[Sample] = queue.Queue(WAITING)
        self._told: int | None = None

    def offer(self, sample: Sample) -> None:
        """Take a search for the sample by chance, never waiting."""
        if sample.index.is_exact or random.random() >= settings.CONTEXTVISION_RECALL_SAMPLE:  # noqa: S311
            return
        try:
            self._waiting.put_nowait(sample)
        except queue.Full:
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="recall", daemon=True)
                self._thread.start()

    def drain(self) -> None:
        """Wait until everything that was taken has been compared."""
        self._waiting.join()

    def _work(self) -> None:
        while True:
            sample = self._waiting.get()
            try:
                self._compare(sample)
            except (ContextVisionError, Error) as error:
                logger.warning("The recall of a search could not be measured: %s", error)
            finally:
                connection.close()
                self._waiting.task_done()

    def _compare(self, sample: Sample) -> None:
        wanted, found = compare(sample)
        RecallTally.objects.add(sample.version, wanted=wanted, found=found)
        recall = RecallTally.objects.lately(sample.version)
        if not recall.is_low:
            self._told = None
        elif self._told != sample.version.pk:
            self._told = sample.version.pk
            logger.warning(
                "Searches find %.3f of the nearest pictures; %s was tuned to %.2f. "
                "Rebuild the index.",
                recall.share,
                sample.version,
                recall.target,
            )


def compare(sample: Sample) -> tuple[int, int]:
    """Return how many pictures exact search finds, at most 10, and how many of them were found."""
    found = sample.index.candidates(sample.query, CANDIDATES, allowed_ids=sample.allowed_ids)
    ids = np.unique(np.array(found, dtype=np.int64))
    scores = stored_scores(
        sample.version.model_version,
        sample.query,
        ids,
        in_squares=settings.CONTEXTVISION_SQUARES,
    )
    # Pictures deleted since are in neither.
    is_there = ~np.isnan(scores)
    there = set(ids[is_there].tolist())
    exact = best(DEPTH, ids[is_there], scores[is_there])
    answered = [hit.image_id for hit in sample.hits if hit.image_id in there][:DEPTH]
    return len(exact), len({hit.image_id for hit in exact}.intersection(answered))


recall_meter = RecallMeter()
