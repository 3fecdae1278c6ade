"""A run as a whole: interrupted, stopped, refused, measured."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from mlcore.config import ImageLimits
from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.encoders.checkpoints import verify_checkpoint
from mlcore.errors import DatasetError, TrainingError
from mlcore.progress import NoProgress
from mlcore.training import StoppedError, fine_tune
from mlcore.training.guards import Watch
from mlcore.training.leaks import near_pairs, thumbnails
from tests.mlcore.shapes import combinations, draw
from tests.mlcore.training_data import SMALL, Watcher, bars, shapes, small_clip
from tests.pictures import photo
from tests.services import REPOSITORY


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_clip(tmp_path_factory.mktemp("clip") / "model")


def sha256(directory: Path) -> str:
    return verify_checkpoint(directory).weights_sha256


def work_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.partial")


SLOW = replace(SMALL, epochs=6, weight_averaging=0.9)
"""Six epochs, of which a killed run has made some."""

_RUN = """
import os, sys, time
from pathlib import Path
from mlcore.training import fine_tune
from tests.mlcore.test_training_run import SLOW
from tests.mlcore.training_data import Watcher, shapes

class Waiting(Watcher):
    def measured(self, values):
        if values["kind"] == "epoch" and values["epoch"] == 3 and sys.argv[3] == "kill":
            print("third", flush=True)
            time.sleep(60)

