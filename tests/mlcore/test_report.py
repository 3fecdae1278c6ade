"""Reports: made from stored values alone, whole, and safe to open."""

import json
import math
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest

from mlcore.evaluation.intervals import wilson
from mlcore.reporting import plots, report, tables

HOSTILE = "<img src=x onerror=alert(1)>"


def direction(queries: int, **more: Any) -> dict[str, Any]:
    values = {"hit_rate@1": 0.25, "hit_rate@5": 0.56, "hit_rate@10": 0.7, "mrr": 0.4}
    spans = {name: [value - 0.03, value + 0.03] for name, value in values.items()}
    return {"queries": queries, "gallery": 1000, **values, "intervals": spans, **more}


def evaluation(**more: Any) -> dict[str, Any]:
    ranks = [1, 1, 3, 12, 480]
    return {
        "model": "starter",
        "fingerprint": "ab" * 32,
        "config": {"protocol": "karpathy-1k"},
        "text_to_image": direction(5000, median_rank=4.0),
        "image_to_text": direction(1000),
        "spread": None,
        "outcomes": [
            {
                "query": f"{'a dog runs ' * (n + 1)}{n}",
                "relevant": [f"right-{n}"],
                "rank": rank,
                "top": [f"first-{n}", f"second-{n}"],
            }
            for n, rank in enumerate(ranks)
        ],
        "composition": {
            "share": 0.7,
            "kinds": {
                "colour": {"pairs": 40, "won": 30, "share": 0.75, "low": 0.6, "high": 0.86},
                "role": {"pairs": 0, "won": 0, "share": 0.0, "low": 0.0, "high": 0.0},
            },
            "examples": [
                {
                    "kind": "role",
                    "picture": "picture 7",
                    "caption": "A dog chases a cat",
                    "wrong": "A cat chases a dog",
                    "margin": 0.02,
                },
            ],
        },
        **more,
    }


TRAINING = [
    *({"kind": "step", "step": n, "loss": 4 / n, "temperature": 0.05, "learning_rate": 1e-4 / n}
      for n in range(1, 30)),
    {"kind": "epoch", "epoch": 1, "step": 15, "hit_rate@1": 0.1, "hit_rate@5": 0.3, "best": 0},
    {"kind": "epoch", "epoch": 2, "step": 29, "hit_rate@1": 0.2, "hit_rate@5": 0.4, "best": 1},
]  # fmt: skip


