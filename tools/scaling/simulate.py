"""`python -m tools.scaling`: the tables of docs/scaling.md, and its plots.

The same run gives the same figures, to the last digit.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mlcore.reporting import charts
from mlcore.reporting.svg import standing_alone
from tools.scaling.bill import Bill
from tools.scaling.fleet import Fleet, Outcome, Setting

SEED = 4
WORKERS = (1, 10, 100)
PICTURES = (1_000_000, 10_000_000, 100_000_000)
SWEEP = (1, 2, 5, 10, 20, 50, 100, 200, 400)
EACH = 20 * 1_024
"""Pictures for each worker where only the rate is looked for."""
VARIANTS = {
    "32 in a store": {"batch": 32},
    "256 in a store": {"batch": 256},
    "256, four writers": {"batch": 256, "writers": 4},
}
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def main() -> None:
    grid = {(n, w): play(Setting(w, n)) for n in PICTURES for w in WORKERS}
    rates = {name: list(sweep(options)) for name, options in VARIANTS.items()}
    for lines in (time_table(grid), bill_table(grid), rate_table(rates)):
        sys.stdout.write("\n".join([*lines, "", ""]))
    write_plots(grid, rates)


def play(setting: Setting) -> Outcome:
    return Fleet(setting, SEED).run()


def sweep(options: dict[str, int]) -> Iterator[Outcome]:
    for workers in SWEEP:
        yield play(replace(Setting(workers, workers * EACH), **options))


def time_table(grid: dict[tuple[int, int], Outcome]) -> Iterator[str]:
    yield (
        "| Pictures | Workers | Time | Pictures/s | Database busy storing | Workers lost | "
        "Chunks taken up | Encoded again | Messages | Longest queue |"
    )
    yield "|" + "---:|" * 10
    for (pictures, workers), run in grid.items():
        yield (
            f"| {pictures // 10**6} M | {workers} | {duration(run.seconds)} | {run.rate:,.0f} | "
            f"{run.load:.1%} | {run.deaths + run.hangs} | {run.taken_up} | "
            f"{run.begun - run.rows:,} | {run.messages:,} | {run.longest_queue} |"
        )


def bill_table(grid: dict[tuple[int, int], Outcome]) -> Iterator[str]:
    yield (
        "| Pictures | Workers | Rows written | Database | WAL | Read from storage | "
        "At a rate of | Messages | Cores for asking | Index, SQ8 | Cost of the run | "
        "Cost of keeping, a month |"
    )
    yield "|" + "---:|" * 12
    for (pictures, workers), run in grid.items():
        bill = Bill(run)
        yield (
            f"| {pictures // 10**6} M | {workers} | {bill.rows:,} | {size(bill.database_gb)} | "
            f"{size(bill.wal_gb)} | {size(bill.read_gb)} | {bill.read_gbit_s:.2f} Gbit/s | "
            f"{bill.message_mb:,.1f} MB | {bill.asking_cores:,.1f} | {size(bill.index_gb)} | "
            f"${bill.run_dollars:,.0f} | ${bill.month_dollars:,.0f} |"
        )


def rate_table(rates: dict[str, list[Outcome]]) -> Iterator[str]:
    yield "| Workers | " + " | ".join(f"{name}: pictures/s (busy)" for name in rates) + " |"
    yield "|" + "---:|" * (1 + len(rates))
    for position, workers in enumerate(SWEEP):
        cells = (
            f"{runs[position].rate:,.0f} ({runs[position].load:.0%})" for runs in rates.values()
        )
        yield f"| {workers} | " + " | ".join(cells) + " |"


def write_plots(grid: dict[tuple[int, int], Outcome], rates: dict[str, list[Outcome]]) -> None:
    rate = charts.lines(
        {name: [(r.setting.workers, r.rate) for r in runs] for name, runs in rates.items()},
        title="Where more workers stop to help",
        x_label="workers of two cores",
        y_label="pictures embedded a second",
        log=True,
    )
    time = charts.lines(
        {
            f"{pictures // 10**6} million": [
                (workers, grid[pictures, workers].seconds / 3600) for workers in WORKERS
            ]
            for pictures in PICTURES
        },
        title="Time to embed a gallery, 256 in a store",
        x_label="workers of two cores",
        y_label="hours",
        log=True,
    )
    (IMAGES / "scaling-rate.svg").write_text(standing_alone(rate), encoding="utf-8")
    (IMAGES / "scaling-time.svg").write_text(standing_alone(time), encoding="utf-8")


def duration(seconds: float) -> str:
    hours = seconds / 3600
    if hours < 1:
        return f"{seconds / 60:.1f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def size(gigabytes: float) -> str:
    return f"{gigabytes:,.1f} GB" if gigabytes < 1000 else f"{gigabytes / 1000:,.1f} TB"
