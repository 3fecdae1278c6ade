"""Where and in which precision a model runs."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlcore.config import Precision, RuntimeOptions
from mlcore.errors import ModelUnavailableError

if TYPE_CHECKING:
    import torch

# Threads of torch that wait for each other shall sleep, not spin: where a web server and a worker
# share two cores, spinning took half to two thirds of the pictures a second. It is read when torch
# is first loaded, which whoever imports this module does later.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


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


def choose_library(options: RuntimeOptions) -> Literal["openvino", "torch"]:
    """Choose what runs a model to encode: OpenVINO on a processor, if it is installed, else torch.

    Raises:
        ModelUnavailableError: OpenVINO is asked for and not there, or does not run on the device.
    """
    if options.library == "torch":
        return "torch"
    installed = importlib.util.find_spec("openvino") is not None
    if options.library == "openvino":
        if not installed:
            raise ModelUnavailableError("runtime.openvino_missing")
        if options.device not in ("auto", "cpu"):
            raise ModelUnavailableError("runtime.openvino_device", device=options.device)
        return "openvino"
    device = options.device
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
        raise ModelUnavailableError("runtime.no_device", device=device)
    if precision == "int8":
        raise ModelUnavailableError("runtime.int8_in_torch")
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


def load_pretrained(kind: str, folder: Path, **options: Any) -> Any:
    """Load a model of transformers from a folder on this machine, one at a time.

    While it loads, transformers changes torch's default type of numbers for the whole process: of
    two models loaded at once, one would have weights of two types.

    Args:
        kind: the name of its class.
        folder: what transformers wrote; safetensors only, and no code of it is run.
        options: further ones of ``from_pretrained``.
    """
    transformers = load_transformers()
    with _loading:
        return getattr(transformers, kind).from_pretrained(
            folder,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            **options,
        )


_loading = threading.Lock()


def first_line(error: BaseException) -> str:
    """Return what another library's failure says, without its end sign."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".:")
