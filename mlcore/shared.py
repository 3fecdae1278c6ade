"""One copy of each model in a process, whatever the number of threads that ask for it."""

import threading
from collections.abc import Collection

from mlcore.encoder import Encoder, load_encoder

_lock = threading.Lock()
_loaded: dict[tuple[str, str], Encoder] = {}


def shared_encoder(reference: str, *, device: str = "auto") -> Encoder:
    """Load an encoder, or return the one that was loaded before; as :func:`load_encoder`.

    While one thread loads, others wait: loading twice at once would take twice the memory.
    """
    key = (reference, device)
    with _lock:
        if key not in _loaded:
            _loaded[key] = load_encoder(reference, device=device)
        return _loaded[key]


def keep_encoders(references: Collection[str]) -> None:
    """Let go of every encoder but those of these references."""
    with _lock:
        for key in [key for key in _loaded if key[0] not in references]:
            del _loaded[key]


def forget_encoders() -> None:
    """Let go of every encoder, so that the next use loads it again."""
    with _lock:
        _loaded.clear()
