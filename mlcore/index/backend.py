"""FAISS, wrapped once: the only module that imports it.

FAISS alone reports missing neighbours as id -1 and checks widths with a bare ``assert``. What
differs between two searches travels with the call: a setting changed on a shared index would race
with other threads.
"""

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix, IdVector
from mlcore.errors import IndexFileError
from mlcore.index.files import HashingWriter
from mlcore.index.kinds import POINTS_PER_LIST, Choice
from mlcore.index.tuning import Tuning

INDEX_FILE = "index.faiss"

MANY_QUERIES = 32
"""Queries at once from which FAISS's matrix products pay."""

K_MEANS_ROUNDS = 8
"""More move recall by less than chance does."""

GLANCED = 2
"""Times as many as are wanted that a look at 8 bits a number proposes."""

ADDED_AT_ONCE = 100_000
"""Vectors given to FAISS at a time, which bounds the copies it makes on the way."""

Proposals = tuple[NDArray[np.float32], IdVector]
"""Scores and positions of each query's candidates, both of shape (m, k), best first; position -1
stands for none."""


class Backend(Protocol):
    """Vectors that FAISS holds, numbered by position from 0."""

    dim: int
    is_exact: bool
    """Whether a search looks at every vector, and at the numbers that were given."""
    score_error: float
    """How far proposed scores may be from those of the numbers given, beside float32's rounding."""

    def __len__(self) -> int: ...

    def propose(self, queries: FloatMatrix, k: int, positions: IdVector | None) -> Proposals:
        """Search, among ``positions`` (ascending) only where they are given."""

    def vectors_at(self, positions: IdVector) -> FloatMatrix:
        """Return the vectors at these positions, as they are stored."""

    def write(self, out: HashingWriter) -> None:
        """Serialise. Through Python's file rather than by name: ``faiss.write_index(index, name)``
        returned normally after writing a small index to a full device."""


def build_backend(choice: Choice, vectors: FloatMatrix) -> Backend:
    """Put the vectors into an index of the chosen kind."""
    if choice.kind == "flat":
        return QuickFlatBackend(_new_flat_index(vectors))
    return IvfBackend(_new_inverted_lists(choice.lists, vectors))


def exact_backend(vectors: FloatMatrix) -> "FlatBackend":
    """Hold the vectors in float32 and nothing else, to tell what the true answers are."""
    return FlatBackend(_new_flat_index(vectors))


def read_backend(directory: Path, kind: str, tuning: Tuning | None) -> Backend:
    """Open the index file of a verified directory.

    Inverted lists stay on the disk and are mapped into memory: processes share them, and opening
    takes no time. The file is never written to again, only unlinked, which a mapping survives.

    Raises:
        IndexFileError: this version of FAISS cannot read it.
    """
    faiss = _faiss()
    flags = 0 if kind == "flat" else faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY
    try:
        index = faiss.read_index(str(directory / INDEX_FILE), flags)
    except RuntimeError as error:
        raise IndexFileError(
            "index.unknown_to_faiss", file=INDEX_FILE, folder=str(directory)
        ) from error
    return QuickFlatBackend(index) if kind == "flat" else IvfBackend(index, tuning)


class FlatBackend:
    """Every vector in float32, read in full by every search."""

    is_exact = True
    score_error = 0.0

    def __init__(self, index: Any) -> None:
        self._index = index
        self.dim = int(index.d)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def propose(self, queries: FloatMatrix, k: int, positions: IdVector | None) -> Proposals:
        """As in :class:`Backend`.

        With a selector FAISS reads the vectors in one thread per query, and of an IDSelectorArray
        only those that it names. Milliseconds a query at 100,000 x 512 (Array / Batch / Bitmap):
        1 % 0.07 / 0.38 / 0.25, 10 % 2.7 / 4.5 / 3.7, 50 % 10.5 / 15.3 / 11.8.
        """
        faiss = _faiss()
        parameters = None
        if positions is not None:
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorArray(positions))
        found: Proposals = self._index.search(np.ascontiguousarray(queries), k, params=parameters)
        return found

    def vectors_at(self, positions: IdVector) -> FloatMatrix:
        vectors: FloatMatrix = self._index.reconstruct_batch(positions)
        return vectors

    def write(self, out: HashingWriter) -> None:
        faiss = _faiss()
        faiss.write_index(self._index, faiss.PyCallbackIOWriter(out.write))


