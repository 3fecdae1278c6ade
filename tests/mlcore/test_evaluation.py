import json
import math
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlcore.config import FloatMatrix
from mlcore.datasets import CaptionDataset
from mlcore.errors import DatasetError
from mlcore.evaluation import (
    EvalConfig,
    EvaluationStoppedError,
    RetrievalMetrics,
    evaluate_retrieval,
    retrieval_metrics,
)
from mlcore.evaluation.encoding import mirrored_and_cropped
from mlcore.evaluation.ranking import best_rows
from mlcore.progress import NoProgress
from tests.mlcore.grey_pictures import OneHot, grey


def unit(rows: FloatMatrix) -> FloatMatrix:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def oracle(
    scores: Sequence[Sequence[float]], relevant: Sequence[Sequence[int]], k: int
) -> dict[str, float]:
    """Sort every ranking, the slow and obvious way; among equals the irrelevant go first."""
    out: dict[str, list[float]] = {
        name: [] for name in ("precision", "recall", "hit_rate", "mrr", "ndcg", "first")
    }
    for row, right in zip(scores, relevant, strict=True):
        ranking = sorted(range(len(row)), key=lambda item: (-row[item], item in right))
        hits = [item in right for item in ranking]
        first = hits.index(True) + 1
        gain = sum(1 / math.log2(place + 2) for place, hit in enumerate(hits[:k]) if hit)
        ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(right))))
        out["precision"].append(sum(hits[:k]) / k)
        out["recall"].append(sum(hits[:k]) / len(right))
        out["hit_rate"].append(float(any(hits[:k])))
        out["mrr"].append(1 / first)
        out["ndcg"].append(gain / ideal)
        out["first"].append(first)
    means = {name: float(np.mean(values)) for name, values in out.items() if name != "first"}
    return means | {"median_rank": float(np.median(out["first"]))}


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_the_oracle_ties_included(seed: int) -> None:
    generator = np.random.default_rng(seed)
    # A few directions only, so many scores are exactly equal.
    directions = unit(generator.normal(size=(5, 8)).astype(np.float32))
    gallery = directions[generator.integers(0, 5, size=23)]
    queries = directions[generator.integers(0, 5, size=40)]
    relevant = [
        generator.choice(23, size=generator.integers(1, 5), replace=False).tolist()
        for _ in range(40)
    ]
    scores = np.round(queries.astype(float) @ gallery.T.astype(float), 4).tolist()

    metrics = retrieval_metrics(queries, gallery, relevant, (1, 3, 10, 50), resamples=0)

    for k in (1, 3, 10, 50):
        expected = oracle(scores, relevant, k)
        assert metrics.precision[k] == pytest.approx(expected["precision"])
        assert metrics.recall[k] == pytest.approx(expected["recall"])
        assert metrics.hit_rate[k] == pytest.approx(expected["hit_rate"])
        assert metrics.ndcg[k] == pytest.approx(expected["ndcg"])
    assert metrics.mrr == pytest.approx(expected["mrr"])
    assert metrics.median_rank == expected["median_rank"]


def test_agrees_with_ranx(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    gallery = unit(generator.normal(size=(60, 16)).astype(np.float32))
    queries = unit(generator.normal(size=(30, 16)).astype(np.float32))
    relevant = [generator.choice(60, size=3, replace=False).tolist() for _ in range(30)]
    scores = queries.astype(float) @ gallery.T.astype(float)
    names = ["precision@5", "recall@5", "hit_rate@5", "mrr", "ndcg@5"]
    asked = {
        "qrels": {f"q{q}": {f"d{d}": 1 for d in rows} for q, rows in enumerate(relevant)},
        "run": {f"q{q}": {f"d{d}": scores[q, d] for d in range(60)} for q in range(30)},
        "names": names,
    }
    script = """
import json, sys
from ranx import Qrels, Run, evaluate
asked = json.load(sys.stdin)
figures = evaluate(Qrels(asked["qrels"]), Run(asked["run"]), asked["names"])
print(json.dumps({name: float(value) for name, value in figures.items()}))
"""
    # To compile its metrics takes ranx minutes; interpreted, they take no time for 30 queries.
    finished = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "MPLCONFIGDIR": str(tmp_path)},
    )

    ours = retrieval_metrics(queries, gallery, relevant, (5,)).flat()

    assert {name: ours[name] for name in names} == pytest.approx(json.loads(finished.stdout))


