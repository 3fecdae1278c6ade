"""The commands of ``python -m mlcore``, with a tiny CLIP."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlcore.__main__ import main
from mlcore.encoders import load_encoder
from tests.encoders import IN_TORCH
from tests.mlcore.clip_factory import make_clip

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_clip(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 40), colour).save(folder / f"{name}.png")
    listing = [
        {"file_name": f"{name}.png", "text": f"all {name}", "split": "validation"}
        for name in COLOURS
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listing))
    return folder


@pytest.fixture
def index(model: str, pictures: Path, tmp_path: Path) -> Path:
    out = tmp_path / "index"
    assert main(["index", str(pictures), "--out", str(out), "--model", model]) == 0
    return out


def run(capsys: pytest.CaptureFixture[str], arguments: Sequence[object]) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_encode_prints_vectors(
    capsys: pytest.CaptureFixture[str], model: str, pictures: Path
) -> None:
    red = pictures / "red.png"
    status, out, err = run(
        capsys, ["encode", "--text", "red", "x" * 50, "--image", red, "--model", model]
    )

    assert (status, err) == (0, "")
    answer = json.loads(out)
    encoder = load_encoder(model, options=IN_TORCH)
    assert answer["fingerprint"] == encoder.fingerprint
    assert answer["dim"] == 24
    assert [row["truncated"] for row in answer["texts"]] == [False, True]
    np.testing.assert_allclose(
        answer["texts"][0]["vector"], encoder.encode_texts(["red"])[0], atol=1e-2
    )
    with Image.open(red) as opened:  # noqa: TID251 - a file this test wrote
        seen = encoder.encode_images([opened.convert("RGB")])[0]
    np.testing.assert_allclose(answer["images"][0]["vector"], seen, atol=1e-2)


def test_a_picture_finds_itself(
    capsys: pytest.CaptureFixture[str], index: Path, pictures: Path
) -> None:
    for name in COLOURS:
        status, out, _ = run(
            capsys, ["search", "--index", index, "--image", pictures / f"{name}.png", "--json"]
        )
        assert status == 0
        (first, second, third) = json.loads(out)["results"]
        assert first["image"] == f"{name}.png"
        assert first["score"] == pytest.approx(1.0, abs=2e-3)
        assert first["score"] > second["score"] >= third["score"]


def test_text_picture_and_what_is_unwanted_together(
    capsys: pytest.CaptureFixture[str], index: Path, pictures: Path
) -> None:
    status, out, _ = run(
        capsys,
        ["search", "a colour", "--index", index, "--image", pictures / "red.png", "--not", "blue",
         "-k", 2],
    )  # fmt: skip

    assert status == 0
    lines = out.splitlines()
    assert len(lines) == 2
    assert all(line.split()[1] in {"red.png", "green.png", "blue.png"} for line in lines)


def test_text_that_is_cut_is_said_so(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    status, _, err = run(capsys, ["search", "x" * 60, "--index", index])

    assert status == 0
    assert "its end was cut" in err


def test_an_index_is_searched_by_its_own_model_only(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path
) -> None:
    other = make_clip(tmp_path / "other", seed=9)

    status, out, err = run(capsys, ["search", "red", "--index", index, "--model", other])

    assert (status, out) == (1, "")
    assert "was made by the model" in err
    assert err.count("\n") == 1


def test_a_broken_picture_is_named_and_the_rest_goes_in(
    capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (40, 40), "red").save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no picture")

    status, out, err = run(capsys, ["index", folder, "--out", tmp_path / "index", "--model", model])

    assert status == 1
    assert "b.png" in err
    assert "Indexed 1 pictures" in out
    status, out, _ = run(capsys, ["search", "red", "--index", tmp_path / "index", "--json"])
    assert status == 0
    assert [hit["image"] for hit in json.loads(out)["results"]] == ["a.png"]


def test_nothing_is_left_of_an_index_without_pictures(
    capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "b.png").write_bytes(b"no picture")

    status, _, err = run(capsys, ["index", folder, "--out", tmp_path / "index", "--model", model])

    assert status == 1
    assert "no picture that can be read" in err
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_evaluate_as_json_and_as_a_table(
    capsys: pytest.CaptureFixture[str], model: str, pictures: Path
) -> None:
    common = ["evaluate", "--model", model, "--dataset", pictures, "--split", "dev"]
    status, out, _ = run(capsys, [*common, "--protocol", "karpathy-1k", "--json"])

    assert status == 0
    answer = json.loads(out)
    assert answer["text_to_image"]["queries"] == 3
    assert answer["text_to_image"]["hit_rate@5"] == 1.0
    assert answer["image_to_text"]["gallery"] == 3

    status, out, _ = run(capsys, common)
    assert status == 0
    assert "text to image (karpathy-1k): 3 queries, gallery of 3" in out
    assert "hit_rate@5" in out


def test_train_writes_a_model_and_evaluates_what_was_held_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = []
    for number in range(20):
        stream = BytesIO()
        Image.new("RGB", (32, 32), (number * 12, 0, 255 - number * 12)).save(stream, "PNG")
        (folder / f"{number}.png").write_bytes(stream.getvalue())
        rows.append({"file_name": f"{number}.png", "text": f"colour {number}"})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "model"
    train = ["train", "--dataset", folder, "--out", out, "--split", "", "--epochs", 1]

    status, text, err = run(capsys, [*train, "--hold-out", 3])

    assert (status, err) == (0, "")
    assert "on 17 pictures with 17 captions" in text
    assert "3 queries, gallery of 3" in text
    assert load_encoder(out, options=IN_TORCH).dim == 512
    status, _, err = run(capsys, train)
    assert status == 1
    assert "exists already" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["encode"], "give --text or --image"),
        (["encode", "--text", "a", "--model", "no-such"], "There is no model 'no-such'"),
        (["search", "a", "--index", "/no/such"], "is not an index"),
        (["index", "/no/such", "--out", str(Path.home())], "exists already"),
        (["evaluate", "--dataset", "/no/such", "--model", "no-such"], "There is no model"),
    ],
)
def test_a_failure_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    status, out, err = run(capsys, arguments)

    assert (status, out) == (1, "")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["unknown"], ["search"], ["search", "a", "--index", "x", "-k", "0"], ["train"],
     ["evaluate", "--dataset", "x", "--protocol", "other"]],
)  # fmt: skip
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_it_runs_with_no_django_and_importing_it_loads_nothing_heavy(tmp_path: Path) -> None:
    """Every module of mlcore, in a process of its own in which Django cannot be imported."""
    script = """
import importlib, pkgutil, sys
sys.modules["django"] = None
import mlcore
for module in pkgutil.walk_packages(mlcore.__path__, "mlcore."):
    importlib.import_module(module.name)
heavy = {"torch", "transformers", "faiss", "openvino", "sentence_transformers"} & set(sys.modules)
assert "mlcore.training" in sys.modules and "mlcore.__main__" in sys.modules
assert not heavy, heavy
from mlcore.__main__ import main
sys.exit(main(["search", "a", "--index", "/no/such"]))
"""
    environment = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    finished = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, timeout=120, env=environment, check=False,
    )  # fmt: skip

    assert finished.returncode == 1, finished.stderr
    assert finished.stderr.count("\n") == 1
    assert "Traceback" not in finished.stderr
