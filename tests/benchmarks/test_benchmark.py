"""The benchmark at a tiny size: what it prints, its exit status, and what it is made of."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from defusedxml import ElementTree

from benchmarks.command import CORE, NAMES, main
from benchmarks.core import encoding, vector_growth
from benchmarks.core.peers import PeerMissingError, library
from benchmarks.core.vectors import Likeness, best_of, recall
from benchmarks.harness.measure import Bar, Result, side_by_side
from benchmarks.harness.photos import generated
from tests.mlcore.clip_factory import make_clip

SHAPE = {
    "name": str, "ours": float, "peer": float | None, "ratio": float | None, "unit": str,
    "bar": str | None, "ok": bool, "peer_name": str, "note": str,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few generated pictures and a CLIP of tiny size."""
    folder = tmp_path_factory.mktemp("benchmark")
    generated(folder / "photos", 12)
    make_clip(folder / "clip")
    return folder


def tiny(folder: Path, *more: str) -> list[str]:
    return [
        "--photos", str(folder / "photos"), "--clip", str(folder / "clip"),
        "--rounds", "1", "--vectors", "2000", *more,
    ]  # fmt: skip


CORE_NAMES = [name for measurement in CORE for name in measurement.names]


@pytest.mark.parametrize(
    "names",
    [
        ["starter_text_single", "lookup_7k"],
        pytest.param(
            # Without what starts processes that import torch anew.
            [name for name in CORE_NAMES if name != "model_load"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["two", "all of the core"],
)
def test_what_is_measured_has_its_shape(
    folder: Path, capsys: pytest.CaptureFixture[str], names: list[str]
) -> None:
    report = folder / "out" / "report.json"
    status = main(tiny(folder, "--json", "--out", str(report), "--only", *names))
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == names
    for row in rows:
        assert set(row) == set(SHAPE)
        for name, kind in SHAPE.items():
            value = float(row[name]) if type(row[name]) is int else row[name]
            assert isinstance(value, kind), (row["name"], name)
        assert math.isfinite(row["ours"])
    assert status == (0 if all(row["ok"] for row in rows) else 1)
    kept = json.loads(report.read_text())
    assert kept["results"] == rows
    assert kept["machine"]["cores"] >= 1
    assert "12 pictures" in kept["photos"]


def test_one_that_misses_its_bar_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that takes its time, for true."""
    from time import sleep

    quick = encoding.Ours.texts

    def slow(self: encoding.Ours, texts: Any) -> Any:
        sleep(0.05)
        return quick(self, texts)

    monkeypatch.setattr(encoding.Ours, "texts", slow)
    report = folder / "missed.json"
    only = ["--only", "starter_text_single"]
    assert main(tiny(folder, *only, "--json", "--out", str(report))) == 1
    [row] = json.loads(capsys.readouterr().out)
    assert (row["name"], row["bar"], row["ok"]) == ("starter_text_single", "ours <= 4", False)
    assert row["ours"] > 50
    assert main(["--from", str(report)]) == 1
    assert "Missed: starter_text_single." in capsys.readouterr().out


def test_a_page_is_made_from_the_report(folder: Path) -> None:
    row = Result("lookup_1m", 1.5, "ms", 90.0, "raw | FAISS", Bar("ours", "most", 1)).as_dict()
    page, report = folder / "page.md", folder / "kept.json"
    machine = {
        "cpu": "A processor", "flags": ["avx2"], "cores": 2, "memory_gb": 8.0, "system": "Linux",
        "load_at_start": [0.5, 0.25, 0.0], "python": "3.11", "versions": {"numpy": "2"},
    }  # fmt: skip
    whole = {"started": "2026", "machine": machine, "photos": "12 pictures", "rounds": 3}
    report.write_text(json.dumps({**whole, "results": [row]}))
    command = ["--from", str(report), "--page", str(page)]
    assert main(command) == 1  # there is no page
    page.write_text("Words\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nmore words\n")
    assert main(command) == 1  # the bar is missed, and the page is made all the same
    text = page.read_text()
    assert text.startswith("Words\n")
    assert text.endswith("\nmore words\n")
    assert "old" not in text
    assert "| `lookup_1m` | 1.5 | 90 |" in text
    assert "| ours <= 1 | **missed** | raw / FAISS |" in text
    assert "(images/benchmark-ratios.svg)" in text
    drawing = (folder / "images" / "benchmark-ratios.svg").read_text()
    assert ElementTree.fromstring(drawing).tag.endswith("svg")
    assert "currentColor" not in drawing
    assert main(command) == 1
    assert page.read_text() == text


def test_no_two_figures_share_a_name() -> None:
    assert len(set(NAMES)) == len(NAMES) > len(CORE_NAMES)


def test_bad_input_is_refused_in_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, words in (
        (["--rounds", "0"], "--rounds must be at least 1"),
        (["--only", "speed"], "There is no measurement speed"),
        (["--vectors", "10"], "--vectors must be at least 1000"),
        (["--photos", str(folder / "nowhere")], "there is no such file or folder"),
    ):
        assert main(tiny(folder, *options)) == 1
        assert words in capsys.readouterr().err


def test_a_missing_peer_says_what_to_install() -> None:
    with pytest.raises(PeerMissingError, match=r"pip install -r requirements-benchmark\.txt"):
        library("a_library_that_is_not_there")


class TestMeasuring:
    def test_both_are_measured_turn_about_and_the_first_round_does_not_count(self) -> None:
        turns: list[str] = []

        def ours(number: int) -> float:
            turns.append("ours")
            return 1000.0 if number == 0 else float(number)

        def peer(number: int) -> float:
            turns.append("peer")
            return 10.0 * number

        assert side_by_side(ours, peer, 3) == (2.0, 20.0)
        assert turns == ["peer", "ours", "ours", "peer"] * 2

    @pytest.mark.parametrize(
        ("bar", "ours", "peer", "ok"),
        [
            (Bar("ratio", "least", 2.5), 25.0, 10.0, True),
            (Bar("ratio", "least", 2.5), 24.0, 10.0, False),
            (Bar("ratio", "most", 0.3), 3.0, 10.0, True),
            (Bar("ratio", "most", 0.3), 3.1, 10.0, False),
            (Bar("ratio", "most", 0.3), 3.0, None, False),
            (Bar("ours", "most", 4), 4.0, None, True),
            (Bar("ours", "least", 0.97), 0.96, None, False),
            (None, 4.0, None, True),
        ],
    )
    def test_bars(self, bar: Bar | None, ours: float, peer: float | None, ok: bool) -> None:
        assert Result("x", ours, "ms", peer, bar=bar).ok is ok


class TestVectors:
    @pytest.fixture
    def real(self) -> Any:
        """Two clusters of unequal width."""
        generator = np.random.default_rng(0)
        centres = np.eye(16, dtype=np.float32)[:2]
        rows = centres[np.arange(400) % 2] + generator.normal(0, 0.05, (400, 16)) * np.linspace(
            0.2, 2, 16
        )
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def test_are_like_the_real_ones(self, real: Any) -> None:
        made = Likeness.of(real).make(20_000)
        assert made.dtype == np.float32
        assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
        assert np.allclose(made.mean(axis=0), real.mean(axis=0), atol=0.05)
        mine, theirs = np.cov(made.T), np.cov(real.T)
        assert np.linalg.norm(mine - theirs) < 0.25 * np.linalg.norm(theirs)

    def test_come_in_the_same_order_for_the_same_seed(self, real: Any) -> None:
        likeness = Likeness.of(real)
        assert np.array_equal(likeness.make(50, seed=3), likeness.make(50, seed=3))
        assert not np.array_equal(likeness.make(50, seed=3), likeness.make(50, seed=4))

    def test_the_best_are_the_best(self, real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("benchmarks.core.vectors.CHUNK", 37)
        best = best_of(real, real[:5], 6)
        wanted = np.argsort(-(real[:5] @ real.T), axis=1)[:, :6]
        assert np.array_equal(np.sort(best), np.sort(wanted))
        assert recall(best.tolist(), wanted) == 1.0
        assert recall([[-1] * 6] * 5, wanted) == 0.0


def test_growth_is_measured_and_drawn(folder: Path) -> None:
    report, page = folder / "growth.json", folder / "growth.md"
    page.write_text("<!-- figures: begin -->\n<!-- figures: end -->\n")
    command = tiny(folder, "--only", "--growth-vectors", "1000", "2000", "--out", str(report))
    assert main([*command, "--page", str(page)]) == 0
    results = json.loads(report.read_text())["results"]
    names = [row["name"] for row in results]
    assert names[:4] == [f"vectors_1000_{what}" for what in vector_growth.WHAT]
    assert names[-1] == "vectors_10000000_memory"
    assert "not measured" in results[-1]["note"]
    assert "| 10,000,000 |" in page.read_text()
    assert (folder / "images" / "benchmark-vectors.svg").exists()


def test_a_line_through_the_logarithms_goes_on() -> None:
    value, power = vector_growth.extrapolated([1_000, 2_000, 4_000], [3.0, 6.0, 12.0], 10_000)
    assert value == pytest.approx(30.0)
    assert power == pytest.approx(1.0)
