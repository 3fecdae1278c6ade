"""This process's model and index for the live version, swapped as a whole when it changes."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from django.db import connection
from django.utils.translation import gettext as _
from PIL.Image import Image

from gallery.models import IndexVersion
from gallery.stores import Lookup, store_of
from mlcore.config import FloatMatrix, IdVector
from mlcore.encoder import Encoder
from mlcore.errors import ContextVisionError
from mlcore.index import Hit
from mlcore.shared import keep_encoders
from search.batching import Batcher, BusyError
from search.recall import Sample, recall_meter
from search.remembering import QueryVectors

__all__ = [
    "BusyError",
    "ModelLoadingError",
    "NoActiveIndexError",
    "SearchEngine",
    "engine_room",
    "get_engine",
]

logger = logging.getLogger(__name__)

TAIL_INTERVAL = 1.0
"""Seconds between two looks for pictures that were embedded since."""
SENTENCES_TOGETHER, SENTENCES_WAITING = 16, 32
"""Sentences that are encoded together, and that may wait for the next batch."""
PICTURES_TOGETHER, PICTURES_WAITING = 4, 8
"""Example pictures likewise: each takes the encoder many times as long."""
SEARCHES_AT_ONCE = SENTENCES_TOGETHER + SENTENCES_WAITING + PICTURES_TOGETHER + PICTURES_WAITING
"""Searches that may be in the process at once before the next is told to come back later."""
LOADING_PATIENCE = 4.0
"""Seconds that a request waits for a model that another one loads."""
RELOAD_PAUSE = 30.0
"""Seconds to wait before a version that failed to load is tried again."""


class ModelLoadingError(ContextVisionError):
    """Another request has begun to load the model and is not done yet."""


class NoActiveIndexError(ContextVisionError):
    """Nothing has been indexed yet, so there is nothing to search in."""


@dataclass(frozen=True, slots=True)
class SearchEngine:
    """One model and the one index made with it. Never changes: a change makes a new engine.

    Holding both in one object is what makes an answer come wholly from one version, whatever is
    promoted or rolled back while it is worked out.
    """

    version: IndexVersion
    encoder: Encoder
    index: Lookup
    sentences: Batcher[str]
    """The encoder for words, which encodes together what is asked together."""
    pictures: Batcher[Image]
    """The encoder for example pictures, likewise."""
    sample: FloatMatrix
    """Some vectors of the index, by which words and pictures in one query are balanced."""
    warning: str = ""
    """What is not as it should be although searches are answered; empty when all is well."""

    def search(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        """Return at most ``k`` hits for a query of shape (1, dim), best first."""
        hits = self.index.search(query, k, allowed_ids=allowed_ids)
        recall_meter.offer(Sample(self.version, self.index, query, hits, allowed_ids))
        return hits

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        """Return the vectors of sentences, those asked for lately without the encoder.

        Raises:
            BusyError: too many queries are waiting.
        """
        fingerprint = self.encoder.fingerprint
        known = {text: query_vectors.get(fingerprint, text) for text in texts}
        unknown = [text for text, vector in known.items() if vector is None]
        if unknown:
            for text, vector in zip(unknown, self.sentences(unknown), strict=True):
                query_vectors.put(fingerprint, text, vector[None, :])
                known[text] = vector[None, :]
        rows = [vector for text in texts if (vector := known[text]) is not None]
        return np.concatenate(rows)

    def encode_picture(self, square: Image) -> FloatMatrix:
        """Return the vector of an example picture, float32 of shape (1, dim).

        Raises:
            BusyError: too many queries are waiting.
        """
        return self.pictures([square])

    def encode_kept(self, key: str, read: Callable[[], Image]) -> FloatMatrix:
        """Return the vector of an example picture that is kept, float32 of shape (1, dim).

        ``read`` is called where it is not known yet, as for the second page of its results.
        """
        name = f"\0{key}"  # no sentence holds such a character
        vector = query_vectors.get(self.encoder.fingerprint, name)
        if vector is None:
            vector = self.encode_picture(read())
            query_vectors.put(self.encoder.fingerprint, name, vector)
        return vector

    def refreshed(self) -> "SearchEngine":
        """Return an engine that also knows the pictures embedded since this one looked."""
        index = self.index.refreshed()
        return self if index is self.index else replace(self, index=index)


query_vectors = QueryVectors()
"""Vectors of the sentences that this process was asked for lately."""


class EngineRoom:
    """Keeps the current engine of this process and replaces it when the live version changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: SearchEngine | None = None
        self._looked_at = 0.0
        self._loading: threading.Thread | None = None
        self._failed: tuple[int | None, float] = (None, 0.0)

    def get(self) -> SearchEngine:
        engine = self._engine
        if engine is not None and engine.version.pk == IndexVersion.objects.active_id():
            return self._with_current_tail(engine)
        live = IndexVersion.objects.active()
        if live is None:
            raise NoActiveIndexError(
                _(
                    "No index is live yet. Import or upload pictures; they can be searched as soon "
                    "as a worker has embedded and indexed them."
                )
            )
        if engine is None:
            if not self._lock.acquire(timeout=LOADING_PATIENCE):
                raise ModelLoadingError(
                    _(
                        "The model is still being loaded, as after every start of the site. It "
                        "takes a few seconds more."
                    )
                )
            try:
                # Others waited for the same load and find it done.
                engine = self._engine or self._install(load_engine(live))
            finally:
                self._lock.release()
        if engine.version.pk != live.pk:
            self._replace_in_background(live)
        return self._with_current_tail(engine)

    def loaded(self) -> SearchEngine | None:
        """Return the engine if there is one, without loading anything."""
        return self._engine

    def reset(self) -> None:
        """Forget the engine; the next search loads what is live then."""
        query_vectors.clear()
        with self._lock:
            self._engine = None
            self._failed = (None, 0.0)

    def wait_for_swap(self) -> None:
        """Wait until a replacement that is being loaded, if any, is in place."""
        loading = self._loading
        if loading is not None:
            loading.join()

    def _install(self, engine: SearchEngine) -> SearchEngine:
        former, self._engine = self._engine, engine
        if former is not None and former.encoder is not engine.encoder:
            # The former model stays at hand, so that a rollback need not wait for it.
            keep_encoders({each.version.model_version.reference for each in (former, engine)})
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
            return self._install(engine.refreshed())
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
    """Load a version's model and open its index."""
    encoder = live.model_version.load_encoder()
    index = store_of(live).open(live)
    return SearchEngine(
        version=live,
        encoder=encoder,
        index=index,
        sentences=Batcher(encoder.encode_texts, size=SENTENCES_TOGETHER, queue=SENTENCES_WAITING),
        pictures=Batcher(encoder.encode_images, size=PICTURES_TOGETHER, queue=PICTURES_WAITING),
        sample=index.sample(),
        warning=index.warning,
    )


engine_room = EngineRoom()


def get_engine() -> SearchEngine:
    """Return the engine for the live index.

    Raises:
        NoActiveIndexError: nothing has been indexed yet.
        ModelLoadingError: another request is loading it.
        ModelUnavailableError, IndexFileError, IndexMismatchError, VectorStoreError: it cannot be
            loaded.
    """
    return engine_room.get()
