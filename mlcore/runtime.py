"""Where and in which precision a model runs, and how its outputs become unit vectors."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.errors import ModelUnavailableError

if TYPE_CHECKING:
    import torch
    from PIL import Image

# Threads of torch that wait for each other shall sleep, not spin: where a web server and a worker
# share two cores, spinning took half to two thirds of the pictures a second. It is read when torch
# is first loaded, which whoever imports this module does later.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

Precision: TypeAlias = Literal["auto", "float32", "bfloat16", "int8"]
"""``int8``: large matrices in 8-bit whole numbers, and the rest as ``auto`` would be without it."""

PRECISION_VARIABLE = "CONTEXTVISION_PRECISION"
"""Fixes the precision where nothing else does; ``auto`` is as good as unset."""

Library: TypeAlias = Literal["openvino", "torch"]
"""What runs a model: OpenVINO on processors, torch everywhere else."""

LIBRARY_VARIABLE = "CONTEXTVISION_RUNTIME"
"""Fixes the library where it is ``openvino`` or ``torch``; ``auto`` is as good as unset."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Runtime:
    """A device of torch and the type of numbers a model computes with on it."""

    device: str
    precision: Literal["float32", "bfloat16"]

    def __str__(self) -> str:
        return f"torch {self.precision} on {self.device}"

    @property
    def dtype(self) -> torch.dtype:
        import torch

        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32


def choose_library(device: str = "auto") -> Library:
    """Choose what runs a model to encode: OpenVINO on a processor, if it is installed, else torch.

    Args:
        device: as for :func:`choose_runtime`.

    Raises:
        ModelUnavailableError: the variable ``CONTEXTVISION_RUNTIME`` asks for what is not there.
    """
    asked = os.environ.get(LIBRARY_VARIABLE, "auto")
    installed = importlib.util.find_spec("openvino") is not None
    if asked == "torch":
        return "torch"
    if asked == "openvino":
        if not installed or device not in ("auto", "cpu"):
            raise ModelUnavailableError(
                f"{LIBRARY_VARIABLE} asks for OpenVINO, which "
                + (f"does not run on {device!r}" if installed else "is not installed")
                + "; unset it to take what there is."
            )
        return "openvino"
    if asked != "auto":
        raise ModelUnavailableError(
            f"{LIBRARY_VARIABLE} is {asked!r}; it accepts auto, openvino and torch."
        )
    on_processor = device == "cpu" or (device == "auto" and not _has_accelerator())
    return "openvino" if installed and on_processor else "torch"


def processor_precision() -> Literal["float32", "bfloat16"]:
    """bfloat16 where this machine's processor computes in it; torch is not loaded to know."""
    known = ("avx512_bf16", "amx_bf16", " bf16 ")
    return "bfloat16" if any(name in _processor_flags() for name in known) else "float32"


def multiplies_bytes() -> bool:
    """Tell whether this processor multiplies 8-bit whole numbers faster than any others (VNNI)."""
    return any(name in _processor_flags() for name in ("avx512_vnni", "avx_vnni"))


def _processor_flags() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""


def choose_precision(precision: Precision = "auto") -> Precision:
    """Return the precision that was asked for, be it in the environment; ``auto`` where none was.

    Raises:
        ModelUnavailableError: the variable ``CONTEXTVISION_PRECISION`` asks for what there is not.
    """
    if precision != "auto":
        return precision
    asked = os.environ.get(PRECISION_VARIABLE, "auto")
    known: dict[str, Precision] = {name: name for name in get_args(Precision)}
    if asked not in known:
        raise ModelUnavailableError(
            f"{PRECISION_VARIABLE} is {asked!r}; it accepts {', '.join(known)}."
        )
    return known[asked]


def _has_accelerator() -> bool:
    """Whether torch would find a better device; it is loaded only where one may be there."""
    if sys.platform == "linux" and not any(Path("/dev").glob("nvidia[0-9]*")):
        return Path("/dev/kfd").exists()  # AMD's
    return choose_runtime("auto").device != "cpu"


def choose_runtime(device: str = "auto", precision: Precision = "auto") -> Runtime:
    """Choose the best device there is (cuda, then mps, then cpu) and its precision.

    bfloat16 halves the time of float32 where the processor computes in it and keeps cosines to
    0.999; where it does not, torch only imitates it, many times slower, so float32 is taken.

    Args:
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: ``auto`` for the above, or the one that must be used.

    Raises:
        ModelUnavailableError: the device is not known or not present.
    """
    import torch

    if device == "auto":
        device = "cpu"
        if torch.cuda.is_available():
            device = "cuda"
        elif torch.backends.mps.is_available():
            device = "mps"
    elif not _is_present(device):
        raise ModelUnavailableError(
            f"The device {device!r} is not present on this machine; use 'auto' or 'cpu'."
        )
    if precision == "int8":
        raise ModelUnavailableError(
            "Torch encodes in bfloat16 or float32; int8 needs OpenVINO, on a processor."
        )
    if precision == "auto":
        precision = "bfloat16" if _computes_in_bfloat16(device) else "float32"
    return Runtime(device, precision)


