"""How a lookup grows with the number of vectors, and by extrapolation beyond what was measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.core.lookup import K, Material, asked_ms
from benchmarks.core.vectors import best_of, recall
from benchmarks.harness.measure import Conditions, Measurement, Result, alone
from mlcore.config import FloatMatrix, IndexSpec
from mlcore.index.backend import INDEX_FILE, IvfBackend, build_backend
from mlcore.index.files import HashingWriter
from mlcore.index.kinds import choose_kind
from mlcore.index.tuning import Trial, tune

FAR = 10_000_000
WHAT = {"lookup": "ms", "build": "s", "memory": "GB", "recall": f"recall@{K}"}


def measurement(sizes: Sequence[int]) -> Measurement:
    """Return the measurement of indexes of these sizes, and of :data:`FAR` by extrapolation."""
    names = [f"vectors_{size}_{what}" for size in sizes for what in WHAT]
    far = [f"vectors_{FAR}_{what}" for what in WHAT if what != "recall"]

    def run(conditions: Conditions) -> Iterator[Result]:
        yield from _grown(conditions, sizes)

    return Measurement((*names, *(far if len(sizes) > 1 else [])), run)


def _grown(conditions: Conditions, sizes: Sequence[int]) -> Iterator[Result]:
    material = Material(conditions)
    found: dict[str, list[float]] = {what: [] for what in WHAT}
    for size in sizes:
        file = conditions.scratch / f"vectors-{size}.npy"
        try:
            vectors = _on_disk(material, size, file)
            for what, value in _figures(vectors, material, conditions).items():
                found[what].append(value)
                yield Result(f"vectors_{size}_{what}", value, WHAT[what], note=material.words)
        finally:
            file.unlink(missing_ok=True)
    if len(sizes) > 1:
        for what in ("lookup", "build", "memory"):
            value, power = extrapolated(sizes, found[what], FAR)
            note = f"not measured: a line through the logarithms, which grows as n^{power:.2f}"
            yield Result(f"vectors_{FAR}_{what}", value, WHAT[what], note=note)


def _on_disk(material: Material, size: int, file: Path) -> FloatMatrix:
    """Write vectors to a file and map it: four million take 8 GB."""
    width = material.queries.shape[1]
    made = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(size, width))
    start = 0
    for rows in material.likeness.chunks(size):
        made[start : start + len(rows)] = rows
        start += len(rows)
    made.flush()
    del made
    mapped: FloatMatrix = np.load(file, mmap_mode="r")
    return mapped


def _figures(vectors: FloatMatrix, material: Material, conditions: Conditions) -> dict[str, float]:
    """Build as :meth:`VectorIndex.build` does, but never with all vectors in memory at once."""
    started = time.perf_counter()
    spec = IndexSpec(kind="ivf_sq8")
    backend = build_backend(choose_kind(spec, len(vectors)), vectors)
    assert isinstance(backend, IvfBackend)
    backend.tuning = tune(
        [Trial(material.tuning)],
        target=spec.recall,
        most=backend.lists,
        count=len(vectors),
        search=lambda queries, k, among, probes: backend.search(queries, k, among, probes)[1],
        truth=lambda queries, k, among: best_of(vectors, queries, k, among),
    )
    seconds = time.perf_counter() - started
    file = conditions.scratch / INDEX_FILE
    with file.open("wb") as stream:
        backend.write(HashingWriter(stream))
    size = file.stat().st_size
    file.unlink()
    queries = material.queries
    found = [backend.propose(query[None], K, None)[1][0].tolist() for query in queries]
    return {
        "lookup": alone(
            partial(asked_ms, queries, lambda query: backend.propose(query, K, None)),
            conditions.rounds,
        ),
        "build": seconds,
        "memory": size / 1e9,
        "recall": recall(found, best_of(vectors, queries, K)),
    }


def extrapolated(sizes: Sequence[int], values: Sequence[float], size: int) -> tuple[float, float]:
    """Return the value at ``size`` on the line through the logarithms, and its slope."""
    power, start = np.polyfit(np.log(sizes), np.log(values), 1)
    return float(np.exp(start + power * np.log(size))), float(power)
