"""What each stage of a request costs as the gallery grows, with generated records."""

import json
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence

from benchmarks.harness.measure import Conditions, Measurement, Result
from benchmarks.site.requests import API, READY
from benchmarks.site.server import Client, Site

STAGES = ("encode", "lookup", "records", "render")
ASKED = 60
NOT_COUNTED = 10
"""First requests, which read what was not in memory."""


def measurement(sizes: Sequence[int], database: str) -> Measurement:
    """Return the measurement of galleries of these sizes, ascending.

    ``database`` is the address of an empty one to fill; SQLite in the folder where it is empty.
    """
    names = tuple(f"growth_{size}_{stage}" for size in sizes for stage in STAGES)

    def run(conditions: Conditions) -> Iterator[Result]:
        yield from _grown(conditions, sizes, database)

    return Measurement(names, run)


def _grown(conditions: Conditions, sizes: Sequence[int], database: str) -> Iterator[Result]:
    site = Site(conditions.scratch / "growth", {"DATABASE_URL": database} if database else {})
    shutil.rmtree(site.folder, ignore_errors=True)
    if database:
        site.fill(conditions.photos.folder.absolute())
    else:
        small = Site(conditions.scratch / "site", {})
        small.fill(conditions.photos.folder.absolute())
        shutil.copytree(small.folder, site.folder)
    kind = database.partition(":")[0] or "sqlite"
    for size in sizes:
        site.run("-m", "benchmarks", "rows", str(size))
        site.manage("build_index")
        with site.served(READY) as served:
            for stage, ms in _stages(Client(served.url), conditions.photos.sentences).items():
                yield Result(f"growth_{size}_{stage}", ms, "ms", note=f"{size:,} records, {kind}")


def _stages(client: Client, sentences: Sequence[str]) -> dict[str, float]:
    """Medians over sentences not asked before; what is not timed inside is called ``render``."""
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for words in sentences[: ASKED + NOT_COUNTED]:
        started = time.perf_counter()
        timing = json.loads(client.get(API, q=words))["timing_ms"]
        whole = 1000 * (time.perf_counter() - started)
        for stage in STAGES[:-1]:
            found[stage].append(float(timing[stage]))
        found["render"].append(whole - float(timing["total"]))
    return {
        stage: statistics.median(times[NOT_COUNTED:] or times) for stage, times in found.items()
    }