def _is_present(device: str) -> bool:
    import torch

    if device == "cpu":
        return True
    if device == "mps":
        return bool(torch.backends.mps.is_available())
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number.isdigit() or device == "cuda"):
        return False
    return int(number or 0) < torch.cuda.device_count()


def _computes_in_bfloat16(device: str) -> bool:
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "mps":
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "arm_bf16"))


def load_transformers() -> Any:
    """Import transformers, without the bars and reports it prints while it loads a model."""
    transformers: Any = importlib.import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return transformers


PADDING = 32
"""Tokens of padding that take about as long as starting another batch."""


def by_length(
    rows: Sequence[list[int]],
    size: int,
    width: int,
    encode: Callable[[Sequence[list[int]]], torch.Tensor | FloatMatrix],
) -> FloatMatrix:
    """Encode tokenized texts in batches of about one length each, so that little is padding.

    Args:
        rows: token ids of each text.
        size: texts of a batch, at most.
        width: numbers of a vector.
        encode: takes the rows of a batch and returns a vector for each.

    Returns:
        The vectors in the order of ``rows``, each of length 1.

    Raises:
        ModelUnavailableError: the model gave numbers that are not finite, or no direction.
    """
    matrix = np.empty((len(rows), width), dtype=np.float32)
    lengths = [len(row) for row in rows]
    for places in _of_like_length(lengths, size):
        matrix[places] = _array(encode([rows[place] for place in places]))
    return unit_rows(matrix)


def _of_like_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield places of texts that go together: the next longer one begins a new batch where its
    length would bring more padding to the others than that costs."""
    batch: list[int] = []
    padding = 0
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch:
            padding += len(batch) * (lengths[place] - lengths[batch[-1]])
            if padding > PADDING or len(batch) == size:
                yield batch
                batch, padding = [], 0
        batch.append(place)
    if batch:
        yield batch


def in_batches(
    items: Sequence[T],
    size: int,
    width: int,
    encode: Callable[[Sequence[T]], torch.Tensor | FloatMatrix],
) -> FloatMatrix:
    """Encode ``items`` in batches of at most ``size`` and return unit rows of ``width`` numbers.

    Raises:
        ModelUnavailableError: the model gave numbers that are not finite, or no direction.
    """
    matrix = np.empty((len(items), width), dtype=np.float32)
    for start in range(0, len(items), size):
        matrix[start : start + size] = _array(encode(items[start : start + size]))
    return unit_rows(matrix)


def _array(features: torch.Tensor | FloatMatrix) -> FloatMatrix:
    if isinstance(features, np.ndarray):
        return features
    array: FloatMatrix = features.float().cpu().numpy()
    return array


def unit_rows(matrix: FloatMatrix) -> FloatMatrix:
    """Bring the rows of a float32 matrix to length 1, in place, and return it.

    Raises:
        ModelUnavailableError: a row is not finite, or has no direction.
    """
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        raise ModelUnavailableError(
            "The model gave a vector that has no direction or is not finite; its weights are "
            "damaged or the training that made them failed. Load another checkpoint."
        )
    matrix /= norms
    return matrix


def pixels(
    images: Sequence[Image.Image], mean: Sequence[float], std: Sequence[float], runtime: Runtime
) -> torch.Tensor:
    """Stack square RGB pictures of one size into a normalised (n, 3, side, side) tensor.

    Args:
        images: at least one.
        mean: per channel, on the scale 0 to 255.
        std: per channel, on the scale 0 to 255.
        runtime: where the tensor goes and in which precision; its memory is channels-last.
    """
    import torch

    stacked: NDArray[np.uint8] = np.stack([np.asarray(image) for image in images])
    tensor = torch.from_numpy(stacked).to(runtime.device).float()
    tensor = (tensor - torch.tensor(mean, device=runtime.device)) / torch.tensor(
        std, device=runtime.device
    )
    # (n, side, side, 3) seen as (n, 3, side, side) is channels-last as it stands.
    return tensor.permute(0, 3, 1, 2).to(runtime.dtype)
