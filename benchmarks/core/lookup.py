"""Looking up: the large index, filters, the fresh tail, and the small exact index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.core.encoding import Ours
from benchmarks.core.peers import library
from benchmarks.core.vectors import Likeness, best_of, recall
from benchmarks.harness.measure import (
    Bar,
    Conditions,
    Measurement,
    Result,
    median_ms,
    part_of,
    side_by_side,
)
from benchmarks.harness.new_process import in_new_process
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.encoders import STARTER, load_encoder
from mlcore.index import FreshTail, VectorIndex, search_with_tail

K = 10
REAL = 2_000
"""Pictures whose vectors the generated ones are made like."""
QUERIES = 300
"""Sentences that are asked; those an index is tuned on are others."""
EACH_ROUND = 60
FEW = 5
"""Queries for peers that read every vector, which take a hundred times as long."""
EXACT = 7_000
"""Vectors of an index that reads every one."""
MODERATE = 100_000
"""Vectors at which a graph of another library is compared: one of a million takes an hour."""
TAIL = 2_000
"""Pictures beside the index at which a rebuild is due (CONTEXTVISION_TAIL_LIMIT)."""
SHARES = (0.01, 0.10, 0.50)
FINGERPRINT = "benchmark"

Ask: TypeAlias = Callable[[FloatMatrix], object]
"""Looks the nearest of one query up, float32 of shape (1, dim)."""


class Material:
    """Vectors like those of real pictures, and the vectors of held-out sentences."""

    def __init__(self, conditions: Conditions) -> None:
        photos = conditions.photos
        encoder = load_encoder(STARTER)
        ours = Ours(encoder)
        count = min(REAL, len(photos.records))
        real = np.concatenate(
            [
                ours.images([record.read() for record in photos.records[start : start + 32]])
                for start in range(0, count, 32)
            ]
        )
        self.likeness = Likeness.of(real)
        sentences = photos.sentences[: 2 * QUERIES]
        half = len(sentences) // 2
        self.queries = encoder.encode_texts(sentences[:half])
        """Asked, and known to no index."""
        self.tuning = encoder.encode_texts(sentences[half:])
        self.words = (
            f"made like the starter's vectors of {count:,} pictures; queries are {half} sentences "
            "that the index was not tuned on"
        )


def _million(conditions: Conditions) -> Iterator[Result]:
    material = Material(conditions)
    count = conditions.vectors
    vectors = material.likeness.make(count)
    ids = np.arange(count, dtype=np.int64)
    note = f"{count:,} x {vectors.shape[1]}, {material.words}"
    started = time.perf_counter()
    built = VectorIndex.build(
        ids, vectors, IndexSpec(kind="ivf_sq8"), fingerprint=FINGERPRINT, queries=material.tuning
    )
    folder = conditions.scratch / f"index-{count}-{time.time_ns()}"
    built.save(folder)
    seconds = time.perf_counter() - started
    del built
    index = VectorIndex.load(folder, fingerprint=FINGERPRINT)
    yield Result(
        "index_build_1m", seconds, "s", bar=Bar("ours", "most", 300),
        note=f"{note}; trained, tuned, written and read back",
    )  # fmt: skip
    yield from _memory(folder, vectors, material.queries, conditions)
    yield from _unfiltered(index, folder, vectors, material.queries, conditions, note)
    for share in SHARES:
        yield from _filtered(index, vectors, material.queries, share, conditions, note)
    yield _tail(index, material, conditions)


def _memory(
    folder: Path, vectors: FloatMatrix, queries: FloatMatrix, conditions: Conditions
) -> Iterator[Result]:
    asked = conditions.scratch / "queries.npy"
    np.save(asked, queries)
    imports = (
        "import numpy as np\nfrom pathlib import Path\nfrom mlcore.index import VectorIndex\n"
        "import importlib; importlib.import_module('faiss')\n"
        f"queries = np.load({str(asked)!r})"
    )
    opening = f"index = VectorIndex.load(Path({str(folder)!r}), fingerprint={FINGERPRINT!r})"
    asking = f"{opening}\nfor query in queries:\n    index.search(query[None], {K})"
    loaded = in_new_process(opening, imports=imports)
    used = in_new_process(asking, imports=imports)
    whole = vectors.nbytes / 1e9
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e9
    yield Result(
        "index_memory", max(size, used.mb * 1024**2 / 1e9), "GB", whole, "the vectors in float32",
        Bar("ours", "most", 0.8),
        f"files {size:.3f} GB, mapped and shared between processes; a process that asked "
        f"{len(queries)} queries holds {used.mb * 1024**2 / 1e9:.3f} GB more than before",
    )  # fmt: skip
    yield Result("index_load", loaded.seconds, "s", note="checksums compared, in a new process")


def _unfiltered(
    index: VectorIndex,
    folder: Path,
    vectors: FloatMatrix,
    queries: FloatMatrix,
    conditions: Conditions,
    note: str,
) -> Iterator[Result]:
    truth = best_of(vectors, queries, K)
    found = [_ids(index, query) for query in queries]
    yield Result(
        "lookup_1m_recall", recall(found, truth), f"recall@{K}", 1.0, "exact search",
        Bar("ours", "least", 0.97), note,
    )  # fmt: skip
    ours = partial(asked_ms, queries, lambda query: index.search(query, K))
    # Each peer is made when its turn comes, so that never two of them are in memory.
    peers: tuple[tuple[str, str, Bar | None, FloatMatrix, Callable[[], Ask]], ...] = (
        (
            "lookup_1m", "raw FAISS, exact", Bar("ours", "most", 2),
            queries[:FEW], lambda: _flat(vectors),
        ),
        (
            "lookup_1m_overhead", "raw FAISS, the same file and lists, in memory", None,
            queries, lambda: _same_file(index, folder),
        ),
        (
            "lookup_1m_numpy", "numpy, exact", None,
            queries[:FEW], lambda: lambda query: _best_in(vectors, query[0]),
        ),
    )  # fmt: skip
    for name, peer, bar, asked, made in peers:
        theirs = partial(asked_ms, asked, made())
        mine, other = side_by_side(ours, theirs, conditions.rounds)
        del theirs
        yield Result(name, mine, "ms", other, peer, bar, note)


def _flat(vectors: FloatMatrix) -> Ask:
    exact = library("faiss").IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    return lambda query: exact.search(query, K)


def _same_file(index: VectorIndex, folder: Path) -> Ask:
    raw = library("faiss").read_index(str(folder / "index.faiss"))
    assert index.tuning is not None
    raw.nprobe = index.tuning.probes(K, 1.0)
    return lambda query: raw.search(query, K)


def _best_in(vectors: FloatMatrix, query: FloatMatrix) -> IdVector:
    return np.argpartition(-(vectors @ query), K - 1)[:K]


def _filtered(
    index: VectorIndex,
    vectors: FloatMatrix,
    queries: FloatMatrix,
    share: float,
    conditions: Conditions,
    note: str,
) -> Iterator[Result]:
    generator = np.random.default_rng(3)
    chosen = generator.choice(len(vectors), round(share * len(vectors)), replace=False)
    allowed: IdVector = np.sort(chosen).astype(np.int64)
    name = f"filter_{100 * share:.0f}"
    note = f"{100 * share:g} % allowed; {note}"
    subset = vectors[allowed]
    truth = allowed[best_of(subset, queries, K)]
    found = [_ids(index, query, allowed) for query in queries]
    mine, theirs = side_by_side(
        partial(asked_ms, queries, lambda query: index.search(query, K, allowed_ids=allowed)),
        partial(asked_ms, queries[:FEW], lambda query: _best_in(subset, query[0])),
        conditions.rounds,
    )
    yield Result(
        f"{name}_latency", mine, "ms", theirs, "numpy, exact, the allowed rows laid out beforehand",
        Bar("ours", "most", 10), note,
    )  # fmt: skip
    yield Result(
        f"{name}_recall", recall(found, truth), f"recall@{K}", 1.0, "exact search",
        Bar("ours", "least", 0.97), note,
    )  # fmt: skip


def _tail(index: VectorIndex, material: Material, conditions: Conditions) -> Result:
    fresh = np.arange(len(index), len(index) + TAIL, dtype=np.int64)
    tail = FreshTail(fresh, material.likeness.make(TAIL, seed=9))
    queries = material.queries
    both, plain = side_by_side(
        partial(asked_ms, queries, lambda query: search_with_tail(index, tail, query, K)),
        partial(asked_ms, queries, lambda query: index.search(query, K)),
        conditions.rounds,
    )
    return Result(
        "tail_cost", both - plain, "ms", plain, "the index without a tail", Bar("ours", "most", 1),
        f"what {TAIL:,} pictures beside the index add to a lookup",
    )  # fmt: skip


def _small(conditions: Conditions) -> Iterator[Result]:
    """The size of a usual gallery, beside what sentence-transformers offers for it."""
    material = Material(conditions)
    count = min(EXACT, conditions.vectors)
    vectors = material.likeness.make(count)
    index = VectorIndex.build(np.arange(count, dtype=np.int64), vectors, fingerprint=FINGERPRINT)
    util = library("sentence_transformers.util")
    mine, theirs = side_by_side(
        partial(asked_ms, material.queries, lambda query: index.search(query, K)),
        partial(
            asked_ms, material.queries, lambda query: util.semantic_search(query, vectors, top_k=K)
        ),
        conditions.rounds,
    )
    yield Result(
        "lookup_7k", mine, "ms", theirs, "sentence-transformers, semantic_search",
        note=f"{count:,} x {vectors.shape[1]}; both exact",
    )  # fmt: skip


def _graph(conditions: Conditions) -> Iterator[Result]:
    """Inverted lists beside a graph (HNSW) of the same recall."""
    material = Material(conditions)
    count = min(MODERATE, conditions.vectors)
    vectors = material.likeness.make(count)
    queries, ids = material.queries, np.arange(count, dtype=np.int64)
    truth = best_of(vectors, queries, K)
    started = time.perf_counter()
    index = VectorIndex.build(
        ids, vectors, IndexSpec(kind="ivf_sq8"), fingerprint=FINGERPRINT, queries=material.tuning
    )
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    graph = library("usearch.index").Index(ndim=vectors.shape[1], metric="ip", dtype="i8")
    graph.add(ids, vectors)
    graph_seconds = time.perf_counter() - started
    theirs_recall = _widened(graph, queries, truth)
    ours_recall = recall([_ids(index, query) for query in queries], truth)
    note = f"{count:,} x {vectors.shape[1]}; recall@{K} {ours_recall:.3f}, peer {theirs_recall:.3f}"
    peer = f"usearch, HNSW, 8 bits, expansion {graph.expansion_search}"
    yield Result("build_100k", seconds, "s", graph_seconds, peer, note=note)
    mine, theirs = side_by_side(
        partial(asked_ms, queries, lambda query: index.search(query, K)),
        partial(asked_ms, queries, lambda query: graph.search(query[0], K)),
        conditions.rounds,
    )
    yield Result("lookup_100k", mine, "ms", theirs, peer, note=note)


def _widened(graph: Any, queries: FloatMatrix, truth: IdVector) -> float:
    """Let a graph look further until its recall is what ours is tuned to; return its recall."""
    reached = 0.0
    for expansion in (64, 128, 256, 512, 1024):
        graph.expansion_search = expansion
        found = [graph.search(query, K).keys.tolist() for query in queries]
        reached = recall(found, truth)
        if reached >= IndexSpec().recall:
            break
    return reached


def asked_ms(queries: FloatMatrix, ask: Ask, number: int) -> float:
    """Median milliseconds of single queries, others in each round."""
    each = min(EACH_ROUND, len(queries))
    return median_ms([query[None] for query in part_of(list(queries), number, each)], ask)


def _ids(index: VectorIndex, query: FloatMatrix, allowed: IdVector | None = None) -> list[int]:
    [hits] = index.search(query[None], K, allowed_ids=allowed)
    return [hit.image_id for hit in hits]


_FILTERED = [f"filter_{100 * share:.0f}_{it}" for share in SHARES for it in ("latency", "recall")]

MEASUREMENTS = (
    Measurement(("lookup_7k",), _small),
    Measurement(
        (
            "index_build_1m", "index_memory", "index_load", "lookup_1m_recall", "lookup_1m",
            "lookup_1m_overhead", "lookup_1m_numpy",
            *_FILTERED,
            "tail_cost",
        ),
        _million,
    ),
    Measurement(("build_100k", "lookup_100k"), _graph),
)  # fmt: skip
