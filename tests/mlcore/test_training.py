"""Training of the starter on its real towers, with few pictures of flat colours."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.encoders import load_encoder
from mlcore.encoders.checkpoints import verify_checkpoint
from mlcore.errors import TrainingError
from mlcore.evaluation import EvalConfig, evaluate_retrieval
from mlcore.training import TrainConfig, fine_tune
from tests.encoders import IN_TORCH
from tests.mlcore.training_data import BARS, COLOURS, Watcher, bar, bars, prepared_run


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return TrainConfig(
        start="fresh",
        epochs=60,
        batch_size=24,
        image_dropout=0.1,
        dim=32,
        hidden=32,
        augment="none",
        cache_dir=tmp_path_factory.mktemp("cache"),
    )


@pytest.fixture
def data() -> CaptionDataset:
    return bars()


def test_it_learns_what_the_captions_say(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    result = fine_tune("starter", data, config, out_dir=tmp_path / "heads")

    assert len(result.losses) == 60
    assert result.losses[-1] < result.losses[0] / 4
    assert (result.pictures, result.captions) == (24, 48)
    assert 1 < result.logit_scale <= 100
    encoder = load_encoder(result.directory, options=IN_TORCH)
    assert encoder.dim == 32
    metrics = evaluate_retrieval(encoder, data, EvalConfig(ks=(1,)))
    # Chance is 1 in 24; left and right look alike to towers that average over the picture.
    assert metrics.text_to_image.hit_rate[1] > 0.6
    stored = json.loads((result.directory / "training.json").read_text())
    assert stored["recipe"]["epochs"] == 60
    assert stored["data"]["pictures"] == 24


def test_the_text_tower_learns_with_fresh_heads(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    """As the shipped starter is made: factors in the text tower, a running mean, validation."""
    lora = replace(
        config, tune="lora", epochs=40, learning_rate=1e-3, weight_averaging=0.9, augment="mirror",
        tower_dropout=0.0,
    )  # fmt: skip
    result = fine_tune("starter", data, lora, out_dir=tmp_path / "lora")

    assert result.losses[-1] < result.losses[0] / 4
    metrics = evaluate_retrieval(
        load_encoder(result.directory, options=IN_TORCH), data, EvalConfig(ks=(1,))
    )
    assert metrics.text_to_image.hit_rate[1] > 0.6


def test_a_seed_gives_the_same_weights_again_and_another_does_not(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    short = replace(config, epochs=2, tune="lora")

    def weights(name: str, config: TrainConfig) -> str:
        directory = fine_tune("starter", data, config, out_dir=tmp_path / name).directory
        return verify_checkpoint(directory).weights_sha256

    first = weights("one", short)
    torch.rand(7)  # what happens outside has no influence
    assert weights("two", short) == first
    assert weights("three", replace(short, seed=1)) != first


def test_the_cache_is_used_and_belongs_to_its_data(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    assert config.cache_dir is not None
    short = replace(config, epochs=1)

    def phases(data: CaptionDataset, name: str) -> set[str]:
        watcher = Watcher()
        fine_tune("starter", data, short, out_dir=tmp_path / name, progress=watcher)
        return {message for _, _, message in watcher.reports}

    fine_tune("starter", data, short, out_dir=tmp_path / "first")
    before = {path: path.stat().st_mtime_ns for path in config.cache_dir.iterdir()}
    assert phases(data, "again") == {"epoch 1 of 1"}
    assert {path: path.stat().st_mtime_ns for path in config.cache_dir.iterdir()} == before

    fewer = data.subset(range(16))
    assert phases(fewer, "fewer") == {
        "encoding pictures", "encoding captions", "epoch 1 of 1",
    }  # fmt: skip
    assert len(list(config.cache_dir.iterdir())) == len(before) + 2


def test_mirrored_pictures_are_a_second_view(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    run = prepared_run("starter", data, replace(config, augment="mirror"), tmp_path)
    views = run.inputs.images.features  # type: ignore[union-attr]

    assert views.shape[:2] == (2, 24)
    assert not torch.allclose(views[0, 0], views[1, 0], atol=1e-2)  # left becomes right


def test_a_wrecking_rate_is_stopped_with_the_step(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"step \d+ of 60.*lower the learning rate"):
        fine_tune("starter", data, replace(config, learning_rate=1e30), out_dir=tmp_path / "heads")
    assert list(tmp_path.iterdir()) == []


def sames() -> Iterator[CaptionDataset]:
    yield CaptionDataset(
        CaptionedImage(str(number), (f"caption {number}",), bar("red", "left"))
        for number in range(16)
    )
    yield CaptionDataset(
        CaptionedImage(f"{colour} {place}", ("A Bar", "a bar"), bar(colour, place))
        for colour in COLOURS
        for place in BARS
    )


@pytest.mark.parametrize("data", [*sames()], ids=["one file", "one caption"])
def test_equal_captions_and_equal_files_are_no_negatives(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    """Pairs that all say the same, or all show the same, give nothing to tell apart."""
    result = fine_tune("starter", data, replace(config, epochs=2), out_dir=tmp_path / "heads")
    assert result.losses == pytest.approx((0.0, 0.0), abs=1e-6)
