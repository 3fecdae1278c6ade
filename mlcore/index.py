"""Exact nearest-neighbour search over unit vectors, and its immutable directory on disk.

The only module that imports faiss. FAISS alone reports missing neighbours as id -1, accepts an id
twice, checks widths with a bare ``assert`` and breaks ties as it likes; everything here returns
plain :class:`Hit` lists in one fixed order, and refuses bad input with a sentence.

FAISS proposes candidates in float32; their scores are then computed again in float64. A score is
therefore a function of the query and the picture alone: it does not depend on how many queries
were asked at once, on where the picture is stored, or on whether it came from the index or from
the :class:`FreshTail`.
"""

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.errors import IndexFileError, IndexMismatchError, InvalidQueryError

FORMAT_VERSION = 1
METRIC = "inner product of unit vectors (cosine)"
INDEX_FILE = "index.faiss"
IDS_FILE = "ids.npy"
MANIFEST_FILE = "manifest.json"
TEMPORARY_PREFIX = ".tmp-"

NORM_TOLERANCE = 1e-3
"""How far a row's L2 norm may be from 1. bfloat16 encoders normalised in float32 stay within it."""

SPARE_CANDIDATES = 16
"""Candidates fetched beyond k, so that rounding and small groups of ties need no second look."""

MANY_QUERIES = 32
"""Queries at once from which FAISS's matrix products pay."""

ROWS_PER_BLOCK = 256
"""Rows scored at a time: 256 x 512 float64 products fit in a processor's cache."""


class Hit(NamedTuple):
    """One picture found: its record id, and its cosine to the query (higher is closer)."""

    image_id: int
    score: float


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What one file of an index directory must be: its size in bytes and its SHA-256 in hex."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Measure the file at ``path``. Raises OSError when it cannot be read."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return cls(bytes=stream.tell(), sha256=digest)


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """What an index was made from and which bytes it consists of (``manifest.json``)."""

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

    def to_bytes(self) -> bytes:
        """Serialise to JSON that ends with a checksum over every other field."""
        fields = asdict(self)
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
                f"The index folder {directory} has no readable {MANIFEST_FILE} "
                f"({_reason(error)}). Rebuild the index."
            ) from error
        try:
            fields = json.loads(stored)
            version = fields["format_version"]
            if version != FORMAT_VERSION:
                raise IndexFileError(
                    f"The index folder {directory} has format {version}; this program reads "
                    f"format {FORMAT_VERSION}. Rebuild the index."
                )
            del fields["sha256"]
            fields["files"] = {name: FileRecord(**file) for name, file in fields["files"].items()}
            manifest = cls(**fields)
            intact = manifest.to_bytes() == stored
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise _damaged(directory, MANIFEST_FILE) from error
        if not intact:
            raise _damaged(directory, MANIFEST_FILE)
        return manifest


