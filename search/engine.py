"""This process's model and index for the live version, swapped as a whole when it changes."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import connection
from PIL.Image import Image

from gallery.models import IndexBias, IndexVersion
from gallery.vectors.base import Lookup
from gallery.vectors.registry import store_of
from mlcore.config import FloatMatrix, IdVector
from mlcore.encoders import Encoder, keep_encoders
from mlcore.errors import ContextVisionError
from mlcore.i18n import Message
from mlcore.index import Hit
from mlcore.relevance import RelevanceModel
from mlcore.relevance.bias import PictureBias
from search.batching import Batcher, BusyError
from search.readers import (
    SENTENCES_TOGETHER,
    SENTENCES_WAITING,
    Questions,
    Reader,
    query_vectors,
    readers_of,
)
from search.recall import Sample, recall_meter

__all__ = [
    "BusyError",
    "ModelLoadingError",
    "NoActiveIndexError",
    "SearchEngine",
    "engine_holder",
    "get_engine",
]

logger = logging.getLogger(__name__)

TAIL_INTERVAL = 1.0
"""Seconds between two looks for pictures that were embedded since."""
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
    reader: Reader
    """The encoder for words, which encodes together what is asked together."""
    pictures: Batcher[Image]
    """The encoder for example pictures, likewise."""
    sample: FloatMatrix
    """Some vectors of the index, by which words and pictures in one query are balanced."""
    relevance: RelevanceModel
    """What the evidence is worth."""
    bias: PictureBias | None = None
    """What is taken from the cosines of pictures with sentences; None for nothing."""
    questions: Questions | None = None
    """What encodes words to compare them with captions; None while nothing is said of pictures."""
    warning: Message | None = None
    """What is not as it should be although searches are answered."""

    @property
    def count(self) -> int:
        """Pictures in the index when it was built: among about so many is searched."""
        return self.version.count

    def search(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        """Return at most ``k`` hits for a query of shape (1, dim), best first."""
        hits = self.index.search(query, k, allowed_ids=allowed_ids)
        recall_meter.offer(Sample(self.version, self.index, query, hits, allowed_ids))
        return hits

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        """Return the vectors of sentences in the space of pictures, float32 (n, dim).

        Those that were asked for lately are known without the encoder.

        Raises:
            BusyError: too many queries are waiting.
        """
        return self.reader.read(texts, self.encoder.fingerprint)

    def encode_questions(self, texts: Sequence[str]) -> FloatMatrix | None:
        """Return the vectors of sentences in the space of captions, likewise; None where there are
        no captions to compare them with."""
        if self.questions is None:
            return None
        return self.questions.reader.read(texts, self.questions.encoder.fingerprint, counted=False)

    def encode_pictures(self, pictures: Sequence[Image], key: str = "") -> FloatMatrix:
        """Return the vectors of example pictures, float32 (n, dim), by their centre squares.

        Under a key they are remembered, as for the second page of their results.

        Raises:
            BusyError: too many queries are waiting.
        """
        if not key:
            return self.pictures(pictures)
        name = f"\0{key}"  # no sentence holds such a character
        vectors = query_vectors.get(self.encoder.fingerprint, name)
        if vectors is None:
            vectors = self.pictures(pictures)
            query_vectors.put(self.encoder.fingerprint, name, vectors)
        return vectors

    def refreshed(self) -> "SearchEngine":
        """Return an engine that also knows the pictures embedded since this one looked."""
        index = self.index.refreshed()
        if index is self.index:
            return self
        if index.captions.model == self.index.captions.model:
            return replace(self, index=index)
        reader, questions = readers_of(self.encoder, index.captions.model)
        return replace(
            self,
            index=index,
            reader=reader,
            questions=questions,
            relevance=_relevance(self.version, self.encoder, questions, self.bias),
        )


class EngineHolder:
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
            raise NoActiveIndexError("search.no_index")
        if engine is None:
            if not self._lock.acquire(timeout=LOADING_PATIENCE):
                raise ModelLoadingError("search.model_loading")
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
                    reason = error.message if isinstance(error, ContextVisionError) else str(error)
                    warning = Message.of("search.not_loaded", index=str(live.pk), reason=reason)
                    self._engine = replace(self._engine, warning=warning)
        else:
            with self._lock:
                self._install(engine)
        finally:
            connection.close()


def load_engine(live: IndexVersion) -> SearchEngine:
    """Load a version's model, the encoder of sentences beside it, and open its indexes."""
    encoder = live.model_version.load_encoder()
    index = store_of(live).open(live)
    reader, questions = readers_of(encoder, index.captions.model)
    bias = IndexBias.of(live)
    return SearchEngine(
        version=live,
        encoder=encoder,
        index=index,
        reader=reader,
        pictures=Batcher(encoder.encode_images, size=PICTURES_TOGETHER, queue=PICTURES_WAITING),
        sample=index.sample(),
        relevance=_relevance(live, encoder, questions, bias),
        bias=bias,
        questions=questions,
        warning=index.warning or (_UNREAD if index.captions.model and not questions else None),
    )


_UNREAD = Message("search.captions_unread")


def _relevance(
    live: IndexVersion,
    encoder: Encoder,
    questions: Questions | None,
    bias: PictureBias | None,
) -> RelevanceModel:
    """Say what the evidence is worth by these encoders."""
    made_by = {"picture": encoder.fingerprint}
    if questions is not None:
        made_by["caption"] = questions.encoder.fingerprint
    model = live.model_version.relevance_model()
    if dict(model.bias) != ({"picture": (bias.k, bias.alpha)} if bias else {}):
        # An index from before the weights were fitted: they are those of other scores.
        model = live.model_version.stock_relevance_model()
    return model.fits(made_by)


engine_holder = EngineHolder()


def get_engine() -> SearchEngine:
    """Return the engine for the live index.

    Raises:
        NoActiveIndexError: nothing has been indexed yet.
        ModelLoadingError: another request is loading it.
        ModelUnavailableError, IndexFileError, IndexMismatchError, VectorStoreError: it cannot be
            loaded.
    """
    return engine_holder.get()
