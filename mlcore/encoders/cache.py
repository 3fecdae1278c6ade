"""The encoders of this process."""

from collections.abc import Collection

from mlcore.config import RuntimeOptions
from mlcore.encoders.base import Encoder
from mlcore.encoders.loading import load_encoder
from mlcore.encoders.shared import SharedModels

_shared = SharedModels[Encoder](lambda reference, options: load_encoder(reference, options=options))


def shared_encoder(reference: str, *, options: RuntimeOptions) -> Encoder:
    """Load an encoder, or return the one that was loaded before; as :func:`load_encoder`."""
    return _shared.get(reference, options)


def keep_encoders(references: Collection[str]) -> None:
    """Let go of every encoder but those of these references."""
    _shared.keep(references)


def forget_encoders() -> None:
    """Let go of every encoder, so that the next use loads it again."""
    _shared.keep(())