class VectorIndex:
    """An immutable set of image ids with unit vectors, searched by cosine.

    Made by :meth:`build` or :meth:`load`. Safe to share between threads: nothing in it changes,
    and what differs between two searches travels with the call.
    """

    def __init__(
        self, faiss_index: Any, ids: IdVector, *, kind: str, fingerprint: str, watermark: int
    ) -> None:
        # ``ids`` ascend, so position order is id order and an id is found by bisection.
        ids.flags.writeable = False
        self._index = faiss_index
        self._ids = ids
        self.kind = kind
        self.fingerprint = fingerprint
        self.watermark = watermark

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self._index.d)

    @property
    def ids(self) -> IdVector:
        """Every image id in the index, ascending; read-only."""
        return self._ids

    def __len__(self) -> int:
        return len(self._ids)

    @classmethod
    def build(
        cls,
        ids: IdVector,
        vectors: FloatMatrix,
        spec: IndexSpec = IndexSpec(),  # noqa: B008 - frozen
        *,
        fingerprint: str,
        watermark: int = 0,
    ) -> Self:
        """Build an index in memory.

        Args:
            ids: int64, shape (n,), unique and non-negative, in the order of ``vectors``.
            vectors: float32, shape (n, dim), rows of unit norm within 1e-3. n may be 0.
            spec: how to build.
            fingerprint: of the model that made the vectors.
            watermark: the highest embedding row id among the vectors; 0 when there is none.

        Raises:
            ValueError: an array has the wrong type or number of dimensions.
            IndexMismatchError: ids and vectors do not fit each other, an id is negative or comes
                twice, or a row is not a finite unit vector.
        """
        _check_ids_and_vectors(ids, vectors)
        if not _ascends(ids):
            order = np.argsort(ids)
            ids, vectors = ids[order], vectors[order]
        kind = _resolve_kind(spec)
        faiss_index = _new_faiss_index(kind, vectors.shape[1])
        faiss_index.add(np.ascontiguousarray(vectors))
        return cls(faiss_index, ids.copy(), kind=kind, fingerprint=fingerprint, watermark=watermark)

    def search(
        self, queries: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[list[Hit]]:
        """Find the ``k`` pictures with the highest cosine to each query.

        Args:
            queries: float32, shape (m, dim), rows of unit norm within 1e-3.
            k: at least 1. Fewer hits come back when fewer pictures qualify.
            allowed_ids: int64, shape (a,), in any order; only these pictures are considered, and
                the result is still the best ``k`` of them. Ids that the index does not hold are
                ignored; an empty array allows nothing. None allows every picture.

        Returns:
            One list per query, by score descending, then by id ascending.

        Raises:
            ValueError: ``k`` is below 1, or an array has the wrong type or number of dimensions.
            IndexMismatchError: the queries are not as wide as the index.
            InvalidQueryError: a query is not a finite unit vector.
        """
        _check_queries(queries, k, self.dim)
        selected = None if allowed_ids is None else self._positions_among(allowed_ids)
        available = len(self) if selected is None else len(selected)
        k = min(k, available)
        if k == 0 or len(queries) == 0:
            return [[] for _ in queries]
        parameters = _search_parameters(selected, len(queries))
        fetched = min(available, k + SPARE_CANDIDATES)
        proposals = zip(
            *self._index.search(np.ascontiguousarray(queries), fetched, params=parameters),
            strict=True,
        )
        return [
            self._settle(query, k, available, parameters, proposed_scores, positions)
            for query, (proposed_scores, positions) in zip(queries, proposals, strict=True)
        ]

    def _settle(
        self,
        query: NDArray[np.float32],
        k: int,
        available: int,
        parameters: Any,
        proposed_scores: NDArray[np.float32],
        positions: IdVector,
    ) -> list[Hit]:
        """Rank proposed candidates exactly, fetching more while one that is missing could matter.

        A float32 inner product of unit vectors is off by at most about dim * 2**-24 in any order
        of summation (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1).
        What FAISS left out is below its last proposal, so once that is further than twice the
        error below the k-th exact score, nothing is missing: not even a tie.
        """
        slack = self.dim * 2.0**-23
        while True:
            fetched = len(positions)
            positions = positions[positions >= 0]
            hits = _best(k, self._ids[positions], self._exact_scores(query, positions))
            if fetched == available or proposed_scores[-1] + slack < hits[-1].score:
                return hits
            fetched = min(available, 4 * fetched)
            (proposed_scores,), (positions,) = self._index.search(
                query[np.newaxis], fetched, params=parameters
            )

    def _exact_scores(self, query: NDArray[np.float32], positions: IdVector) -> NDArray[np.float32]:
        scores = np.empty(len(positions), dtype=np.float32)
        for start in range(0, len(positions), ROWS_PER_BLOCK):
            block = slice(start, start + ROWS_PER_BLOCK)
            scores[block] = _cosines(query, self._index.reconstruct_batch(positions[block]))
        return scores

    def _positions_among(self, ids: IdVector) -> IdVector:
        """Ascending positions of those of ``ids`` that the index holds, each once."""
        _check_ids(ids, "allowed_ids")
        wanted = ids if _ascends(ids) else np.unique(ids)
        return np.searchsorted(self._ids, wanted[_contains(self._ids, wanted)])

    def contains(self, ids: IdVector) -> NDArray[np.bool_]:
        """Tell for each of ``ids`` (int64, shape (n,)) whether the index holds it."""
        _check_ids(ids, "ids")
        return _contains(self._ids, ids)

    def vectors_of(self, ids: IdVector) -> FloatMatrix:
        """Return the stored vectors of ``ids``, float32 of shape (n, dim), in the order given.

        Raises KeyError, naming them, when the index does not hold some of the ids.
        """
        missing = ids[~self.contains(ids)]
        if len(missing):
            raise KeyError(f"The index holds no vector for {_some_of(missing)}.")
        if len(ids) == 0:
            return np.empty((0, self.dim), dtype=np.float32)
        vectors: FloatMatrix = self._index.reconstruct_batch(np.searchsorted(self._ids, ids))
        return vectors

    def sample(self, count: int = 256) -> FloatMatrix:
        """Return at most ``count`` stored vectors, evenly spaced over the ids, always the same.

        :func:`mlcore.query.compose_query` takes them to balance text against images.
        """
        chosen = np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64)
        return self.vectors_of(self._ids[chosen])

    def save(self, directory: Path) -> IndexManifest:
        """Write the index to a new directory, whole or not at all.

        The files are written to ``.tmp-<uuid>`` beside it, flushed to the disk, read back and
        compared with what was meant to be written (a full device can swallow bytes without an
        error), and the finished folder is renamed to ``directory``. A directory that is there
        never changes afterwards.

        Raises IndexFileError when ``directory`` exists already or cannot be written completely;
        then nothing of the attempt is left behind.
        """
        if os.path.lexists(directory):
            raise IndexFileError(
                f"The index folder {directory} exists already, and an index never changes once "
                "written. Save it under a new name."
            )
        place = directory.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        try:
            place.mkdir(parents=True)
            manifest = self._write_files(place)
            _flush_directory(place)
            place.rename(directory)
            place = directory
            _flush_directory(directory.parent)
        except BaseException as error:
            shutil.rmtree(place, ignore_errors=True)
            if isinstance(error, OSError):
                raise IndexFileError(
                    f"The index could not be written to {directory}: {_reason(error)}. Nothing "
                    "was changed; free disk space or correct the permissions, then build again."
                ) from error
            raise
        return manifest

    def _write_files(self, place: Path) -> IndexManifest:
        files = {
            INDEX_FILE: _write(place / INDEX_FILE, lambda out: _write_faiss(self._index, out)),
            IDS_FILE: _write(
                place / IDS_FILE, lambda out: np.lib.format.write_array(out, self._ids)
            ),
        }
        manifest = IndexManifest(
            format_version=FORMAT_VERSION,
            fingerprint=self.fingerprint,
            dim=self.dim,
            metric=METRIC,
            count=len(self),
            kind=self.kind,
            watermark=self.watermark,
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
            files=files,
        )
        _write(place / MANIFEST_FILE, lambda out: out.write(manifest.to_bytes()))
        return manifest

    @classmethod
    def load(cls, directory: Path, *, fingerprint: str) -> Self:
        """Load an index for queries of the model that ``fingerprint`` names.

        Every byte is verified against the manifest before FAISS parses any: FAISS reads some
        damaged files without complaint and returns wrong neighbours.

        Raises:
            IndexFileError: the directory is missing, incomplete or damaged.
            IndexMismatchError: the index was made by another model.
        """
        if not directory.is_dir():
            raise IndexFileError(f"The index folder {directory} does not exist. Rebuild the index.")
        manifest = IndexManifest.read(directory)
        if manifest.fingerprint != fingerprint:
            raise IndexMismatchError(
                f"The index in {directory} was made by the model {manifest.fingerprint}, but the "
                f"model in use is {fingerprint}. Build an index for the model in use."
            )
        for name in (INDEX_FILE, IDS_FILE):
            _verify(directory, name, manifest.files.get(name))
        ids = np.load(directory / IDS_FILE, allow_pickle=False)
        faiss_index = _read_faiss(directory)
        if (faiss_index.d, faiss_index.ntotal, len(ids)) != (
            manifest.dim,
            manifest.count,
            manifest.count,
        ):
            raise _damaged(directory, MANIFEST_FILE)
        return cls(
            faiss_index,
            ids,
            kind=manifest.kind,
            fingerprint=manifest.fingerprint,
            watermark=manifest.watermark,
        )


