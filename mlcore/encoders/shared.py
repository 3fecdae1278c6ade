"""One copy of each model in a process, whatever the number of threads that ask for it."""

import threading
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from mlcore.config import RuntimeOptions

T = TypeVar("T")


class SharedModels(Generic[T]):
    """Models that were loaded, by reference and options. Safe to share.

    While one thread loads, others wait: loading twice at once would take twice the memory.

    Args:
        load: loads the model that a reference names.
    """

    def __init__(self, load: Callable[[str, RuntimeOptions], T]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, RuntimeOptions], T] = {}

    def get(self, reference: str, options: RuntimeOptions) -> T:
        """Load a model, or return the one that was loaded before."""
        key = (reference, options)
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = self._load(reference, options)
            return self._loaded[key]

    def keep(self, references: Collection[str]) -> None:
        """Let go of every model but those of these references."""
        with self._lock:
            for key in [key for key in self._loaded if key[0] not in references]:
                del self._loaded[key]
