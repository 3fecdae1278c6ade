"""Encoders turn pictures and sentences into unit vectors of one space.

:func:`load_encoder` finds the model that a reference names: the starter, a folder, or a name on
the Hugging Face hub.
"""

from mlcore.config import RuntimeOptions
from mlcore.encoders.base import Encoder, FoundModel, ModelFamily, SharedTextTower
from mlcore.encoders.cache import forget_encoders, keep_encoders, shared_encoder
from mlcore.encoders.loading import compile_model, load_encoder
from mlcore.encoders.registry import FAMILIES, find_model, model_fingerprint
from mlcore.encoders.starter import STARTER
from mlcore.encoders.views import seen_in, views_of

__all__ = [
    "FAMILIES",
    "STARTER",
    "Encoder",
    "FoundModel",
    "ModelFamily",
    "RuntimeOptions",
    "SharedTextTower",
    "compile_model",
    "find_model",
    "forget_encoders",
    "keep_encoders",
    "load_encoder",
    "model_fingerprint",
    "seen_in",
    "shared_encoder",
    "views_of",
]