class QuickFlatBackend(FlatBackend):
    """Every vector also in 16 or 8 bits, which is what few queries at once read.

    They are bound by how fast memory is read. Milliseconds a query in 32 and in 16 bits, one
    thread: 7,000 x 512 outside of the processor's cache 1.20 / 0.55, 70,000 x 512 13 / 3.4; in 16
    and in 8 bits, 35,000 x 384 while others read memory too 4.0 / 1.7. Many queries at once gain
    more by float32's matrix products. Each copy is made when it is first read.
    """

    def __init__(self, index: Any) -> None:
        super().__init__(index)
        # A number is rounded by at most 2**-11 of itself, or by 2**-25 where it is tiny (IEEE 754,
        # binary16), so a unit vector is moved by no more than that, and its inner product with
        # another neither (Cauchy and Schwarz). A hundredth more, since lengths are near 1 only.
        self.score_error = 1.01 * (2.0**-11 + 2.0**-25 * math.sqrt(self.dim))

    def propose(self, queries: FloatMatrix, k: int, positions: IdVector | None) -> Proposals:
        if positions is not None or len(queries) >= MANY_QUERIES:
            return super().propose(queries, k, positions)
        found: Proposals = self._halves.search(np.ascontiguousarray(queries), k)
        return found

    def glance(self, query: FloatMatrix, k: int) -> IdVector:
        """Return positions among which about the ``k`` nearest for one query are, by 8 bits a
        number: they move a score by some 0.001, so twice as many are told."""
        fetched = min(len(self), GLANCED * k)
        whole = np.rint(query * (127 / np.abs(query).max()))  # FAISS would cut off what is behind
        _, [positions] = self._bytes.search(np.ascontiguousarray(whole), fetched)
        found: IdVector = positions
        return found

    @cached_property
    def _halves(self) -> Any:
        return self._copied("QT_fp16", 1.0)

    @cached_property
    def _bytes(self) -> Any:
        """Whole numbers from -127 to 127: all scores are larger by one factor."""
        most = max((float(np.abs(rows).max()) for rows in self._blocks()), default=1.0)
        return self._copied("QT_8bit_direct_signed", 127 / most)

    def _copied(self, numbers: str, factor: float) -> Any:
        faiss = _faiss()
        copy = faiss.IndexScalarQuantizer(
            self.dim, getattr(faiss.ScalarQuantizer, numbers), faiss.METRIC_INNER_PRODUCT
        )
        for rows in self._blocks():
            copy.add(rows if factor == 1 else np.rint(rows * factor))
        return copy

    def _blocks(self) -> Iterator[FloatMatrix]:
        for start in range(0, len(self), ADDED_AT_ONCE):
            yield self._index.reconstruct_n(start, min(ADDED_AT_ONCE, len(self) - start))


class IvfBackend:
    """Vectors in 8 bits a number, in lists around centroids, of which a search reads the nearest.

    Sivic and Zisserman 2003 (inverted files); Jégou, Douze and Schmid 2011, section IV. Numbers
    are rounded to 255 steps between the least and greatest of their dimension, which alone costs
    about 1 % of recall@10 and a quarter of the memory of float32.
    """

    is_exact = False
    score_error = 0.005

    def __init__(self, index: Any, tuning: Tuning | None = None) -> None:
        faiss = _faiss()
        self._index = index
        self.dim = int(index.d)
        self.lists = int(index.nlist)
        self.tuning = tuning
        # A query's lists are shared out over the processors; it would wait for one otherwise.
        index.parallel_mode = 1
        stored = faiss.downcast_InvertedLists(index.invlists)
        if hasattr(stored, "prefetch_nthread"):
            # 32 threads a query that read ahead: on a warm file 4.5 ms in place of 2.4.
            stored.prefetch_nthread = 0
        index.make_direct_map()

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def propose(self, queries: FloatMatrix, k: int, positions: IdVector | None) -> Proposals:
        """As in :class:`Backend`. Where too few of ``positions`` are in the lists that were read,
        all lists are read."""
        share = 1.0 if positions is None else len(positions) / max(1, len(self))
        probes = self.lists if self.tuning is None else self.tuning.probes(k, share)
        wanted = min(k, len(self) if positions is None else len(positions))
        scores, found = self.search(queries, k, positions, probes)
        if probes < self.lists and (found[:, wanted - 1] < 0).any():
            scores, found = self.search(queries, k, positions, self.lists)
        return scores, found

    def search(
        self, queries: FloatMatrix, k: int, positions: IdVector | None, probes: int
    ) -> Proposals:
        """Read ``probes`` lists for each query."""
        faiss = _faiss()
        options: dict[str, Any] = {"nprobe": min(probes, self.lists)}
        if positions is not None:
            allowed = np.zeros(len(self), dtype=np.bool_)
            allowed[positions] = True
            options["sel"] = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        found: Proposals = self._index.search(
            np.ascontiguousarray(queries), k, params=faiss.SearchParametersIVF(**options)
        )
        return found

    def vectors_at(self, positions: IdVector) -> FloatMatrix:
        vectors: FloatMatrix = self._index.reconstruct_batch(positions)
        return vectors

    def write(self, out: HashingWriter) -> None:
        faiss = _faiss()
        faiss.write_index(self._index, faiss.PyCallbackIOWriter(out.write))


def _new_flat_index(vectors: FloatMatrix) -> Any:
    index = _faiss().IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index


def _new_inverted_lists(lists: int, vectors: FloatMatrix) -> Any:
    faiss = _faiss()
    count, dim = vectors.shape
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dim),
        dim,
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    # Unit vectors lie close to their centroid's length; rounding them as they are is as exact.
    index.by_residual = False
    index.cp.niter = K_MEANS_ROUNDS
    index.cp.spherical = True
    index.cp.seed = 1
    sample = min(count, lists * (POINTS_PER_LIST + 1))
    chosen = np.sort(np.random.default_rng(1).choice(count, sample, replace=False))
    index.train(np.ascontiguousarray(vectors[chosen]))
    for start in range(0, count, ADDED_AT_ONCE):
        index.add(np.ascontiguousarray(vectors[start : start + ADDED_AT_ONCE]))
    return index


def _faiss() -> Any:
    """Return the library, untyped: its stubs know only part of it."""
    import faiss

    return faiss
