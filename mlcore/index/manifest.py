"""``manifest.json``: what an index was made from and which bytes it consists of."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlcore.errors import IndexFileError
from mlcore.index.files import FileRecord, damaged, reason_of, verify_file

FORMAT_VERSION = 1
METRIC = "inner product of unit vectors (cosine)"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """What an index was made from and which bytes it consists of."""

    format_version: int
    fingerprint: str
    """Of the model that made the vectors; a query must come from the same model."""
    dim: int
    metric: str
    count: int
    kind: str
    watermark: int
    """The highest embedding row id that went in; rows above it belong to the fresh tail."""
    built_at: str
    """ISO 8601, UTC."""
    files: dict[str, FileRecord]
    tuning: dict[str, Any] = field(default_factory=dict)
    """How an approximate index is searched and the recall that was measured; see
    :mod:`mlcore.index.tuning`. Empty, and not written, where the search is exact."""

    def to_bytes(self) -> bytes:
        """Serialise to JSON that ends with a checksum over every other field."""
        fields = asdict(self)
        if not self.tuning:
            del fields["tuning"]  # as indexes were written before there were approximate ones
        checksum = hashlib.sha256(json.dumps(fields).encode()).hexdigest()
        return (json.dumps({**fields, "sha256": checksum}, indent=2) + "\n").encode()

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read and verify the manifest of an index directory, without loading the index.

        Raises IndexFileError when it is missing, of another format, or not byte for byte what
        :meth:`to_bytes` gives for it, which no single damage survives.
        """
        try:
            stored = (directory / MANIFEST_FILE).read_bytes()
        except OSError as error:
            raise IndexFileError(
                "index.no_manifest",
                folder=str(directory),
                file=MANIFEST_FILE,
                cause=reason_of(error),
            ) from error
        try:
            fields = json.loads(stored)
            version = fields["format_version"]
            if version != FORMAT_VERSION:
                raise IndexFileError(
                    "index.other_format",
                    folder=str(directory),
                    found=str(version),
                    known=str(FORMAT_VERSION),
                )
            del fields["sha256"]
            fields["files"] = {name: FileRecord(**file) for name, file in fields["files"].items()}
            manifest = cls(**fields)
            intact = manifest.to_bytes() == stored
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise damaged(directory, MANIFEST_FILE) from error
        if not intact:
            raise damaged(directory, MANIFEST_FILE)
        return manifest


def read_array(directory: Path, name: str) -> NDArray[np.int64]:
    """Read an array that was saved beside an index, verified like the index itself.

    Raises IndexFileError when it is missing or damaged.
    """
    verify_file(directory, name, IndexManifest.read(directory).files.get(name))
    array: NDArray[np.int64] = np.load(directory / name, allow_pickle=False)
    return array
