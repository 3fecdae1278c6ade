"""What the store in files promises beyond the protocol: kills, processes, damage, rebuilding."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mlcore.config import IndexSpec
from mlcore.errors import IndexFileError
from mlcore.index import VectorIndex
from mlcore.vectorstore import (
    ACTIVE,
    Attributes,
    Conditions,
    FaissBackend,
    Filter,
    Record,
    VectorStoreError,
    check,
)
from mlcore.vectorstore import local as local_module
from tests.mlcore.vectorstore.vectors import DIM, MODEL, Oracle, int64, unit_rows

BATCH = 50

WRITER = """
import sys
from pathlib import Path
import numpy as np
from mlcore.vectorstore import Attributes, FaissBackend
from tests.mlcore.vectorstore.vectors import MODEL, unit_rows
store = FaissBackend(Path(sys.argv[1]))
for batch in range(10_000):
    ids = np.arange(batch * 50, batch * 50 + 50)
    store.upsert(
        "first", ids, unit_rows(50, seed=batch), [Attributes(tags=("t",))] * 50, fingerprint=MODEL
    )
    if batch % 5 == 4:
        store.delete("first", ids[:10])
    print(batch, flush=True)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> FaissBackend:
    store = FaissBackend(root)
    store.create_version("first", dim=DIM, fingerprint=MODEL)
    return store


def fill(store: FaissBackend, n: int, *, seed: int = 0, first: int = 0) -> None:
    ids = np.arange(first, first + n, dtype=np.int64)
    store.upsert("first", ids, unit_rows(n, seed=seed), fingerprint=MODEL)


def folders(root: Path) -> list[Path]:
    """Folders of versions, then index directories inside them."""
    return [path for path in root.rglob("*") if path.is_dir()]


def index_directories(root: Path) -> list[Path]:
    return [path for path in folders(root) if path.parent.parent == root]


def found(store: FaissBackend, k: int = 10_000) -> list[int]:
    [hits] = store.search("first", unit_rows(1, seed=99), k, fingerprint=MODEL)
    return [hit.image_id for hit in hits]


