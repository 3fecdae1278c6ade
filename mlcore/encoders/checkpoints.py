"""Checkpoint folders: safetensors, a configuration, and a manifest of sizes and sha256 sums.

A folder is written beside its final place under a ``.tmp-`` name, brought to the disk, read back,
and then renamed, so that under its own name it is either complete or absent. It is never changed
afterwards. Before use every file is measured against the manifest: a flipped byte in a
safetensors file would otherwise load without a word.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST = "manifest.json"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"

FORMAT = 1
"""Version of the manifest; a folder of a later version is refused."""

_CHUNK = 1024 * 1024
"""Bytes read at a time while hashing."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint folder. Only files named in its manifest may be read."""

    directory: Path
    kind: str
    """Which loader understands it, for example ``clip`` or ``starter``."""
    files: dict[str, str]
    """File name to sha256, as the manifest says and the bytes confirm."""

    @property
    def weights_sha256(self) -> str:
        """The sha256 of the weights, in hexadecimal."""
        return self.files[WEIGHTS]

    def config(self) -> dict[str, Any]:
        """The parsed ``config.json``."""
        return read_json(self.directory / CONFIG)

    def tensors(self) -> dict[str, Tensor]:
        """The weights, on the CPU, by name."""
        from safetensors.torch import load_file

        return load_file(self.directory / WEIGHTS)


def is_checkpoint(directory: Path) -> bool:
    """Tell whether a folder claims to be one that this module wrote."""
    return (directory / MANIFEST).is_file()


def save_checkpoint(
    directory: Path, *, kind: str, tensors: dict[str, Tensor], config: dict[str, Any]
) -> Checkpoint:
    """Write weights and configuration as a new checkpoint folder.

    Args:
        directory: the final place; must not exist. Its parents are made.
        kind: which loader understands it.
        tensors: weights by name.
        config: what else the loader needs; JSON values.

    Raises:
        CheckpointError: the place is taken, or the files could not be written (a full disk, no
            permission); nothing is left behind then.
    """

    def write(folder: Path) -> None:
        save_tensors(tensors, folder / WEIGHTS)
        (folder / CONFIG).write_text(_dump(config), encoding="utf-8")

    return write_checkpoint(directory, kind=kind, write=write)


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write named tensors as a safetensors file.

    Raises:
        OSError: the system refused, as where the disk is full; nothing is left then.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        # "format" is what transformers looks for before it opens a safetensors file.
        save_file(contiguous, path, metadata={"format": "pt"})
    except SafetensorError as error:
        path.unlink(missing_ok=True)
        # The library says the system's reason in words alone.
        if reason := re.search(r"os error (\d+)", str(error)):
            number = int(reason[1])
            raise OSError(number, os.strerror(number), str(path)) from error
        raise


def write_checkpoint(directory: Path, *, kind: str, write: Callable[[Path], None]) -> Checkpoint:
    """Publish what ``write`` puts into an empty folder as a checkpoint.

    For models that save themselves, such as those of transformers. Files directly in the folder
    are listed in the manifest; pickles and subfolders are refused.

    Raises:
        CheckpointError: as :func:`save_checkpoint`.
    """
    if directory.exists():
        raise CheckpointError("checkpoint.exists", path=str(directory))
    try:
        with published(directory) as folder:
            write(folder)
            entries = {}
            for path in sorted(folder.iterdir()):
                if path.suffix not in {".safetensors", ".json", ".jsonl", ".txt", ".md"}:
                    raise CheckpointError("checkpoint.other_file", name=path.name)
                # safetensors writes for the owner alone; a web server may be another user.
                path.chmod(0o644)
                _flush(path)
                entries[path.name] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
            manifest = {"format": FORMAT, "kind": kind, "files": entries}
            (folder / MANIFEST).write_text(_dump(manifest), encoding="utf-8")
            _flush(folder / MANIFEST)
            verify_checkpoint(folder)
    except OSError as error:
        raise CheckpointError(
            "checkpoint.unwritable", path=str(directory), reason=str(error.strerror or error)
        ) from error
    return verify_checkpoint(directory)


def verify_checkpoint(directory: Path) -> Checkpoint:
    """Compare every file of a checkpoint with its manifest.

    Files that the manifest does not name are ignored, and nothing else ever reads them.

    Raises:
        CheckpointError: no manifest, a malformed one, a missing file, another size, other bytes.
    """
    manifest_path = directory / MANIFEST
    if not manifest_path.is_file():
        raise CheckpointError("checkpoint.no_manifest", path=str(directory))
    manifest = read_json(manifest_path)
    if manifest.get("format") != FORMAT:
        raise CheckpointError(
            "checkpoint.other_format",
            path=str(manifest_path),
            format=str(manifest.get("format")),
            known=str(FORMAT),
        )
    try:
        kind = str(manifest["kind"])
        expected = {
            str(name): (int(entry["bytes"]), str(entry["sha256"]))
            for name, entry in manifest["files"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError("checkpoint.malformed", path=str(manifest_path)) from error
    for name, (size, digest) in expected.items():
        path = directory / name
        if Path(name).name != name:
            raise CheckpointError("checkpoint.outside", path=str(manifest_path), name=name)
        if not path.is_file():
            raise CheckpointError("checkpoint.missing", path=str(path))
        if path.stat().st_size != size or file_sha256(path) != digest:
            raise CheckpointError("checkpoint.damaged", path=str(path))
    for required in (CONFIG, WEIGHTS):
        if required not in expected:
            raise CheckpointError("checkpoint.not_listed", path=str(manifest_path), name=required)
    return Checkpoint(directory, kind, {name: digest for name, (_, digest) in expected.items()})


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def tensors_sha256(tensors: Iterable[tuple[str, Tensor]], about: object = None) -> str:
    """The sha256 of named tensors as float32, whatever the type of numbers they are stored in.

    Args:
        tensors: in an order that is always the same.
        about: JSON values that belong to them.
    """
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in tensors:
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Parse a JSON file that holds an object.

    Raises:
        CheckpointError: the file cannot be read, is not JSON, or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError("checkpoint.no_json", path=str(path)) from error
    if not isinstance(value, dict):
        raise CheckpointError("checkpoint.no_object", path=str(path))
    return value


@contextmanager
def published(directory: Path) -> Iterator[Path]:
    """Yield a folder beside ``directory``; rename it into place, or remove it on any failure.

    Raises:
        OSError: it cannot be made or brought to the disk, or ``directory`` holds something.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = directory.parent / f".tmp-{directory.name}-{uuid.uuid4().hex}"
    temporary.mkdir()
    try:
        yield temporary
        _flush(temporary)
        temporary.rename(directory)
        _flush(directory.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _flush(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
