"""What makes vectors of words, for pictures and for captions, and what it made lately."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gallery.models import SentenceModel
from mlcore.config import FloatMatrix
from mlcore.encoders import Encoder, SharedTextTower
from mlcore.encoders.sentences import SentenceEncoder
from mlcore.errors import ContextVisionError
from search.batching import Batcher
from search.query_cache import QueryVectors

logger = logging.getLogger(__name__)

SENTENCES_TOGETHER, SENTENCES_WAITING = 16, 32
"""Sentences that are encoded together, and that may wait for the next batch."""

query_vectors = QueryVectors()
"""Vectors of the sentences that this process was asked for lately."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes vectors of words: those of one encoder, or of two that share a text tower, which then
    reads each text once for both. What it read lately it knows."""

    batcher: Batcher[str]
    """Returns the vectors of each text side by side."""
    widths: Mapping[str, int]
    """By fingerprint of their encoder, in the order in which they stand there."""

    def read(self, texts: Sequence[str], fingerprint: str, *, counted: bool = True) -> FloatMatrix:
        """Return the vectors of texts by one of the encoders, float32 (n, dim).

        Raises:
            BusyError: too many queries are waiting.
        """
        known = {text: query_vectors.get(fingerprint, text, counted=counted) for text in texts}
        unknown = [text for text, vector in known.items() if vector is None]
        if unknown:
            ends = np.cumsum(list(self.widths.values()))
            vectors = np.split(self.batcher(unknown), ends[:-1], axis=1)
            for made_by, rows in zip(self.widths, vectors, strict=True):
                for text, row in zip(unknown, rows, strict=True):
                    query_vectors.put(made_by, text, row[None, :])
                    if made_by == fingerprint:
                        known[text] = row[None, :]
        return np.concatenate([vector for text in texts if (vector := known[text]) is not None])


@dataclass(frozen=True, slots=True)
class Questions:
    """The encoder of sentences that captions were read with, for what is asked."""

    encoder: SentenceEncoder
    reader: Reader


def readers_of(encoder: Encoder, model: SentenceModel | None) -> tuple[Reader, Questions | None]:
    """Say what reads words to compare them with pictures, and with captions.

    The encoder of sentences is loaded for the latter. Without it, searches go on by how pictures
    look.
    """
    reader = _reader(encoder.encode_texts, {encoder.fingerprint: encoder.dim})
    if model is None:
        return reader, None
    try:
        sentences = model.load_encoder()
    except ContextVisionError:
        logger.exception("%s cannot be loaded; captions are not compared until it can be.", model)
        return reader, None
    own = {sentences.fingerprint: sentences.dim}
    if (
        isinstance(encoder, SharedTextTower)
        and encoder.sentence_fingerprint == sentences.fingerprint
    ):
        joint = encoder.encode_jointly
        reader = _reader(
            lambda texts: np.concatenate(joint(texts), axis=1),
            {encoder.fingerprint: encoder.dim, **own},
        )
        return reader, Questions(sentences, reader)
    return reader, Questions(sentences, _reader(sentences.encode_queries, own))


def _reader(encode: Callable[[Sequence[str]], FloatMatrix], widths: Mapping[str, int]) -> Reader:
    return Reader(Batcher(encode, size=SENTENCES_TOGETHER, queue=SENTENCES_WAITING), widths)
