"""What is computed once and kept on disk, under names that say what it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore.datasets import CaptionDataset
from mlcore.encoders.checkpoints import save_tensors

if TYPE_CHECKING:
    import torch

    from mlcore.training.processes import Processes


def key_of(*parts: object) -> str:
    """Return a name of 32 letters and digits for what these parts decide."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:32]


def content_key(data: CaptionDataset) -> str:
    """A name for the pictures of a dataset in their order, whatever their captions."""
    return key_of(*data.content)


def texts_key(texts: Iterable[str]) -> str:
    """A name for a list of texts."""
    return key_of(*(repr(text) for text in texts))


def kept_tensor(path: Path, make: Callable[[], torch.Tensor], processes: Processes) -> torch.Tensor:
    """Read a tensor from the cache, or let the main process make it and keep it there."""
    from safetensors.torch import load_file

    made = None
    if processes.is_main and not path.is_file():
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".tmp")
        save_tensors({"features": made}, partial)
        partial.rename(path)
    processes.wait()
    return load_file(path)["features"] if made is None else made


def kept_array(path: Path, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Read an array of numbers from the cache, or make it and keep it there."""
    if not path.is_file():
        array = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".tmp.npy")
        np.save(partial, array, allow_pickle=False)
        partial.rename(path)
        return array
    found: NDArray[Any] = np.load(path, allow_pickle=False)
    return found