class FreshTail:
    """Pictures embedded since the index was built, searched one by one.

    Immutable: :meth:`extended` returns another tail, so a search that runs meanwhile sees the
    old one whole. Meant for some thousands of vectors; a search reads all of them.
    """

    def __init__(self, ids: IdVector, vectors: FloatMatrix) -> None:
        """Copy and check the arrays; types, shapes and errors as in :meth:`VectorIndex.build`."""
        _check_ids_and_vectors(ids, vectors)
        self.ids = ids.copy()
        self.vectors = np.array(vectors, order="C")
        self.ids.flags.writeable = False
        self.vectors.flags.writeable = False

    @classmethod
    def empty(cls, dim: int) -> Self:
        """Return a tail without pictures, for vectors of width ``dim``."""
        return cls(np.empty(0, dtype=np.int64), np.empty((0, dim), dtype=np.float32))

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.ids)

    def extended(self, ids: IdVector, vectors: FloatMatrix) -> Self:
        """Return a tail with these pictures added; an id that is there already is replaced.

        Raises IndexMismatchError when the new vectors have another width, and otherwise what
        :meth:`VectorIndex.build` raises for such arrays.
        """
        _check_ids_and_vectors(ids, vectors)
        _check_width(vectors, self.dim, "The new vectors")
        kept = ~np.isin(self.ids, ids)
        return type(self)(
            np.concatenate([self.ids[kept], ids]),
            np.concatenate([self.vectors[kept], vectors]),
        )

    def without(self, ids: IdVector) -> Self:
        """Return a tail that lacks ``ids``, as when an index that holds them has come into use."""
        _check_ids(ids, "ids")
        kept = ~np.isin(self.ids, ids)
        return self if kept.all() else type(self)(self.ids[kept], self.vectors[kept])

    def search(
        self, queries: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[list[Hit]]:
        """Find the ``k`` best pictures.

        Arguments, order and errors as :meth:`VectorIndex.search`.
        """
        _check_queries(queries, k, self.dim)
        ids, vectors = self.ids, self.vectors
        if allowed_ids is not None:
            _check_ids(allowed_ids, "allowed_ids")
            allowed = np.isin(ids, allowed_ids)
            ids, vectors = ids[allowed], vectors[allowed]
        return [_best(k, ids, _cosines(query, vectors)) for query in queries]


def merge_hits(index_hits: Sequence[Hit], tail_hits: Sequence[Hit], k: int) -> list[Hit]:
    """Merge what index and tail found for one query into its best ``k``, each picture once.

    A picture in both counts as the index has it. Order: score descending, then id ascending.
    """
    known = {hit.image_id for hit in index_hits}
    fresh = [hit for hit in tail_hits if hit.image_id not in known]
    return sorted([*index_hits, *fresh], key=lambda hit: (-hit.score, hit.image_id))[:k]


def search_with_tail(
    index: VectorIndex,
    tail: FreshTail,
    queries: FloatMatrix,
    k: int,
    *,
    allowed_ids: IdVector | None = None,
) -> list[list[Hit]]:
    """Search index and tail as if they were one index.

    Arguments, order and errors as :meth:`VectorIndex.search`. A picture in both is found once, as
    the index has it.
    """
    # Left in, a picture that is outside the index's best k could come back as the tail has it.
    fresh = tail.without(tail.ids[index.contains(tail.ids)])
    return [
        merge_hits(index_hits, tail_hits, k)
        for index_hits, tail_hits in zip(
            index.search(queries, k, allowed_ids=allowed_ids),
            fresh.search(queries, k, allowed_ids=allowed_ids),
            strict=True,
        )
    ]


def remove_stale_builds(root: Path, older_than_seconds: float) -> list[Path]:
    """Remove what killed builds left in ``root``: entries named ``.tmp-*``, and nothing else.

    An entry is removed when neither it nor a file in it was modified within
    ``older_than_seconds``; choose a time longer than any build, whose files are still growing.
    Returns the removed paths. A ``root`` that does not exist has nothing to remove.
    """
    removed = []
    for entry in sorted(root.glob(f"{TEMPORARY_PREFIX}*")):
        with suppress(FileNotFoundError):  # a build that ends just now renames its folder
            if time.time() - _last_modified(entry) < older_than_seconds:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
            removed.append(entry)
    return removed


def _last_modified(entry: Path) -> float:
    inside = entry.rglob("*") if entry.is_dir() and not entry.is_symlink() else ()
    return max(float(path.lstat().st_mtime) for path in (entry, *inside))


# Ranking


def _cosines(query: NDArray[np.float32], rows: FloatMatrix) -> NDArray[np.float32]:
    """Inner products summed in float64, rounded to float32.

    Not a matrix product: BLAS sums a row differently depending on where it stands, and equal
    pictures must get equal scores.
    """
    wide = query.astype(np.float64)
    scores = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        scores[block] = (rows[block] * wide).sum(axis=1)
    return scores


def _best(k: int, ids: IdVector, scores: NDArray[np.float32]) -> list[Hit]:
    order = np.lexsort((ids, -scores))[:k]
    return [
        Hit(image_id, score)
        for image_id, score in zip(ids[order].tolist(), scores[order].tolist(), strict=True)
    ]


def _ascends(ids: IdVector) -> bool:
    return bool((ids[1:] > ids[:-1]).all())


def _contains(ascending: IdVector, ids: IdVector) -> NDArray[np.bool_]:
    if len(ascending) == 0:
        return np.zeros(len(ids), dtype=np.bool_)
    found = np.searchsorted(ascending, ids).clip(max=len(ascending) - 1)
    return np.asarray(ascending[found] == ids)


# FAISS. Another kind of index means another case in these functions.


def _resolve_kind(spec: IndexSpec) -> str:
    return "flat" if spec.kind == "auto" else spec.kind


def _faiss() -> Any:
    """Return the library, untyped: its stubs know only part of it."""
    import faiss

    return faiss


def _new_faiss_index(kind: str, dim: int) -> Any:
    if kind == "flat":
        return _faiss().IndexFlatIP(dim)
    raise ValueError(f"There is no index of the kind {kind!r}; use 'auto' or 'flat'.")


def _search_parameters(positions: IdVector | None, n_queries: int) -> Any:
    """Parameters of one search. Setting them on the shared index would race with other threads.

    With a selector FAISS reads the vectors in one thread per query, and of an IDSelectorArray
    only those that it names. Milliseconds a query at 100,000 x 512 (Array / Batch / Bitmap):
    1 % 0.07 / 0.38 / 0.25, 10 % 2.7 / 4.5 / 3.7, 50 % 10.5 / 15.3 / 11.8.

    Without one it splits the vectors of a single query over all threads, which costs three times
    the processor time (43 against 13 ms on two cores), and waits for the slowest of them when
    other work keeps a core busy (56 against 19 ms). Only many queries at once gain by it.
    """
    if positions is not None:
        selector = _faiss().IDSelectorArray(positions)
    elif n_queries < MANY_QUERIES:
        selector = _faiss().IDSelectorAll()
    else:
        return None
    return _faiss().SearchParameters(sel=selector)


def _write_faiss(faiss_index: Any, out: "_HashingWriter") -> None:
    # Through Python's file rather than by name: faiss.write_index(index, name) returned normally
    # after writing a small index to a full device.
    _faiss().write_index(faiss_index, _faiss().PyCallbackIOWriter(out.write))


def _read_faiss(directory: Path) -> Any:
    try:
        return _faiss().read_index(str(directory / INDEX_FILE))
    except RuntimeError as error:
        raise IndexFileError(
            f"{INDEX_FILE} in {directory} cannot be read by this version of FAISS. "
            "Rebuild the index."
        ) from error


# Files


class _HashingWriter:
    """A file that also measures what it was asked to write."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        self._stream.write(data)
        self._digest.update(data)
        self._size += len(data)
        return len(data)

    @property
    def record(self) -> FileRecord:
        return FileRecord(bytes=self._size, sha256=self._digest.hexdigest())


def _write(path: Path, fill: Callable[[_HashingWriter], object]) -> FileRecord:
    with path.open("xb") as stream:
        writer = _HashingWriter(stream)
        fill(writer)
        stream.flush()
        os.fsync(stream.fileno())
    if FileRecord.of(path) != writer.record:
        raise IndexFileError(
            f"{path.name} does not read back as it was written. Nothing was changed; the disk "
            "may be full or failing. Free disk space or check the disk, then build again."
        )
    return writer.record


def _verify(directory: Path, name: str, expected: FileRecord | None) -> None:
    path = directory / name
    try:
        # The size first: it costs nothing and catches every truncation.
        intact = (
            expected is not None
            and path.stat().st_size == expected.bytes
            and FileRecord.of(path) == expected
        )
    except OSError as error:
        raise IndexFileError(
            f"{name} in the index folder {directory} cannot be read ({_reason(error)}). "
            "Rebuild the index."
        ) from error
    if not intact:
        raise _damaged(directory, name)


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(directory: Path, name: str) -> IndexFileError:
    return IndexFileError(
        f"{name} in the index folder {directory} is damaged: its bytes are not those that were "
        "written. Rebuild the index."
    )


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


# Checks. Explicit, because FAISS's own are assertions that ``python -O`` removes.


def _check_ids(ids: IdVector, what: str) -> None:
    if ids.ndim != 1 or ids.dtype != np.int64:
        raise ValueError(
            f"{what} must be an int64 array of one dimension, but this is {ids.dtype} of shape "
            f"{ids.shape}."
        )


def _check_matrix(vectors: FloatMatrix, what: str) -> None:
    if vectors.ndim != 2 or vectors.dtype != np.float32 or vectors.shape[1] == 0:
        raise ValueError(
            f"{what} must be a float32 array of shape (n, width), but this is {vectors.dtype} of "
            f"shape {vectors.shape}."
        )


def _check_width(vectors: FloatMatrix, dim: int, what: str) -> None:
    if vectors.shape[1] != dim:
        raise IndexMismatchError(
            f"{what} are {vectors.shape[1]} wide, but the index holds vectors of width {dim}. Use "
            "the model that the index was built with, or rebuild the index."
        )


def _not_unit(vectors: FloatMatrix) -> tuple[int, str] | None:
    """Return the first row that is not a unit vector, and what it is instead."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # Written so that a NaN counts as wrong; a NaN or infinity in a row makes its norm one.
    wrong = ~(np.abs(norms - 1.0) <= NORM_TOLERANCE)
    if not wrong.any():
        return None
    row = int(wrong.argmax())
    if not np.isfinite(vectors[row]).all():
        return row, "holds a value that is not a finite number"
    return row, f"has length {norms[row]:.4g} instead of 1"


def _check_queries(queries: FloatMatrix, k: int, dim: int) -> None:
    if k < 1:
        raise ValueError(f"k must be at least 1, but it is {k}.")
    _check_matrix(queries, "queries")
    _check_width(queries, dim, "The queries")
    fault = _not_unit(queries)
    if fault:
        row, what = fault
        raise InvalidQueryError(f"Query vector {row} {what}; it has no direction to search in.")


def _check_ids_and_vectors(ids: IdVector, vectors: FloatMatrix) -> None:
    _check_ids(ids, "ids")
    _check_matrix(vectors, "vectors")
    if len(ids) != len(vectors):
        raise IndexMismatchError(
            f"There are {len(ids)} ids for {len(vectors)} vectors; each vector needs its own."
        )
    if (ids < 0).any():
        raise IndexMismatchError(f"Image ids cannot be negative: {_some_of(ids[ids < 0])}.")
    distinct, counts = np.unique(ids, return_counts=True)
    if len(distinct) != len(ids):
        raise IndexMismatchError(
            f"An image can be indexed once only, but these come more often: "
            f"{_some_of(distinct[counts > 1])}."
        )
    fault = _not_unit(vectors)
    if fault:
        row, what = fault
        raise IndexMismatchError(
            f"The vector of image {ids[row]} {what}. Embed that image again, then rebuild."
        )


def _some_of(ids: IdVector) -> str:
    shown = ", ".join(str(image_id) for image_id in ids[:5])
    return f"ids {shown}" + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
