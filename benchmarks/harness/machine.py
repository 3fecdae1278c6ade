"""The machine a benchmark ran on, in words."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_FLAGS = ("avx2", "f16c", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16",
          "amx_int8")  # fmt: skip
_PACKAGES = ("torch", "transformers", "openvino", "faiss-cpu", "numpy", "Django", "gunicorn",
             "sentence-transformers", "usearch")  # fmt: skip


def describe() -> dict[str, Any]:
    """Return the processor, memory, versions, and how busy the machine is with other work."""
    processor = _fields("/proc/cpuinfo")
    memory = _fields("/proc/meminfo")
    flags = processor.get("flags", "").split()
    load = os.getloadavg() if hasattr(os, "getloadavg") else (0.0, 0.0, 0.0)
    return {
        "cpu": processor.get("model name") or platform.processor() or "not known",
        "flags": [flag for flag in _FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory.get("MemTotal", "0 kB").split()[0]) / 1024**2, 1),
        "load_at_start": [round(value, 2) for value in load],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def resident_mb(pid: int | str = "self") -> float:
    """Megabytes of memory that a process holds, shared pages included; 0 where that is not told."""
    size = _fields(f"/proc/{pid}/status").get("VmRSS", "0 kB")
    return int(size.split()[0]) / 1024


def _fields(path: str) -> dict[str, str]:
    """Read ``name: value`` lines, the first of each name."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
