"""Encoders of sentences alone: what people wrote is compared with what is asked.

They know no pictures, so what they made of captions and titles stays valid whatever model looks at
the pictures. :func:`load_sentence_encoder` finds the one that a reference names: ``minilm``, which
a pip package carries, or whatever sentence-transformers wrote, in a folder or on the hub.
"""

from mlcore.encoders.sentences.base import SentenceEncoder
from mlcore.encoders.sentences.folder import MINILM, sentence_fingerprint
from mlcore.encoders.sentences.loading import (
    compile_sentence_encoder,
    forget_sentence_encoders,
    load_sentence_encoder,
    shared_sentence_encoder,
)

__all__ = [
    "MINILM",
    "SentenceEncoder",
    "compile_sentence_encoder",
    "forget_sentence_encoders",
    "load_sentence_encoder",
    "sentence_fingerprint",
    "shared_sentence_encoder",
]
