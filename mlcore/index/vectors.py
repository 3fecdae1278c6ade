"""The index: ids and vectors that never change, searched by cosine, and their directory on disk."""

import os
import shutil
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.errors import IndexFileError, IndexMismatchError
from mlcore.index.backend import (
    INDEX_FILE,
    Backend,
    IvfBackend,
    QuickFlatBackend,
    build_backend,
    exact_backend,
    read_backend,
)
from mlcore.index.checks import check_ids, check_ids_and_vectors, check_queries, some_of
from mlcore.index.files import (
    TEMPORARY_PREFIX,
    damaged,
    flush_directory,
    reason_of,
    verify_file,
    write_file,
)
from mlcore.index.hits import ROWS_PER_BLOCK, Hit, best, cosines, products, rounding
from mlcore.index.kinds import choose_kind
from mlcore.index.manifest import FORMAT_VERSION, MANIFEST_FILE, METRIC, IndexManifest
from mlcore.index.positions import PositionTable, ascends, contained
from mlcore.index.tuning import Trial, Tuning, tune

IDS_FILE = "ids.npy"

SPARE_CANDIDATES = 16
"""Candidates fetched beyond k, so that rounding and small groups of ties need no second look."""

TRIED_QUERIES = 256
"""Queries of each kind on which an approximate index is tuned: recall to about 0.005."""


