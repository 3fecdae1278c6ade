"""Where compiled networks are kept: beside what they are made of, or in the user's cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlcore.encoders.openvino.compiled import Traceable, keep_networks, openvino_version
from mlcore.encoders.runtime import multiplies_bytes
from mlcore.errors import CheckpointError


def compiled_places(folder: Path, fingerprint: str) -> tuple[Path, Path]:
    """Return the folders in which a model's networks may be kept, the best first.

    Args:
        folder: of the model.
        fingerprint: of the model.
    """
    key = f"{fingerprint[:16]}-{openvino_version()}" + ("-int8" if multiplies_bytes() else "")
    return folder / ".compiled" / key, _user_cache() / key


def keep_in_a_place(
    folder: Path, fingerprint: str, networks: Mapping[str, Traceable], about: Any
) -> None:
    """Compile networks and keep them in the first of :func:`compiled_places` that can be written.

    Raises:
        CheckpointError: they can be kept nowhere.
    """
    faults = []
    for place in compiled_places(folder, fingerprint):
        try:
            keep_networks(place, networks, about)
        except CheckpointError as fault:
            faults.append(fault.message)
        else:
            return
    raise CheckpointError("compiled.kept_nowhere", reasons=faults)


def _user_cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "contextvision"
