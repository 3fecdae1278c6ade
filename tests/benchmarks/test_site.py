"""The benchmark of whole requests at a tiny size, with real servers."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.photos import generated
from tests.services import REPOSITORY

NAMES = ("swap", "batching_gain")
"""What is soonest measured of all that needs a site."""


@pytest.mark.slow
def test_whole_requests_are_measured(tmp_path: Path) -> None:
    generated(tmp_path / "photos", 12)
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "benchmarks", "--rounds", "1", "--only", *NAMES]
    command += ["--photos", str(tmp_path / "photos"), "--out", str(report)]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "CONTEXTVISION_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), done.stderr
    rows = {row["name"]: row for row in json.loads(report.read_text())["results"]}
    assert tuple(rows) == NAMES
    for row in rows.values():
        assert math.isfinite(row["ours"])
    assert done.returncode == (0 if all(row["ok"] for row in rows.values()) else 1)
    assert rows["swap"]["ours"] == 0
    assert rows["swap"]["peer"] > 0
    assert not (tmp_path / "data" / "db.sqlite3").exists(), "the person's own site is left alone"
