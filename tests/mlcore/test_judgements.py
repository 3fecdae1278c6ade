"""Judgements of people: how they are read, what is compared, and Kendall's tau."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlcore.__main__ import main
from mlcore.errors import DatasetError
from mlcore.evaluation.judgements import find_judgements, read_judgements
from mlcore.evaluation.rank_correlation import kendall
from tests.encoders import ColourEncoder
from tests.sentences import WordsEncoder

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250)}
EXPERT = """red.jpg\tred.jpg#0\t4\t4\t4
red.jpg\tgreen.jpg#0\t1\t1\t2
red.jpg\tscarlet.jpg#1\t4\t3\t4
green.jpg\tblue.jpg#1\t1\t1\t1
green.jpg\tred.jpg#0\t2\t1\t1
blue.jpg\tred.jpg#1\t1\t5\t1
blue.jpg\tred.jpg#1\t1\t1
blue.jpg red.jpg#1 1 1 1
scarlet.jpg\tred.jpg#0\t4\t4\t3

elsewhere.jpg\tred.jpg#0\t1\t1\t1
red.jpg\tgreen.jpg#7\t1\t1\t1
"""
CROWD = """red.jpg\tscarlet.jpg#0\t1.0\t3\t0
red.jpg\tblue.jpg#0\t0\t0\t3
green.jpg\tred.jpg#0\t0.3333333333333333\t1\t2
green.jpg\tred.jpg#0\t0.33\tx\t2
green.jpg\tred.jpg#0\t1.5\t1\t2
"""


def slow_taus(scores: list[float], grades: list[float]) -> tuple[float, float]:
    """By the definitions, pair by pair."""
    surplus = in_scores = in_grades = 0
    for (one, first), (other, second) in combinations(zip(scores, grades, strict=True), 2):
        surplus += int(np.sign(one - other) * np.sign(first - second))
        in_scores += one != other
        in_grades += first != second
    fewest = min(len(set(scores)), len(set(grades)))
    return (
        surplus / (in_scores * in_grades) ** 0.5,
        2 * surplus / (len(scores) ** 2 * (fewest - 1) / fewest),
    )


def test_tau_is_what_its_definition_says_with_ties_in_both() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        grades = generator.integers(1, 5, 60).astype(float)
        scores = np.round(grades / 4 + generator.normal(size=60), 1)
        assert kendall(scores, grades) == pytest.approx(slow_taus(list(scores), list(grades)))


def test_tau_of_equal_opposite_and_tied_orders() -> None:
    ordered = np.arange(6.0)
    assert kendall(ordered, ordered) == pytest.approx((1.0, 1.0))
    assert kendall(-ordered, ordered) == pytest.approx((-1.0, -1.0))
    assert np.isnan(kendall(ordered, np.ones(6))).all()
    with pytest.raises(ValueError, match="grade"):
        kendall(ordered, np.ones(5))


@pytest.fixture
def flickr8k_like(tmp_path: Path) -> Path:
    pictures, texts = tmp_path / "Flicker8k_Dataset", tmp_path / "Flickr8k_text"
    pictures.mkdir()
    texts.mkdir()
    listing = ""
    for name, colour in (*COLOURS.items(), ("scarlet", (250, 0, 0))):
        Image.new("RGB", (20, 20), colour).save(pictures / f"{name}.jpg", quality=95)
        word = "red" if name == "scarlet" else name
        listing += f"{name}.jpg#0\ta {word} thing\n{name}.jpg#1\tsomething {word}\n"
    (texts / "Flickr8k.token.txt").write_text(listing)
    return tmp_path


def test_damaged_lines_are_counted_and_passed_over(tmp_path: Path) -> None:
    (tmp_path / "ExpertAnnotations.txt").write_text(EXPERT)
    (tmp_path / "CrowdFlowerAnnotations.txt").write_bytes(CROWD.encode() + b"\xff\xfe\n")
    files = find_judgements(tmp_path)
    expert, damaged = read_judgements(files["expert"], "expert")
    assert (len(expert), damaged) == (8, 3)
    assert expert[1].grades == (1.0, 1.0, 2.0)
    assert [each.is_own for each in expert[:2]] == [True, False]
    crowd, damaged = read_judgements(files["crowd"], "crowd")
    assert [each.grades for each in crowd] == [(1.0,), (0.0,), (1 / 3,)]
    assert damaged == 3


def test_a_folder_without_judgements_is_refused(flickr8k_like: Path) -> None:
    with pytest.raises(DatasetError) as refused:
        find_judgements(flickr8k_like)
    assert refused.value.message.code == "judgements.none"


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlcore.commands import evaluate

    monkeypatch.setattr(evaluate, "load_encoder", lambda *_, **__: ColourEncoder())
    monkeypatch.setattr(evaluate, "load_sentence_encoder", lambda *_, **__: WordsEncoder())


@pytest.mark.usefixtures("encoders")
def test_the_protocol_prints_both_taus_beside_the_published_rows(
    flickr8k_like: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (flickr8k_like / "Flickr8k_text" / "ExpertAnnotations.txt").write_text(EXPERT)
    (flickr8k_like / "CrowdFlowerAnnotations.txt").write_text(CROWD)
    ask = ["evaluate", "--protocol", "flickr8k-judgements", "--dataset", str(flickr8k_like)]

    assert main([*ask, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    expert = answer["expert"]
    assert {name: expert[name] for name in ("pairs", "judgements", "own", "damaged", "absent")} == {
        "pairs": 5,
        "judgements": 15,
        "own": 1,
        "damaged": 3,
        "absent": 2,
    }
    assert set(expert["tau_c"]) == {"picture", "captions", "all"}
    # What is red scores highest; experts gave four grades and colours give few.
    assert min(expert["tau_c"].values()) > 0.6
    assert expert["published"] == {
        "tau": "tau_c",
        "CIDEr": 0.439,
        "SPICE": 0.449,
        "CLIP-S": 0.512,
        "RefCLIP-S": 0.53,
    }
    assert (answer["crowd"]["pairs"], answer["crowd"]["damaged"]) == (3, 2)
    assert answer["crowd"]["tau_b"]["captions"] > 0

    assert main(ask) == 0
    told = capsys.readouterr().out
    assert "1 with the picture's own caption, 2 absent, 3 damaged lines" in told
    assert "CLIP-S        tau_c   0.512   published" in told
    assert "RefCLIP-S     tau_b   0.364   published" in told


@pytest.mark.usefixtures("encoders")
def test_judgements_of_other_pictures_are_refused(
    flickr8k_like: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (flickr8k_like / "ExpertAnnotations.txt").write_text("a.jpg\tb.jpg#0\t1\t2\t3\n")
    ask = ["evaluate", "--protocol", "flickr8k-judgements", "--dataset", str(flickr8k_like)]
    assert main(ask) == 1
    assert "None of the judgements" in capsys.readouterr().err
