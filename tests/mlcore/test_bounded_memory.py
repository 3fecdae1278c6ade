"""Archives and tables are read as streams: memory does not grow with what they hold."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

MEGABYTE = 2**20

# In a process of its own, by what it has taken for itself: a file that is mapped counts as memory
# too, but the system takes that back when it likes.
_READ = """
import re, sys
from pathlib import Path
from mlcore.layouts import open_source

most = 0
def peak():
    global most
    status = Path("/proc/self/status").read_text()
    most = max(most, int(re.search(r"RssAnon:\\s+(\\d+)", status)[1]) / 1024)
    return most

with open_source(Path(sys.argv[1])) as source:
    records = iter(source)
    first = next(records)
    first.read()
    before, count, size = peak(), 1, 0
    for record in records:
        count += 1
        if sys.argv[2] == "read":
            size += len(record.read())
        if count % 1_000 == 0 or sys.argv[2] == "read":
            peak()
print(count, size // 2**20, round(peak() - before), round(peak()))
"""


def read(path: Path, how: str = "read") -> tuple[int, int, int, int]:
    """Return how many pictures there are, their megabytes, by how many megabytes the process grew
    after the first, and its peak."""
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path), how], capture_output=True, text=True, check=True
    )
    count, size, grown, peak = map(int, done.stdout.split())
    return count, size, grown, peak


def make_tar(path: Path, count: int, size: int) -> None:
    """A shard of WebDataset, as img2dataset writes it: a picture, a text and a JSON each."""
    with tarfile.open(path, "w") as archive:
        for number in range(count):
            for suffix, data in (
                ("jpg", b"\xff\xd8\xff" + number.to_bytes(4, "big") + bytes(size)),
                ("txt", f"Picture number {number}".encode()),
                ("json", b'{"key": "%09d", "status": "success"}' % number),
            ):
                member = tarfile.TarInfo(f"{number:09}.{suffix}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


def make_parquet(path: Path, count: int, size: int) -> None:
    """A table of the hub: a struct of bytes and a caption, a few rows a group."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    kind = pyarrow.schema(
        {"image": pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()}),
         "caption": pyarrow.string()}
    )  # fmt: skip
    rows = 1_000 if size < 1_000 else 32
    with parquet.ParquetWriter(path, kind, compression="none") as writer:
        for start in range(0, count, rows):
            numbers = range(start, min(start + rows, count))
            pictures = [
                {"bytes": b"\xff\xd8\xff%09d" % n + bytes(size), "path": ""} for n in numbers
            ]
            captions = [f"Picture number {n}" for n in numbers]
            table = pyarrow.table({"image": pictures, "caption": captions}, schema=kind)
            writer.write_table(table, row_group_size=rows)


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="Memory is told by /proc, which Linux has."
)
MAKERS = [
    pytest.param(make_tar, "0.tar", id="tar"),
    pytest.param(make_parquet, "0.parquet", id="parquet"),
]


@pytest.mark.parametrize(("make", "name"), MAKERS)
def test_reading_many_pictures_takes_the_memory_of_a_few(
    tmp_path: Path, make: Callable[[Path, int, int], None], name: str
) -> None:
    make(tmp_path / name, 200, MEGABYTE)
    count, size, grown, _ = read(tmp_path / name)
    assert (count, size) == (200, 199)
    assert grown < 100


@pytest.mark.slow
@pytest.mark.parametrize(("make", "name"), MAKERS)
def test_a_hundred_thousand_pictures_are_listed_in_bounded_memory(
    tmp_path: Path, make: Callable[[Path, int, int], None], name: str
) -> None:
    """Figures with ``-s``; docs/data.md tells them."""
    make(tmp_path / name, 100_000, 100)
    count, _, _, peak = read(tmp_path / name, "list")
    print(f"100,000 pictures in {name} are listed with a peak of {peak} MB")  # noqa: T201
    assert count == 100_000
    assert peak < 400
