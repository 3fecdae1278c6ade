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
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
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
        from safetensors.torch import save_file

        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        # "format" is what transformers looks for before it opens a safetensors file.
        save_file(contiguous, folder / WEIGHTS, metadata={"format": "pt"})
        (folder / CONFIG).write_text(_dump(config), encoding="utf-8")

    return write_checkpoint(directory, kind=kind, write=write)


def write_checkpoint(directory: Path, *, kind: str, write: Callable[[Path], None]) -> Checkpoint:
    """Publish what ``write`` puts into an empty folder as a checkpoint.

    For models that save themselves, such as those of transformers. Files directly in the folder
    are listed in the manifest; pickles and subfolders are refused.

    Raises:
        CheckpointError: as :func:`save_checkpoint`.
    """
    if directory.exists():
        raise CheckpointError(f"{directory} exists already; choose a folder that does not exist")
    try:
        with published(directory) as folder:
            write(folder)
            entries = {}
            for path in sorted(folder.iterdir()):
                if path.suffix not in {".safetensors", ".json", ".jsonl", ".txt", ".md"}:
                    raise CheckpointError(
                        f"{path.name} cannot be part of a checkpoint; weights are safetensors only"
                    )
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
            f"The checkpoint {directory} could not be written ({error.strerror or error}); "
            "check free space and permissions"
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
        raise CheckpointError(f"{directory} is not a checkpoint: it has no {MANIFEST}")
    manifest = read_json(manifest_path)
    if manifest.get("format") != FORMAT:
        raise CheckpointError(
            f"{manifest_path} has format {manifest.get('format')!r}, and this version reads "
            f"format {FORMAT}; write the checkpoint again"
        )
    try:
        kind = str(manifest["kind"])
        expected = {
            str(name): (int(entry["bytes"]), str(entry["sha256"]))
            for name, entry in manifest["files"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{manifest_path} is malformed; restore it from a copy") from error
    for name, (size, digest) in expected.items():
        path = directory / name
        if Path(name).name != name:
            raise CheckpointError(f"{manifest_path} names a file outside its folder: {name}")
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; restore the checkpoint from a copy")
        if path.stat().st_size != size or file_sha256(path) != digest:
            raise CheckpointError(
                f"{path} is damaged: its bytes are not those that were written; "
                "restore the checkpoint from a copy"
            )
    for required in (CONFIG, WEIGHTS):
        if required not in expected:
            raise CheckpointError(f"{manifest_path} does not list {required}; write it again")
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
        raise CheckpointError(f"{path} cannot be read as JSON; restore it from a copy") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} does not hold a JSON object; restore it from a copy")
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