def test_a_model_that_tells_nothing_apart_earns_the_worst() -> None:
    same = unit(np.ones((10, 4), dtype=np.float32))

    metrics = retrieval_metrics(same, same, [[row] for row in range(10)], (1, 9, 10))

    assert metrics.hit_rate == {1: 0.0, 9: 0.0, 10: 1.0}
    assert metrics.median_rank == 10
    assert metrics.mrr == pytest.approx(0.1)


def test_the_size_of_the_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    gallery = unit(generator.normal(size=(50, 8)).astype(np.float32))
    queries = unit(generator.normal(size=(33, 8)).astype(np.float32))
    relevant = [[row, row + 1] for row in range(33)]
    whole = retrieval_metrics(queries, gallery, relevant, (1, 5))

    monkeypatch.setattr("mlcore.evaluation.ranking._BLOCK", 200)

    assert retrieval_metrics(queries, gallery, relevant, (1, 5)) == whole


def test_what_cannot_be_measured_is_refused() -> None:
    one = unit(np.ones((1, 2), dtype=np.float32))
    none = np.empty((0, 2), dtype=np.float32)
    for queries, gallery, relevant, ks in (
        (none, one, [], (1,)),
        (one, none, [[0]], (1,)),
        (one, one, [[]], (1,)),
        (one, one, [], (1,)),
        (one, one, [[0, 0]], (1,)),
        (one, one, [[0]], (0,)),
        (one, one, [[0]], ()),
    ):
        with pytest.raises(ValueError, match=r"need|cut-offs"):
            retrieval_metrics(queries, gallery, relevant, ks)


def test_karpathy_worked_by_hand() -> None:
    # Picture 2 has one caption that names picture 0 and one that names itself.
    data = CaptionDataset(
        [grey(0, ["0 zero"]), grey(1, ["1 one", "1 uno"]), grey(2, ["0 wrong", "2 two"])]
    )

    metrics = evaluate_retrieval(OneHot(3), data, EvalConfig(ks=(1, 2)))

    # Text to image: four captions find their picture first. "0 wrong" scores 0 with picture 1 and
    # with its own, and the tie puts its own last, on rank 3.
    text = metrics.text_to_image
    assert (text.queries, text.gallery) == (5, 3)
    assert text.hit_rate == pytest.approx({1: 0.8, 2: 0.8})
    assert text.recall == text.hit_rate
    assert text.precision == pytest.approx({1: 0.8, 2: 0.4})
    assert text.mrr == pytest.approx((4 + 1 / 3) / 5)
    assert text.median_rank == 1
    # Image to text, captions in order 0, 1, 1, 0 (of picture 2), 2:
    # picture 0: its caption ties with "0 wrong", so rank 2; picture 1: ranks 1 and 2;
    # picture 2: "2 two" on rank 1, and "0 wrong" behind the three others with 0, on rank 5.
    image = metrics.image_to_text
    assert image is not None
    assert (image.queries, image.gallery) == (3, 5)
    assert image.hit_rate == pytest.approx({1: 2 / 3, 2: 1.0})
    assert image.recall == pytest.approx({1: (0 + 0.5 + 0.5) / 3, 2: (1 + 1 + 0.5) / 3})
    assert image.precision == pytest.approx({1: 2 / 3, 2: (0.5 + 1 + 0.5) / 3})
    assert image.mrr == pytest.approx((0.5 + 1 + 1) / 3)
    second = 1 / math.log2(3)
    assert image.ndcg == pytest.approx({1: 2 / 3, 2: (second + 1 + 1 / (1 + second)) / 3})


