"""The encoders of this process."""

from collections.abc import Collection

from mlcore.config import ONE_VIEW, RuntimeOptions, Views
from mlcore.encoders.base import Encoder
from mlcore.encoders.loading import load_encoder
from mlcore.encoders.shared import SharedModels
from mlcore.encoders.views import seen_in

_shared = SharedModels[Encoder](lambda reference, options: load_encoder(reference, options=options))


def shared_encoder(reference: str, *, options: RuntimeOptions, views: Views = ONE_VIEW) -> Encoder:
    """Load an encoder, or return the one that was loaded before; as :func:`load_encoder`.

    Args:
        reference: of the model.
        options: where and how it runs.
        views: what it makes a picture's vector of.
    """
    return seen_in(_shared.get(reference, options), views)


def keep_encoders(references: Collection[str]) -> None:
    """Let go of every encoder but those of these references."""
    _shared.keep(references)


def forget_encoders() -> None:
    """Let go of every encoder, so that the next use loads it again."""
    _shared.keep(())