@pytest.mark.parametrize("active", [False, True])
def test_a_kill_loses_nothing_that_was_acknowledged(
    store: FaissBackend, root: Path, active: bool
) -> None:
    """Killed again and again at odd moments, also while the next index is built."""
    if active:
        store.activate("first")
    acknowledged = -1
    for delay in (0.05, 0.2, 0.4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()  # it is running
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
        writer.wait()
        acknowledged = max(acknowledged, *(int(line) for line in (first + rest).split()))

    survivor = FaissBackend(root)
    held = {row.image_id: row for row in survivor.records("first")}
    assert len(held) > BATCH
    assert sorted(found(survivor, 100_000)) == sorted(held)
    for batch in range(acknowledged + 2):
        ids = [batch * BATCH + row for row in range(BATCH)]
        there = [key for key in ids if key in held]
        if batch % 5 == 4 and batch <= acknowledged:
            assert there == ids[10:]
        elif batch <= acknowledged:
            assert there == ids
        else:  # not acknowledged: whole, without what was deleted, or not at all
            assert there in ([], ids[10:], ids)
        for key in there:
            assert np.array_equal(held[key].vector, unit_rows(BATCH, seed=batch)[key % BATCH])
            assert held[key].attributes == Attributes(tags=("t",))
    fill(survivor, 3, first=10**9)  # and it can be written again
    assert survivor.count("first") == len(held) + 3


def test_the_next_index_is_built_when_the_tail_is_long_and_the_old_one_goes(
    store: FaissBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "TAIL_LIMIT", 20)
    store.activate("first")
    reader = FaissBackend(root)
    oracle, seen = Oracle(), set()
    for step in range(12):
        ids = np.arange(step * 7, step * 7 + 9, dtype=np.int64)
        vectors = unit_rows(9, seed=step)
        store.upsert("first", ids, vectors, fingerprint=MODEL)
        oracle.upsert(ids, vectors, [Attributes()] * 9)
        store.delete("first", ids[:2])
        oracle.delete(ids[:2])
        [directory] = index_directories(root)
        seen.add(directory.name)
        query = unit_rows(1, seed=99)
        [hits] = reader.search(ACTIVE, query, 10, fingerprint=MODEL)
        assert [hit.image_id for hit in hits] == oracle.search(query[0], 10)
    assert 3 <= len(seen) <= 8


def test_filling_builds_no_index_until_it_is_read(store: FaissBackend, root: Path) -> None:
    for step in range(3):
        fill(store, 1_500, seed=step, first=1_500 * step)
    assert index_directories(root) == []
    store.activate("first")
    assert len(index_directories(root)) == 1
    assert len(found(store)) == 4_500


def test_searches_go_on_while_indexes_are_built_and_versions_switched(
    store: FaissBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "TAIL_LIMIT", 10)
    store.create_version("second", dim=DIM, fingerprint=MODEL)
    for name in ("first", "second"):
        store.upsert(name, np.arange(100), unit_rows(100), fingerprint=MODEL)
    store.activate("first")
    reader, stop = FaissBackend(root), threading.Event()
    faults: list[Exception] = []
    answers = 0

    def search() -> None:
        nonlocal answers
        query = unit_rows(1)
        while not stop.is_set():
            try:
                [hits] = reader.search(ACTIVE, query, 20, fingerprint=MODEL)
                assert len(hits) == 20
                assert hits[0].image_id == 0
                answers += 1
            except Exception as error:
                faults.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(12):
        for name in ("first", "second"):
            ids = np.arange(200 + 15 * step, 215 + 15 * step)
            store.upsert(name, ids, -unit_rows(15), fingerprint=MODEL)
        store.activate(("second", "first")[step % 2])
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert answers > 10


def test_an_index_that_is_replaced_while_it_is_opened_is_no_fault(
    store: FaissBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 5)
    store.activate("first")
    load = VectorIndex.load
    replaced: list[Path] = []

    def load_too_late(directory: Path, *, fingerprint: str) -> VectorIndex:
        if not replaced:
            replaced.append(directory)
            store.rebuild("first")
        return load(directory, fingerprint=fingerprint)

    monkeypatch.setattr(VectorIndex, "load", load_too_late)
    assert len(found(FaissBackend(root))) == 5
    assert not replaced[0].exists()


def test_a_damaged_index_is_an_error_and_can_be_built_anew(store: FaissBackend, root: Path) -> None:
    fill(store, 30)
    store.activate("first")
    [directory] = index_directories(root)
    file = directory / "index.faiss"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    reader = FaissBackend(root)
    with pytest.raises(IndexFileError):
        found(reader)
    reader.rebuild("first")
    assert len(found(reader)) == 30
    assert len(found(store)) == 30


def test_a_lost_or_damaged_journal_is_an_error(store: FaissBackend, root: Path) -> None:
    fill(store, 3)
    [journal] = root.glob("*/journal.sqlite3")
    for path in journal.parent.glob("journal.sqlite3-*"):
        path.unlink()
    journal.write_bytes(b"no database at all" * 100)
    with pytest.raises(VectorStoreError, match="cannot be read"):
        found(FaissBackend(root))
    journal.unlink()
    with pytest.raises(VectorStoreError, match="cannot be read"):
        found(FaissBackend(root))
    with pytest.raises(VectorStoreError, match="cannot be read"):
        FaissBackend(root).count("first")


def test_equal_pictures_come_by_id_whether_indexed_or_fresh(store: FaissBackend) -> None:
    same = np.repeat(unit_rows(1), 6, axis=0)
    store.upsert("first", int64(9, 3, 7), same[:3], fingerprint=MODEL)
    store.activate("first")
    assert found(store) == [3, 7, 9]
    store.upsert("first", int64(8, 1, 7), same[:3], fingerprint=MODEL)
    [hits] = store.search("first", same[:1], 4, fingerprint=MODEL)
    assert [hit.image_id for hit in hits] == [1, 3, 7, 8]
    assert len({hit.score for hit in hits}) == 1


def test_a_large_version_is_rounded_and_still_checked(root: Path) -> None:
    """Inverted lists keep 8 bits a number; a rounded vector is no difference, another one is."""
    store = FaissBackend(root, spec=IndexSpec(kind="ivf_sq8"))
    store.create_version("first", dim=64, fingerprint=MODEL)
    vectors = unit_rows(3_000, 64)
    attributes = [Attributes(tags=("even",) if key % 2 == 0 else ()) for key in range(3_000)]
    truth = [Record(key, vectors[key], attributes[key]) for key in range(3_000)]
    store.upsert("first", np.arange(3_000), vectors, attributes, fingerprint=MODEL)
    store.activate("first")
    assert store.rounding("first") > 0
    assert not check(store, "first", truth, fingerprint=MODEL)
    turned = unit_rows(1, 64, seed=5)
    store.upsert("first", int64(7), turned, fingerprint=MODEL)
    assert check(store, "first", truth, fingerprint=MODEL).changed.tolist() == [7]
    store.rebuild("first")
    assert check(store, "first", truth, fingerprint=MODEL).changed.tolist() == [7]
    where = Filter(Conditions(tags=("even",)), denied_ids=int64(0))
    [hits] = store.search("first", vectors[:1], 50, fingerprint=MODEL, where=where)
    assert len(hits) == 50
    assert all(hit.image_id % 2 == 0 and hit.image_id != 0 for hit in hits)


def test_two_that_make_the_same_version_make_one(root: Path) -> None:
    stores = [FaissBackend(root) for _ in range(4)]
    threads = [
        threading.Thread(
            target=each.create_version, args=("same",), kwargs={"dim": DIM, "fingerprint": MODEL}
        )
        for each in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [info.name for info in stores[0].versions()] == ["same"]
    assert len(folders(root)) == 1


def test_a_dropped_version_leaves_no_files_and_old_leavings_go(
    store: FaissBackend, root: Path
) -> None:
    fill(store, 3)
    store.count("first")
    left = root / "left by a kill"
    shutil.copytree(folders(root)[0], left)
    store.drop("first")
    assert folders(root)[0] == left
    store.create_version("second", dim=DIM, fingerprint=MODEL)
    assert left.exists()  # it might be one that is being made
    day = 24 * 3600
    os.utime(left, (time.time() - 2 * day,) * 2)
    store.create_version("third", dim=DIM, fingerprint=MODEL)
    assert not left.exists()
    assert [info.name for info in store.versions()] == ["second", "third"]