def test_reference_100_draws_different_pictures_and_can_be_repeated() -> None:
    data = CaptionDataset(grey(level, [f"{level} a", f"{level} b"]) for level in range(120))
    config = EvalConfig(protocol="reference-100", draws=3)

    perfect = evaluate_retrieval(OneHot(120), data, config)

    assert (perfect.text_to_image.queries, perfect.text_to_image.gallery) == (100, 100)
    assert perfect.text_to_image.precision[5] == pytest.approx(0.2)
    assert perfect.text_to_image.recall[5] == 1.0
    assert perfect.spread is not None
    assert perfect.spread["mrr"] == 0.0
    assert perfect.image_to_text is None
    written = json.loads(json.dumps(perfect.as_dict()))
    assert written["reference"]["recall@5"] == 0.880
    assert written["text_to_image"]["ndcg@5"] == 1.0


def test_reference_100_over_the_whole_split_is_harder() -> None:
    # Every caption of an even picture names the picture after it.
    data = CaptionDataset(grey(level, [f"{level | 1} x"]) for level in range(200))
    queried = EvalConfig(protocol="reference-100", draws=5)
    split = EvalConfig(protocol="reference-100", draws=5, gallery="split")

    among_queried = evaluate_retrieval(OneHot(200), data, queried)
    among_all = evaluate_retrieval(OneHot(200), data, split)

    assert among_all.text_to_image.gallery == 200
    assert among_all.text_to_image.mrr < among_queried.text_to_image.mrr
    assert among_queried == evaluate_retrieval(OneHot(200), data, queried)
    assert among_queried.spread is not None
    assert among_queried.spread["mrr"] > 0


def test_too_few_pictures_for_the_draw_are_refused() -> None:
    data = CaptionDataset(grey(level, [f"{level}"]) for level in range(99))
    with pytest.raises(DatasetError, match="only 99"):
        evaluate_retrieval(OneHot(99), data, EvalConfig(protocol="reference-100"))


def test_each_picture_finds_itself_in_a_mirror() -> None:
    # Two pictures are equal, so each of them finds the other first.
    data = CaptionDataset([grey(0, ["0"]), grey(1, ["1"]), grey(1, ["1"])])

    metrics = evaluate_retrieval(OneHot(2), data, EvalConfig(ks=(1, 2))).image_to_image

    assert metrics is not None
    assert (metrics.queries, metrics.gallery) == (3, 3)
    assert metrics.hit_rate == pytest.approx({1: 1 / 3, 2: 1.0})
    assert metrics.mrr == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    without = EvalConfig(image_to_image=False)
    assert evaluate_retrieval(OneHot(2), data, without).image_to_image is None


def test_the_changed_copy_is_the_middle_in_a_mirror() -> None:
    picture = Image.new("L", (10, 10))
    picture.putdata(range(100))

    changed = mirrored_and_cropped(picture)

    assert changed.size == (8, 8)
    # Row 1 of the original without its ends, from right to left.
    assert [changed.getpixel((x, 0)) for x in range(8)] == list(range(18, 10, -1))


def test_outcomes_say_what_each_caption_found() -> None:
    data = CaptionDataset([grey(0, ["0 zero"]), grey(1, ["1 one", "0 wrong"])])

    first, second, third = evaluate_retrieval(OneHot(2), data, EvalConfig()).outcomes

    assert (first.query, first.relevant, first.rank) == ("0 zero", ("0.png",), 1)
    assert first.top == ("0.png", "1.png")
    assert (second.rank, second.top) == (1, ("1.png", "0.png"))
    assert (third.relevant, third.rank) == (("1.png",), 2)


def test_best_rows_are_those_of_a_sort() -> None:
    generator = np.random.default_rng(2)
    gallery = unit(generator.normal(size=(200, 6)).astype(np.float32))
    queries = unit(generator.normal(size=(30, 6)).astype(np.float32))

    found = best_rows(queries, gallery, 7)

    assert found.tolist() == np.argsort(-(queries @ gallery.T), axis=1)[:, :7].tolist()
    assert best_rows(queries, gallery[:3], 7).shape == (30, 3)


