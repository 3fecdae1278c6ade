"""What this process tells a monitoring system; with several processes, they are added up.

The server's configuration (contextvision_site/gunicorn.py) names the folder that they share.
"""

from pathlib import Path

from prometheus_client import Gauge, Histogram

PAGE_BYTES = 4096

search_seconds = Histogram(
    "contextvision_search_seconds",
    "Time of a search, and of its parts",
    ["part"],
    buckets=(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 5),
)
memory_bytes = Gauge(
    "contextvision_memory_bytes",
    "Resident memory of a web process when it last searched",
    multiprocess_mode="liveall",
)


def observe_search(timing_ms: dict[str, float]) -> None:
    """Count a search by its laps, in milliseconds."""
    for part, milliseconds in timing_ms.items():
        search_seconds.labels(part).observe(milliseconds / 1000)
    memory_bytes.set(resident_bytes())


def resident_bytes() -> int:
    """Memory of this process that is in use; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0