class VectorIndex:
    """An immutable set of image ids with unit vectors, searched by cosine.

    Made by :meth:`build` or :meth:`load`. Safe to share between threads: nothing in it changes,
    and what differs between two searches travels with the call.
    """

    def __init__(
        self,
        backend: Backend,
        ids: IdVector,
        *,
        kind: str,
        fingerprint: str,
        watermark: int,
        tuning: Tuning | None = None,
    ) -> None:
        # ``ids`` ascend, so position order is id order and an id is found by bisection.
        ids.flags.writeable = False
        self._backend = backend
        self._ids = ids
        self._positions = PositionTable(ids)
        self.kind = kind
        self.tuning = tuning
        """How an approximate index is searched; None where the search is exact."""
        self.fingerprint = fingerprint
        self.watermark = watermark

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self._backend.dim

    @property
    def is_exact(self) -> bool:
        """Whether a search misses nothing."""
        return self._backend.is_exact

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
        queries: FloatMatrix | None = None,
    ) -> Self:
        """Build an index in memory.

        Args:
            ids: int64, shape (n,), unique and non-negative, in the order of ``vectors``.
            vectors: float32, shape (n, dim), rows of unit norm within 1e-3. n may be 0.
            spec: how to build.
            fingerprint: of the model that made the vectors.
            watermark: the highest embedding row id among the vectors; 0 when there is none.
            queries: float32, shape (m, dim): vectors of sentences like those that people will
                ask, on which an approximate index is tuned besides pictures. A few hundred do.

        Raises:
            ValueError: an array has the wrong type or number of dimensions.
            IndexMismatchError: ids and vectors do not fit each other, an id is negative or comes
                twice, or a row is not a finite unit vector.
        """
        check_ids_and_vectors(ids, vectors)
        if not ascends(ids):
            order = np.argsort(ids)
            ids, vectors = ids[order], vectors[order]
        choice = choose_kind(spec, len(ids))
        backend = build_backend(choice, vectors)
        tuning = None
        if isinstance(backend, IvfBackend):
            tuning = _tuned(backend, vectors, queries, spec)
            backend.tuning = tuning
        return cls(
            backend,
            ids.copy(),
            kind=choice.kind,
            fingerprint=fingerprint,
            watermark=watermark,
            tuning=tuning,
        )

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
            One list per query, by score descending, then by id ascending. Where the index is not
            exact, a few of the best may be missing, and scores are those of the rounded vectors,
            within about 0.005.

        Raises:
            ValueError: ``k`` is below 1, or an array has the wrong type or number of dimensions.
            IndexMismatchError: the queries are not as wide as the index.
            InvalidQueryError: a query is not a finite unit vector.
        """
        check_queries(queries, k, self.dim)
        selected = None if allowed_ids is None else self._positions_among(allowed_ids)
        available = len(self) if selected is None else len(selected)
        k = min(k, available)
        if k == 0 or len(queries) == 0:
            return [[] for _ in queries]
        fetched = min(available, k + SPARE_CANDIDATES)
        proposals = zip(*self._backend.propose(queries, fetched, selected), strict=True)
        if not self._backend.is_exact:
            return [
                best(k, self._ids[found[found >= 0]], scores[found >= 0])
                for scores, found in proposals
            ]
        return [
            self._settle(query, k, available, selected, scores, positions)
            for query, (scores, positions) in zip(queries, proposals, strict=True)
        ]

    def nearby(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> tuple[IdVector, NDArray[np.float32]]:
        """Find about the ``k`` nearest for one query, (1, dim), for who chooses among them.

        As :meth:`search` and in a fraction of its time for hundreds of them: where many come after
        the k-th that are within 0.001 of it, one of either may be missing.

        Returns:
            Their ids, int64 (n,), and their cosines, float32 (n,), in no order.
        """
        check_queries(query, k, self.dim)
        selected = None if allowed_ids is None else self._positions_among(allowed_ids)
        k = min(k, len(self) if selected is None else len(selected))
        if k == 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        if selected is None and isinstance(self._backend, QuickFlatBackend):
            found = self._backend.glance(query, k)
            scores = products(query[0], self._backend.vectors_at(found))
            best = np.argpartition(-scores, k - 1)[:k]
            return self._ids[found[best]], scores[best]
        [scores], [found] = self._backend.propose(query, k, selected)
        scores, found = scores[found >= 0], found[found >= 0]
        if self._backend.is_exact:  # what it proposes is rounded, what it holds is not
            scores = products(query[0], self._backend.vectors_at(found))
        return self._ids[found], scores

    def nearest_of_all(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        """Find the ``k`` best for one query, (1, dim), by looking at every vector.

        As :meth:`search`, and as slow as the number of vectors. Scores of an approximate index are
        still those of the rounded vectors.
        """
        if not isinstance(self._backend, IvfBackend):
            return self.search(query, k, allowed_ids=allowed_ids)[0]
        check_queries(query, k, self.dim)
        selected = None if allowed_ids is None else self._positions_among(allowed_ids)
        [scores], [found] = self._backend.search(query, k, selected, self._backend.lists)
        return best(k, self._ids[found[found >= 0]], scores[found >= 0])

    def _settle(
        self,
        query: NDArray[np.float32],
        k: int,
        available: int,
        selected: IdVector | None,
        proposed_scores: NDArray[np.float32],
        positions: IdVector,
    ) -> list[Hit]:
        """Rank proposed candidates exactly, fetching more while one that is missing could matter.

        What FAISS left out is below its last proposal, so once that is further below the k-th
        exact score than rounding can tell, nothing is missing: not even a tie.
        """
        slack = self._backend.score_error + rounding(self.dim)
        while True:
            fetched = len(positions)
            positions = positions[positions >= 0]
            hits = best(k, self._ids[positions], self._exact_scores(query, positions))
            if fetched == available or proposed_scores[-1] + slack < hits[-1].score:
                return hits
            fetched = min(available, 4 * fetched)
            (proposed_scores,), (positions,) = self._backend.propose(
                query[np.newaxis], fetched, selected
            )

    def _exact_scores(self, query: NDArray[np.float32], positions: IdVector) -> NDArray[np.float32]:
        scores = np.empty(len(positions), dtype=np.float32)
        for start in range(0, len(positions), ROWS_PER_BLOCK):
            block = slice(start, start + ROWS_PER_BLOCK)
            scores[block] = cosines(query, self._backend.vectors_at(positions[block]))
        return scores

    def _positions_among(self, ids: IdVector) -> IdVector:
        """Ascending positions of those of ``ids`` that the index holds, each once."""
        check_ids(ids, "allowed_ids")
        return self._positions.of(ids if ascends(ids) else np.unique(ids))

    def contains(self, ids: IdVector) -> NDArray[np.bool_]:
        """Tell for each of ``ids`` (int64, shape (n,)) whether the index holds it."""
        check_ids(ids, "ids")
        return contained(self._ids, ids)

    def vectors_of(self, ids: IdVector) -> FloatMatrix:
        """Return the stored vectors of ``ids``, float32 of shape (n, dim), in the order given.

        Raises KeyError, naming them, when the index does not hold some of the ids.
        """
        missing = ids[~self.contains(ids)]
        if len(missing):
            raise KeyError(f"The index holds no vector for {some_of(missing)}.")
        if len(ids) == 0:
            return np.empty((0, self.dim), dtype=np.float32)
        vectors: FloatMatrix = self._backend.vectors_at(np.searchsorted(self._ids, ids))
        return vectors

    def sample(self, count: int = 256) -> FloatMatrix:
        """Return at most ``count`` stored vectors, evenly spaced over the ids, always the same.

        :func:`mlcore.query.compose_query` takes them to balance text against images.
        """
        chosen = np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64)
        return self.vectors_of(self._ids[chosen])

    def save(
        self, directory: Path, *, beside: Mapping[str, NDArray[np.int64]] | None = None
    ) -> IndexManifest:
        """Write the index to a new directory, whole or not at all.

        ``beside`` are arrays that belong to it, by the names of their files (``*.npy``), which
        :func:`read_array` reads.

        The files are written to ``.tmp-<uuid>`` beside it, flushed to the disk, read back and
        compared with what was meant to be written (a full device can swallow bytes without an
        error), and the finished folder is renamed to ``directory``. A directory that is there
        never changes afterwards.

        Raises IndexFileError when ``directory`` exists already or cannot be written completely;
        then nothing of the attempt is left behind.
        """
        if os.path.lexists(directory):
            raise IndexFileError("index.folder_exists_already", folder=str(directory))
        place = directory.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        try:
            place.mkdir(parents=True)
            manifest = self._write_files(place, beside or {})
            flush_directory(place)
            place.rename(directory)
            place = directory
            flush_directory(directory.parent)
        except BaseException as error:
            shutil.rmtree(place, ignore_errors=True)
            if isinstance(error, OSError):
                raise IndexFileError(
                    "index.not_written", folder=str(directory), cause=reason_of(error)
                ) from error
            raise
        return manifest

    def _write_files(self, place: Path, beside: Mapping[str, NDArray[np.int64]]) -> IndexManifest:
        files = {INDEX_FILE: write_file(place / INDEX_FILE, self._backend.write)}
        for name, array in {IDS_FILE: self._ids, **beside}.items():
            fill = partial(np.lib.format.write_array, array=array)
            files[name] = write_file(place / name, fill)
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
            tuning=self.tuning.as_dict() if self.tuning else {},
        )
        write_file(place / MANIFEST_FILE, lambda out: out.write(manifest.to_bytes()))
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
            raise IndexFileError("index.folder_missing", folder=str(directory))
        manifest = IndexManifest.read(directory)
        if manifest.fingerprint != fingerprint:
            raise IndexMismatchError(
                "index.other_model",
                folder=str(directory),
                made_by=manifest.fingerprint,
                in_use=fingerprint,
            )
        for name in (INDEX_FILE, IDS_FILE):
            verify_file(directory, name, manifest.files.get(name))
        ids = np.load(directory / IDS_FILE, allow_pickle=False)
        tuning = Tuning.from_dict(manifest.tuning) if manifest.tuning else None
        backend = read_backend(directory, manifest.kind, tuning)
        if (backend.dim, len(backend), len(ids)) != (
            manifest.dim,
            manifest.count,
            manifest.count,
        ):
            raise damaged(directory, MANIFEST_FILE)
        return cls(
            backend,
            ids,
            kind=manifest.kind,
            fingerprint=manifest.fingerprint,
            watermark=manifest.watermark,
            tuning=tuning,
        )


def _tuned(
    backend: IvfBackend, vectors: FloatMatrix, sentences: FloatMatrix | None, spec: IndexSpec
) -> Tuning:
    exact = exact_backend(vectors)
    own = np.linspace(0, len(vectors) - 1, min(TRIED_QUERIES, len(vectors))).astype(np.int64)
    trials = [Trial(np.ascontiguousarray(vectors[own]), own)]
    if sentences is not None and len(sentences):
        trials.append(Trial(sentences[:TRIED_QUERIES]))
    return tune(
        trials,
        target=spec.recall,
        most=backend.lists,
        count=len(vectors),
        search=lambda queries, k, among, probes: backend.search(queries, k, among, probes)[1],
        truth=lambda queries, k, among: exact.propose(queries, k, among)[1],
    )
