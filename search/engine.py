"""This process's model and index for the live version, swapped as a whole when it changes."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from django.db import connection

from gallery.models import ImageEmbedding, IndexVersion
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.encoder import Encoder
from mlcore.errors import ContextVisionError, IndexFileError
from mlcore.index import FreshTail, Hit, VectorIndex, search_with_tail

logger = logging.getLogger(__name__)

TAIL_INTERVAL = 1.0
"""Seconds between two looks for pictures that were embedded since."""
ENCODERS_AT_ONCE = 2
"""Queries encoded at the same time; more would only share the same cores."""
QUEUE_LENGTH = 40
"""Queries that may wait for their turn before the next is told to come back later."""
RELOAD_PAUSE = 30.0
"""Seconds to wait before a version that failed to load is tried again."""


class NoActiveIndexError(ContextVisionError):
    """Nothing has been indexed yet, so there is nothing to search in."""


class BusyError(ContextVisionError):
    """More queries are waiting than can be answered in useful time."""


@dataclass(frozen=True, slots=True)
class SearchEngine:
    """One model and the one index made with it. Never changes: a change makes a new engine.

    Holding both in one object is what makes an answer come wholly from one version, whatever is
    promoted or rolled back while it is worked out.
    """

    version: IndexVersion
    encoder: Encoder
    index: VectorIndex
    tail: FreshTail
    tail_watermark: int
    sample: FloatMatrix
    """Some vectors of the index, by which words and pictures in one query are balanced."""
    warning: str = ""
    """What is not as it should be although searches are answered; empty when all is well."""

    def search(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        """Return at most ``k`` hits for a query of shape (1, dim), best first."""
        [hits] = search_with_tail(self.index, self.tail, query, k, allowed_ids=allowed_ids)
        return hits

    @contextmanager
    def encoding(self) -> Iterator[Encoder]:
        """Wait for a turn at the encoder.

        Raises:
            BusyError: the queue is full.
        """
        if not _queue.acquire(blocking=False):
            raise BusyError("Too many searches are waiting. Please try again in a few seconds.")
        try:
            with _turns:
                yield self.encoder
        finally:
            _queue.release()

    def with_fresh_tail(self) -> "SearchEngine":
        """Return an engine that also knows the pictures embedded since this one looked."""
        rows = ImageEmbedding.objects.later_than(self.version.model_version, self.tail_watermark)
        ids, vectors, watermark = rows.matrix()
        if not len(ids):
            return self
        return replace(self, tail=self.tail.extended(ids, vectors), tail_watermark=watermark)


_queue = threading.BoundedSemaphore(ENCODERS_AT_ONCE + QUEUE_LENGTH)
_turns = threading.BoundedSemaphore(ENCODERS_AT_ONCE)


class EngineRoom:
    """Keeps the current engine of this process and replaces it when the live version changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: SearchEngine | None = None
        self._looked_at = 0.0
        self._loading: threading.Thread | None = None
        self._failed: tuple[int | None, float] = (None, 0.0)

    def get(self) -> SearchEngine:
        live = IndexVersion.objects.active()
        if live is None:
            raise NoActiveIndexError(
                "No index is live yet. Import or upload pictures; they can be searched as soon "
                "as a worker has embedded and indexed them."
            )
        engine = self._engine
        if engine is None:
            with self._lock:
                # Others waited for the same load and find it done.
                engine = self._engine or self._install(load_engine(live))
        if engine.version.pk != live.pk:
            self._replace_in_background(live)
        return self._with_current_tail(engine)

    def loaded(self) -> SearchEngine | None:
        """Return the engine if there is one, without loading anything."""
        return self._engine

    def reset(self) -> None:
        """Forget the engine; the next search loads what is live then."""
        with self._lock:
            self._engine = None
            self._failed = (None, 0.0)

    def wait_for_swap(self) -> None:
        """Wait until a replacement that is being loaded, if any, is in place."""
        loading = self._loading
        if loading is not None:
            loading.join()

    def _install(self, engine: SearchEngine) -> SearchEngine:
        self._engine = engine
        self._looked_at = time.monotonic()
        return engine

    def _with_current_tail(self, engine: SearchEngine) -> SearchEngine:
        if time.monotonic() - self._looked_at < TAIL_INTERVAL:
            return engine
        if not self._lock.acquire(blocking=False):
            return engine  # somebody is looking already
        try:
            if self._engine is not engine:
                return self._engine or engine
            return self._install(engine.with_fresh_tail())
        finally:
            self._lock.release()

    def _replace_in_background(self, live: IndexVersion) -> None:
        """Load the new version beside the old one, which answers until the new one is ready."""
        with self._lock:
            if self._loading is not None and self._loading.is_alive():
                return
            failed, failed_at = self._failed
            if failed == live.pk and time.monotonic() - failed_at < RELOAD_PAUSE:
                return
            self._loading = threading.Thread(
                target=self._replace, args=(live,), name="engine loader", daemon=True
            )
            self._loading.start()

    def _replace(self, live: IndexVersion) -> None:
        try:
            engine = load_engine(live)
        except Exception as error:
            logger.exception("%s cannot be loaded; the former one goes on answering.", live)
            with self._lock:
                self._failed = (live.pk, time.monotonic())
                if self._engine is not None:
                    self._engine = replace(
                        self._engine, warning=f"{live} is live but cannot be loaded: {error}"
                    )
        else:
            with self._lock:
                self._install(engine)
        finally:
            connection.close()


def load_engine(live: IndexVersion) -> SearchEngine:
    """Load a version's model and index.

    Where the index files are missing or damaged, an index in memory is made from the stored
    vectors instead: searches go on, and the warning says what to do.
    """
    encoder = live.model_version.load_encoder()
    warning = ""
    watermark = live.watermark
    try:
        index = live.load()
    except IndexFileError as error:
        logger.error("%s", error)
        rows = ImageEmbedding.objects.filter(model_version=live.model_version)
        ids, vectors, watermark = rows.matrix()
        if not len(ids):
            raise
        fingerprint = live.model_version.fingerprint
        index = VectorIndex.build(
            ids, vectors, IndexSpec(), fingerprint=fingerprint, watermark=watermark
        )
        warning = f"{error} Searches are answered from the stored vectors meanwhile."
    engine = SearchEngine(
        version=live,
        encoder=encoder,
        index=index,
        tail=FreshTail.empty(live.model_version.dim),
        tail_watermark=watermark,
        sample=index.sample(),
        warning=warning,
    )
    return engine.with_fresh_tail()


engine_room = EngineRoom()


def get_engine() -> SearchEngine:
    """Return the engine for the live index.

    Raises:
        NoActiveIndexError: nothing has been indexed yet.
        ModelUnavailableError, IndexFileError, IndexMismatchError: it cannot be loaded.
    """
    return engine_room.get()