fine_tune(Path(sys.argv[1]), shapes(), SLOW, out_dir=Path(sys.argv[2]),
          validation=shapes(100), progress=Waiting())
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(clip: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(clip), str(killed), "kill"],
        stdout=subprocess.PIPE, text=True, env=environment, cwd=REPOSITORY,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "third\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not killed.exists()
    # It has told of its third epoch and not kept it; as if it had died in the middle of writing.
    (work_of(killed) / "epoch-0003.tmp").mkdir()
    with (work_of(killed) / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "step", "st')

    result = fine_tune(
        clip, shapes(), SLOW, out_dir=killed, validation=shapes(100), progress=(again := Watcher())
    )
    other = fine_tune(clip, shapes(), SLOW, out_dir=whole, validation=shapes(100))

    assert [row["epoch"] for row in again.points if row["kind"] == "epoch"] == [3, 4, 5, 6]
    assert sha256(killed) == sha256(whole)
    assert [row["loss"] for row in result.epochs] == [row["loss"] for row in other.epochs]
    assert (result.best_epoch, result.best_value) == (other.best_epoch, other.best_value)
    assert not work_of(killed).exists()
    lines = [json.loads(line) for line in (killed / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in lines if row["kind"] == "step"] == list(range(1, 19))
    assert [row["epoch"] for row in lines if row["kind"] == "epoch"] == [1, 2, 3, 4, 5, 6]


def test_stopped_within_one_step_and_taken_up_again(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    watcher = Watcher(patience=4)
    with pytest.raises(StoppedError, match=r"nothing was published.*goes on"):
        fine_tune(clip, shapes(), SMALL, out_dir=out, progress=watcher)
    assert watcher.asked == 5
    assert max(row["step"] for row in watcher.points) == 4  # not one step after being asked
    assert not out.exists()

    again = Watcher()
    fine_tune(clip, shapes(), SMALL, out_dir=out, progress=again)
    assert again.points[0]["step"] == 4  # one epoch of three steps was finished
    other = fine_tune(clip, shapes(), SMALL, out_dir=tmp_path / "other")
    assert sha256(out) == sha256(other.directory)


def test_another_recipe_or_other_data_does_not_go_on_with_a_run(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with pytest.raises(StoppedError):
        fine_tune(clip, shapes(), SMALL, out_dir=out, progress=Watcher(patience=4))

    with pytest.raises(TrainingError, match=r"differs in learning_rate \(0.001 there, 0.1 now\)"):
        fine_tune(clip, shapes(), replace(SMALL, learning_rate=0.1), out_dir=out)
    with pytest.raises(TrainingError, match="differs in data"):
        fine_tune(clip, shapes(3), SMALL, out_dir=out)
    with pytest.raises(TrainingError, match="differs in base"):
        fine_tune("starter", shapes(), SMALL, out_dir=out)
    assert (work_of(out) / "epoch-0001").is_dir()  # a refusal costs nothing

    result = fine_tune(clip, shapes(3), SMALL, out_dir=out, resume=False)
    assert len(result.epochs) == 3


def test_a_seed_gives_the_same_weights_again_and_another_does_not(
    clip: Path, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    first = fine_tune(clip, shapes(), SMALL, out_dir=tmp_path / "one")
    drawn = torch.rand(3)
    again = fine_tune(clip, shapes(), replace(SMALL, workers=4), out_dir=tmp_path / "two")
    other = fine_tune(clip, shapes(), replace(SMALL, seed=1), out_dir=tmp_path / "three")

    assert sha256(again.directory) == sha256(first.directory)
    assert sha256(other.directory) != sha256(first.directory)
    torch.manual_seed(5)  # and the numbers of whoever called were left alone
    assert torch.equal(torch.rand(3), drawn)


def test_it_ends_early_and_keeps_the_best(clip: Path, tmp_path: Path) -> None:
    """The rate is nearly 0, so no epoch is better than the first."""
    config = replace(SMALL, epochs=20, learning_rate=1e-12, patience=2, keep_checkpoints=1)
    result = fine_tune(clip, shapes(), config, out_dir=tmp_path / "x", validation=shapes(100))

    assert result.stopped_early
    assert (len(result.epochs), result.best_epoch) == (3, 1)
    assert [row["best"] for row in result.epochs] == [1, 0, 0]
    about = json.loads((result.directory / "training.json").read_text())
    assert about["best_epoch"] == 1
    assert about["stopped_early"]

    with pytest.raises(TrainingError, match="hold some out"):
        fine_tune(clip, shapes(), config, out_dir=tmp_path / "y")


def test_only_the_last_epochs_and_the_best_are_kept_meanwhile(clip: Path, tmp_path: Path) -> None:
    seen: list[set[str]] = []

    class Looking(Watcher):
        def measured(self, values: object) -> None:
            super().measured(values)  # type: ignore[arg-type]
            if self.points[-1]["kind"] == "epoch":
                seen.append({path.name for path in work_of(tmp_path / "x").glob("epoch-*")})

    config = replace(SMALL, epochs=5, learning_rate=1e-12)
    fine_tune(
        clip, shapes(), config, out_dir=tmp_path / "x", validation=shapes(100), progress=Looking()
    )
    # Before the fifth is kept.
    assert seen[-1] == {"epoch-0001", "epoch-0003", "epoch-0004"}


def test_the_curve_is_told_and_kept(clip: Path, tmp_path: Path) -> None:
    watcher = Watcher()
    result = fine_tune(
        clip, shapes(), SMALL, out_dir=tmp_path / "x", validation=shapes(100), progress=watcher
    )
    kept = [
        json.loads(line) for line in (result.directory / "metrics.jsonl").read_text().splitlines()
    ]

    assert kept == watcher.points
    steps = [row for row in kept if row["kind"] == "step"]
    epochs = [row for row in kept if row["kind"] == "epoch"]
    assert [row["step"] for row in steps] == list(range(1, 10))
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    assert set(steps[0]) == {
        "kind", "step", "steps", "epoch", "loss", "temperature", "learning_rate",
        "pictures_per_second", "seconds_left",
    }  # fmt: skip
    assert set(steps[0]) | {"best", "hit_rate@1", "hit_rate@5", "hit_rate@10", "mrr"} == set(
        epochs[0]
    )
    assert steps[0]["temperature"] == pytest.approx(1 / 14.29, rel=0.02)
    assert steps[-1]["seconds_left"] == 0
    assert watcher.reports[-1] == (9, 9, "epoch 3 of 3")
    about = json.loads((result.directory / "training.json").read_text())
    assert about["data"] == {"sha256": shapes().sha256, "pictures": 24, "captions": 24}
    assert about["recipe"]["learning_rate"] == 1e-3
    assert about["parent"]["name"] == str(clip)


def test_a_wrecking_rate_is_stopped_with_the_step(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"finite.*step \d+ of 9 \(epoch \d\); lower the learning rate.*1e\+30"
    ):
        fine_tune(clip, shapes(), replace(SMALL, learning_rate=1e30), out_dir=tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_loss_far_above_chance_is_divergence() -> None:
    def watch() -> Watch:
        return Watch(total=100, steps_per_epoch=10, learning_rate=0.5, warm_up_steps=10, chance=2.0)

    fine = watch()
    for step in range(1, 101):
        fine.loss(9.0 if step <= 10 else 2.2, step)  # a bad start and no progress are no divergence
    bad = watch()
    for step in range(1, 13):
        bad.loss(9.0, step)  # two steps after the start that do not count
    with pytest.raises(TrainingError, match=r"diverged: at step 13 of 100 \(epoch 2\).*2\.00"):
        bad.loss(9.0, 13)
    for value in (float("nan"), float("inf")):
        with pytest.raises(TrainingError, match="step 3 of 100"):
            watch().loss(value, 3)
        with pytest.raises(TrainingError, match=r"gradient.*step 3 of 100"):
            watch().gradient(value, 3)


def test_too_little_is_refused_before_a_model_is_loaded(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlcore.training.loop.Run", None)
    (tmp_path / "taken").mkdir()

    with pytest.raises(TrainingError, match=r"15 captioned pictures.*at least 16"):
        fine_tune(clip, shapes(count=15), SMALL, out_dir=tmp_path / "x")
    with pytest.raises(TrainingError, match="exists already"):
        fine_tune(clip, shapes(), SMALL, out_dir=tmp_path / "taken")
    with pytest.raises(DatasetError, match="has no caption"):
        CaptionDataset([CaptionedImage("a", (), lambda: b"")])
    with pytest.raises(TrainingError, match="epochs must be at least 1"):
        fine_tune(clip, shapes(), replace(SMALL, epochs=0), out_dir=tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def saved(image: Image.Image, picture_format: str, **options: int) -> bytes:
    stream = BytesIO()
    image.save(stream, picture_format, **options)
    return stream.getvalue()


def photograph(number: int) -> bytes:
    return saved(photo(number, (320, 240)), "PNG")


def test_unseen_pictures_in_training_are_refused_or_dropped(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file; and the same photograph, smaller and as a JPEG of poor quality."""
    train = [
        CaptionedImage(f"p{number}", (f"picture {number}",), partial(photograph, number))
        for number in range(20)
    ]
    data = CaptionDataset(train, source="training")
    smaller = saved(photo(5, (320, 240)).resize((160, 120)), "JPEG", quality=60)
    held = CaptionDataset(
        [
            CaptionedImage("copy", ("the same file",), train[3].read),
            CaptionedImage("near", ("nearly the same",), lambda: smaller),
            CaptionedImage("other", ("another",), partial(photograph, 77)),
        ]
    )

    with monkeypatch.context() as patch:
        patch.setattr("mlcore.training.loop.Run", None)  # before the first step, and the model
        for arguments in ({"validation": held}, {"unseen": [held]}):
            with pytest.raises(
                TrainingError,
                match=r"2 pictures.*p3 and copy \(the same file\), "
                r"p5 and near \(nearly the same picture\)",
            ):
                fine_tune(clip, data, SMALL, out_dir=tmp_path / "x", **arguments)
    assert list(tmp_path.iterdir()) == []

    result = fine_tune(clip, data, SMALL, out_dir=tmp_path / "x", unseen=[held], drop_leaking=True)
    assert (result.dropped, result.pictures) == (2, 18)
    few = data.subset(range(2, 19))
    with pytest.raises(TrainingError, match="15 captioned pictures"):
        fine_tune(clip, few, SMALL, out_dir=tmp_path / "y", unseen=[held], drop_leaking=True)


def test_pictures_that_differ_a_little_in_meaning_are_no_leak(tmp_path: Path) -> None:
    """Every two drawings differ in a colour or a form, on the same background."""
    every = combinations()
    data = CaptionDataset(
        CaptionedImage(str(number), ("x",), partial(draw, every[number], 0))
        for number in range(120)
    )
    rows = thumbnails(data, cache_dir=tmp_path, limits=ImageLimits(), progress=NoProgress())
    halves = near_pairs(rows[:60], rows[60:])

    assert halves == []
    assert [pair[1] for pair in near_pairs(rows, rows)] == list(range(120))


def test_hard_negatives_weigh_in(clip: Path, tmp_path: Path) -> None:
    """With as many wrong texts as right ones the loss starts higher, by about half of ln 2."""
    pytest.importorskip("mlcore.evaluation.caption_changes")
    still = replace(SMALL, epochs=1, learning_rate=1e-12)
    plain = fine_tune(clip, shapes(), still, out_dir=tmp_path / "plain")
    hard = fine_tune(clip, shapes(), replace(still, hard_negatives=True), out_dir=tmp_path / "hard")

    assert 0.2 < hard.losses[0] - plain.losses[0] < 0.5


def test_tensorboard_that_is_not_there_is_said_so(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TrainingError, match="pip install tensorboard"):
        fine_tune(
            clip, shapes(), replace(SMALL, tensorboard=tmp_path / "board"), out_dir=tmp_path / "x"
        )
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_cannot_be_read_are_named(clip: Path, tmp_path: Path) -> None:
    from mlcore.errors import ImageRejectedError

    broken = [*bars(), CaptionedImage("broken.jpg", ("nothing",), lambda: b"no picture")]
    with pytest.raises(ImageRejectedError, match=r"broken\.jpg"):
        fine_tune(clip, CaptionDataset(broken), SMALL, out_dir=tmp_path / "x")


def test_a_clock_is_not_part_of_the_weights(clip: Path, tmp_path: Path) -> None:
    """Two runs at different speeds, with memory saved by computing twice, agree closely."""

    class Slow(Watcher):
        def measured(self, values: object) -> None:
            time.sleep(0.02)

    fast = fine_tune(clip, shapes(), SMALL, out_dir=tmp_path / "fast")
    slow = fine_tune(
        clip, shapes(), replace(SMALL, gradient_checkpointing=True, micro_batch=3),
        out_dir=tmp_path / "slow", progress=Slow(),
    )  # fmt: skip
    assert slow.losses == pytest.approx(fast.losses, abs=1e-3)
