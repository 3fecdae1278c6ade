"""Every layout goes through one reader: what is imported is what is evaluated and trained on."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from mlcore.__main__ import main
from mlcore.commands import common
from mlcore.layouts import open_source
from tests import pictures
from tests.data_sets import LAYOUTS, WITHOUT_SPLITS, Sample
from tests.mlcore.clip_factory import make_clip
from tests.mlcore.test_layouts import picture

SAMPLES = [
    Sample(str(at), picture(at), (f"A dog, number {at}", f'Some "{at}" at sea'), split)
    for at, split in enumerate(["train", "train", "validation", "test", "test", "test"])
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_clip(tmp_path_factory.mktemp("model") / "clip"))


def written(tmp_path: Path, layout: str, samples: list[Sample] = SAMPLES) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    return LAYOUTS[layout](folder, samples)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_read_whole(tmp_path: Path, layout: str) -> None:
    with open_source(written(tmp_path, layout)) as source:
        jpegs = {each.jpeg: each.name for each in SAMPLES}
        read = {jpegs[each.read()]: (each.captions, each.split, each.read()) for each in source}
        assert (source.total, source.odd, source.notes) == (len(SAMPLES), (), ())
        assert source.left_over().captions == ()
    assert read == {
        each.name: (each.captions, "" if layout in WITHOUT_SPLITS else each.split, each.jpeg)
        for each in SAMPLES
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_is_evaluated(
    tmp_path: Path, layout: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    split = [] if layout in WITHOUT_SPLITS else ["--split", "test"]
    place = written(tmp_path, layout)
    status = main(["evaluate", "--model", model, "--dataset", str(place), "--json", *split])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    found = json.loads(out)["text_to_image"]
    pictures_asked = len(SAMPLES) if layout in WITHOUT_SPLITS else 3
    assert (found["gallery"], found["queries"]) == (pictures_asked, 2 * pictures_asked)


def test_all_commands_read_through_the_same_door() -> None:
    folder = Path(common.__file__).parent
    using = {
        path.stem
        for path in folder.glob("*.py")
        if "open_source(" in path.read_text(encoding="utf-8")
    }
    assert using == {"common", "index"}, "index takes pictures without captions too"
    assert sys.modules["mlcore.commands.train"].opened is common.opened


def test_what_cannot_be_read_is_told_and_holds_up_nothing(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = written(tmp_path, "csv")
    (place / "0.jpg").unlink()
    (place / "1.jpg").write_bytes(picture(1)[:200])
    Image.new("RGB", (8, 8)).save(place / "2.jpg")
    with (place / "captions.csv").open("a") as file:
        file.write("4.jpg,one,too,many\n")
    status = main(["evaluate", "--model", model, "--dataset", str(place), "--json"])
    out, err = capsys.readouterr()
    assert status == 0
    assert json.loads(out)["text_to_image"]["gallery"] == 3
    lines = err.splitlines()
    assert lines[0].startswith("captions.csv, line 14: 4 columns")
    assert [line.partition(":")[0] for line in lines[1:]] == ["0.jpg", "1.jpg", "2.jpg"]


def test_a_layout_and_columns_that_are_named(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = written(tmp_path, "coco")
    rows = "".join(f"val2017/{each.name}.jpg;{each.captions[0]}\n" for each in SAMPLES)
    (place / "other.csv").write_text(f"place;prompt\n{rows}")
    named = ["--layout", "table", "--file-column", "place", "--caption-column", "prompt"]
    for each in SAMPLES:
        (place / "val2017" / f"{each.name}.jpg").write_bytes(each.jpeg)
    status = main(["evaluate", "--model", model, "--dataset", str(place), "--json", *named])
    assert (status, capsys.readouterr().err) == (0, "")


def test_scans_are_evaluated_too(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for at in range(3):
        scan = pictures.encode(pictures.photo(at), "TIFF", compression="tiff_lzw")
        (tmp_path / f"{at}.tif").write_bytes(scan)
        (tmp_path / f"{at}.txt").write_text(f"a scan {at}")
    assert main(["evaluate", "--model", model, "--dataset", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text_to_image"]["gallery"] == 3