class Reader(HTMLParser):
    """Notes the tags, and whatever would be fetched from elsewhere."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "line", "path", "rect"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"path", "rect"}:
            assert self.open.pop() == tag


def test_the_file_is_whole_and_needs_nothing_beside_it() -> None:
    html = report.evaluation_html(evaluation(), training=TRAINING)
    read = Reader(html)
    assert read.open == []
    assert read.fetched == []
    assert not {"script", "link", "img", "iframe"} & set(read.tags)
    assert read.tags.count("svg") == 4 + 4  # of the evaluation, and of its training
    assert read.tags.count("h1") == 1


def test_what_it_tells() -> None:
    html = report.evaluation_html(evaluation())
    assert "Evaluation of starter" in html
    assert "<td>0.560 (0.530 to 0.590)</td>" in html
    assert "Median rank" in html
    best, worst = html.split("answers worst")
    assert best.rindex("right-0") < best.rindex("right-1")
    assert "<td>480</td>" in worst
    assert "first-4, second-4" in worst
    assert "<td>A cat chases a dog</td><td>Who does what</td><td>picture 7</td>" in html
    assert "How it was trained" not in html
    assert "0.176" not in html  # the reference belongs to another protocol


def test_the_reference_stands_beside_its_own_protocol() -> None:
    values = evaluation(
        config={"protocol": "reference-100"},
        text_to_image={"queries": 100, "gallery": 100, "precision@5": 0.182, "recall@5": 0.91,
                       "mrr": 0.76, "ndcg@5": 0.79},
        image_to_text=None,
        spread={"mrr": 0.02},
        reference={"precision@5": 0.176, "recall@5": 0.880, "mrr": 0.751, "ndcg@5": 0.783},
    )  # fmt: skip
    rows = {row.name: row for row in tables.metric_rows(values)}
    assert rows["Precision at 5"].reference == "0.176"
    assert rows["Recall at 5"].reference == "0.880"
    assert rows["MRR"].reference == "0.751"
    assert rows["nDCG at 5"].reference == "0.783"
    assert rows["MRR"].cells == ("0.760 ± 0.020",)
    assert "0.783" in report.evaluation_html(values)


def test_the_least_that_an_evaluation_holds_is_enough() -> None:
    html = report.evaluation_html({"model": "m", "text_to_image": {"queries": 3, "mrr": 0.5}})
    assert "0.500" in html
    assert Reader(html).open == []


def test_what_others_wrote_is_escaped() -> None:
    values = evaluation(model=HOSTILE, dataset=HOSTILE)
    values["outcomes"][0] |= {"query": HOSTILE, "relevant": [HOSTILE], "top": [HOSTILE]}
    html = report.evaluation_html(values)
    assert HOSTILE not in html
    assert "&lt;img" in html


def test_stored_values_serve_as_well_as_fresh_ones() -> None:
    stored = json.loads(json.dumps(evaluation()))
    assert report.evaluation_html(stored) == report.evaluation_html(evaluation())


def test_queries_are_told_apart_by_their_length() -> None:
    svg = plots.length_plot(evaluation()["outcomes"])
    assert "Up to 7 words (2)" in svg
    assert "8 to 12 words (1)" in svg
    assert "13 words and more (2)" in svg


def test_a_comparison_is_drawn_around_zero() -> None:
    metrics = {
        "median_rank": {"difference": -1.0, "low": -2.0, "high": 0.0},
        "mrr": {"difference": -0.02, "low": -0.03, "high": -0.01},
        "hit_rate@1": {"difference": 0.04, "low": 0.02, "high": 0.06},
    }
    svg = plots.comparison_plot({"metrics": metrics})
    assert svg.index("Hit rate at 1") < svg.index("MRR")
    assert "0.0400 (0.0200 to 0.0600)" not in svg
    assert "0.040 (0.020 to 0.060)" in svg
    assert "\N{MINUS SIGN}0.020" in svg
    assert "Median rank" not in svg  # not a share


def test_kinds_without_a_pair_are_left_out() -> None:
    svg = plots.composition_plot(evaluation()["composition"])
    assert "Colour (40 pairs)" in svg
    assert "Who does what" not in svg
    assert "by chance" in svg


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0),
     (81, 263, 0.2553, 0.3662)],
)  # fmt: skip
def test_the_interval_of_a_share(hits: int, trials: int, low: float, high: float) -> None:
    """Figures of Newcombe 1998, table I (81 of 263), and of the formula by hand."""
    assert wilson(hits, trials) == pytest.approx((low, high), abs=2e-4)


def test_a_run_that_has_only_begun_has_its_plots() -> None:
    [loss] = plots.training_plots([])
    assert "Nothing has been measured yet." in loss
    assert math.isclose(len(plots.training_plots(TRAINING)), 4)


def test_a_run_with_more_epochs_than_steps_is_drawn_by_its_epochs() -> None:
    epochs = [
        {"epoch": n, "step": 10 * n, "loss": 1 / n, "temperature": 0.05, "hit_rate@1": 0.1}
        for n in range(1, 6)
    ]
    loss, shares, temperature = plots.training_plots([{"kind": "step", "step": 1}, *epochs])
    assert "loss: from 1 at 10 to 0.200 at 50" in loss
    assert "epoch" in shares
    assert "0.050 at 10" in temperature


def test_it_loads_no_model_library() -> None:
    heavy = "{'torch', 'faiss', 'transformers'}"
    code = f"import sys, mlcore.reporting.report; print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def by_evidence(**more: Any) -> dict[str, Any]:
    bins = [
        {"count": 500, "predicted": p, "observed": o, "low": o - 0.02, "high": o + 0.02}
        for p, o in ((0.9, 0.88), (0.1, 0.125))
    ]
    return {
        "evidence": "all",
        "others": 1,
        "share": 0.5,
        "metrics": {"queries": 5000, "gallery": 1000, "hit_rate@5": 0.84, "mrr": 0.7},
        "calibration": {"count": 1000, "brier": 0.05, "ece": 0.0225, "bins": bins},
        **more,
    }


def test_a_reliability_diagram_shows_each_bin_beside_what_is_exact() -> None:
    drawn = plots.reliability_plot(by_evidence())
    assert "all evidence, other captions known: 1, of 50 % of the pictures" in drawn
    assert "its calibration error is 0.022" in drawn
    first, second = drawn.index("measured: 0.100, 0.125"), drawn.index("measured: 0.900, 0.880")
    assert first < second
    assert "if they were exact: 1, 1" in drawn
    assert drawn.count('class="plot-whisker"') == 2


def test_figures_by_evidence_stand_in_the_report_with_their_diagrams() -> None:
    alone = by_evidence(evidence="picture", others=0, share=1.0, calibration=None)
    page = report.evaluation_html(evaluation(with_evidence=[alone, by_evidence()]))
    assert "picture alone, no other caption known" in page
    assert page.count('aria-label="Are probabilities what they say?') == 1
    assert "Calibration error" in page
    assert "<td>0.022</td>" in page
    assert "By evidence" not in report.evaluation_html(evaluation())
