"""A few of the kills of ``python -m tests.crash.index`` in every run of the suite."""

import shutil
from pathlib import Path

import pytest

from tests.crash.index import run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "crash"
    folder.mkdir()
    return folder


def test_a_killed_writer_leaves_the_published_index_whole(root: Path) -> None:
    outcome = run(root, "beside", kills=10)
    assert outcome.examples == []
    # The kills struck where it matters, and the writer got work done between them.
    assert outcome.interrupted_builds > 0
    assert outcome.published > 0
    assert outcome.reads > 0


def test_the_harness_catches_a_writer_in_place(root: Path) -> None:
    # Of its kills about half leave something broken; the first that does is enough.
    assert any(run(fresh(root), "in-place", kills=1, seed=seed).broken for seed in range(20))


def fresh(root: Path) -> Path:
    shutil.rmtree(root)
    root.mkdir()
    return root