@pytest.mark.parametrize("protocol", ["karpathy-1k", "reference-100"])
def test_pictures_from_elsewhere_make_it_harder(protocol: str) -> None:
    data = CaptionDataset(grey(level, [f"{level}"]) for level in range(100))
    beside = np.eye(100, dtype=np.float32)[:50]
    config = EvalConfig(protocol=protocol, gallery="indexed", draws=2)  # type: ignore[arg-type]

    metrics = evaluate_retrieval(
        OneHot(100), data, config, extra_gallery=beside, extra_names=[f"e{n}" for n in range(50)]
    )

    assert metrics.text_to_image.gallery == 150
    # Half of the captions find a picture from elsewhere that is as good, and ties count against.
    assert metrics.text_to_image.hit_rate[1] == pytest.approx(0.5)
    assert metrics.text_to_image.hit_rate[5] == 1.0
    by_query = {outcome.query: outcome for outcome in metrics.outcomes}
    assert set(by_query["7"].top[:2]) == {"7.png", "e7"}
    assert by_query["70"].rank == 1


def test_the_indexed_gallery_has_to_be_given() -> None:
    data = CaptionDataset([grey(0, ["0"])])
    with pytest.raises(DatasetError, match=r"manage\.py evaluate"):
        evaluate_retrieval(OneHot(1), data, EvalConfig(gallery="indexed"))
    with pytest.raises(ValueError, match="takes no pictures"):
        evaluate_retrieval(
            OneHot(1), data, EvalConfig(), extra_gallery=np.ones((1, 1), dtype=np.float32)
        )


@pytest.mark.parametrize("protocol", ["karpathy-1k", "reference-100"])
def test_an_evaluation_is_read_back_as_it_was(protocol: str) -> None:
    data = CaptionDataset(grey(level, [f"{level} red a", f"{level | 1} b"]) for level in range(100))
    config = EvalConfig(protocol=protocol, draws=2, composition=True)  # type: ignore[arg-type]
    metrics = evaluate_retrieval(OneHot(101), data, config)

    whole = json.loads(json.dumps(metrics.as_dict(outcomes=True)))

    assert metrics.outcomes
    assert RetrievalMetrics.from_dict(whole) == metrics
    assert "outcomes" not in metrics.as_dict()


def test_the_intervals_of_a_protocol_hold_its_figures() -> None:
    data = CaptionDataset(grey(level, [f"{level}", f"{level | 1}"]) for level in range(100))
    for protocol in ("karpathy-1k", "reference-100"):
        config = EvalConfig(protocol=protocol, draws=5)
        found = evaluate_retrieval(OneHot(101), data, config).text_to_image
        for name, (low, high) in found.intervals.items():
            assert low <= found.flat()[name] <= high, name
        low, high = found.intervals["hit_rate@1"]
        assert 0.05 < high - low < 0.35


def test_an_evaluation_stops_when_asked() -> None:
    class Stopping(NoProgress):
        def should_stop(self) -> bool:
            return True

    data = CaptionDataset([grey(0, ["0"])])
    with pytest.raises(EvaluationStoppedError):
        evaluate_retrieval(OneHot(1), data, EvalConfig(), progress=Stopping())


def test_a_gallery_of_100_000_pictures_fits_in_two_gigabytes() -> None:
    generator = np.random.default_rng(0)
    tracemalloc.start()
    try:
        gallery = generator.standard_normal((100_000, 512), dtype=np.float32)
        queries = generator.standard_normal((500, 512), dtype=np.float32)
        metrics = retrieval_metrics(queries, gallery, np.arange(500)[:, None], (1, 5, 10))
        top = best_rows(queries, gallery, 10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (metrics.queries, metrics.gallery) == (500, 100_000)
    assert top.shape == (500, 10)
    assert gallery.nbytes < peak < 2e9
