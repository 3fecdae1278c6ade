"""``evaluate`` and ``compare`` of ``python -m mlcore``, with tiny CLIPs."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from mlcore.__main__ import main
from tests.mlcore.clip_factory import make_clip

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250)}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return str(make_clip(folder / "one")), str(make_clip(folder / "other", seed=1))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    listing = []
    for number in range(100):
        name, colour = list(COLOURS.items())[number % 3]
        Image.new("RGB", (40, 40), (*colour[:2], number)).save(folder / f"{number}.png")
        text = f"a {name} ball left of a blue box {number}"
        listing.append({"file_name": f"{number}.png", "text": text, "split": "test"})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listing))
    return folder


def run(capsys: pytest.CaptureFixture[str], arguments: Sequence[object]) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_everything_at_once(
    capsys: pytest.CaptureFixture[str], models: tuple[str, str], pictures: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    ask = ["evaluate", "--model", models[0], "--dataset", pictures, "--split", "test"]

    status, out, err = run(capsys, [*ask, "--composition", "--json", "--html", report])

    assert (status, err) == (0, f"The report is in {report}.\n")
    answer = json.loads(out)
    assert answer["image_to_image"]["queries"] == 100
    low, high = answer["text_to_image"]["intervals"]["mrr"]
    assert low <= answer["text_to_image"]["mrr"] <= high
    assert answer["composition"]["kinds"]["place"]["pairs"] == 100
    assert "outcomes" not in answer
    page = report.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "a red ball left of a blue box" in page

    status, out, _ = run(capsys, [*ask, "--composition", "--no-image-to-image"])
    assert status == 0
    assert "text to image (karpathy-1k): 100 queries, gallery of 100" in out
    assert "image to image" not in out
    assert "composition: how often" in out
    assert "95 %" in out


def test_the_reference_stands_beside(
    capsys: pytest.CaptureFixture[str], models: tuple[str, str], pictures: Path
) -> None:
    status, out, _ = run(
        capsys,
        ["evaluate", "--model", models[0], "--dataset", pictures, "--protocol", "reference-100"],
    )

    assert status == 0
    line = next(line for line in out.splitlines() if "recall@5" in line)
    assert "reference 0.880" in line
    assert "±" in line


def test_two_models_are_compared(
    capsys: pytest.CaptureFixture[str], models: tuple[str, str], pictures: Path
) -> None:
    ask = ["compare", "--model", models[0], "--with", models[1], "--dataset", pictures]

    status, out, _ = run(capsys, [*ask, "--json"])

    assert status == 0
    answer = json.loads(out)
    mrr = answer["metrics"]["mrr"]
    assert mrr["difference"] == pytest.approx(mrr["candidate"] - mrr["live"])
    assert 0 < mrr["p_value"] <= 1
    assert answer["better"]
    assert answer["worse"]

    status, out, _ = run(capsys, ask)
    assert status == 0
    assert f"{len(answer['better'])} queries got better:" in out
    assert "hit_rate@5" in out

    status, out, _ = run(capsys, [*ask[:2], models[0], "--with", models[0], *ask[5:]])
    assert status == 0
    assert "0 queries got better." in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evaluate", "--gallery", "indexed"], "manage.py evaluate"),
        (["compare", "--with", "no-such", "--gallery", "indexed"], "manage.py evaluate"),
        (["evaluate", "--html", "/no/such/report.html"], "/no/such is no folder"),
        (["compare", "--with", "starter"], "There is no model"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_loaded(
    capsys: pytest.CaptureFixture[str], pictures: Path, arguments: list[str], words: str
) -> None:
    status, out, err = run(capsys, [*arguments, "--dataset", pictures, "--model", "no-such"])

    assert (status, out) == (1, "")
    assert words in err
    assert err.count("\n") == 1
