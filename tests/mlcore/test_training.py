"""Training of heads on the real towers, with few pictures of flat colours."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from mlcore.checkpoints import verify_checkpoint
from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.encoder import load_encoder
from mlcore.errors import TrainingError
from mlcore.evaluation import EvalConfig, evaluate_retrieval
from mlcore.progress import NoProgress
from mlcore.training import Features, TrainConfig, _rate, fine_tune, tower_features

COLOURS = {
    "red": (220, 20, 20), "green": (20, 160, 40), "blue": (30, 60, 220), "yellow": (240, 230, 40),
    "black": (10, 10, 10), "white": (245, 245, 245), "orange": (250, 140, 10),
    "purple": (130, 30, 180),
}  # fmt: skip
PLACES = {"left": (0, 0, 20, 64), "right": (44, 0, 64, 64), "top": (0, 0, 64, 20)}


def picture(colour: str, place: str) -> Callable[[], bytes]:
    def read() -> bytes:
        image = Image.new("RGB", (64, 64), (128, 128, 128))
        image.paste(COLOURS[colour], PLACES[place])
        stream = BytesIO()
        image.save(stream, "PNG")
        return stream.getvalue()

    return read


@pytest.fixture(scope="module")
def data() -> CaptionDataset:
    return CaptionDataset(
        CaptionedImage(
            f"{colour} {place}",
            (f"a {colour} bar on the {place}", f"the {place} is {colour}"),
            picture(colour, place),
        )
        for colour in COLOURS
        for place in PLACES
    )


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return TrainConfig(
        epochs=60,
        batch_size=24,
        image_dropout=0.1,
        dim=32,
        hidden=32,
        mirrored=False,
        cache_dir=tmp_path_factory.mktemp("cache"),
    )


@pytest.fixture(scope="module")
def features(data: CaptionDataset, config: TrainConfig) -> Features:
    return tower_features(data, config, NoProgress())


@pytest.mark.usefixtures("features")
def test_it_learns_what_the_captions_say(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    result = fine_tune("starter", data, config, out_dir=tmp_path / "heads")

    assert len(result.losses) == 60
    assert result.losses[-1] < result.losses[0] / 4
    assert (result.pictures, result.captions) == (24, 48)
    assert 1 < result.logit_scale <= 100
    encoder = load_encoder(result.directory)
    assert encoder.dim == 32
    metrics = evaluate_retrieval(encoder, data, EvalConfig(ks=(1,)))
    # Chance is 1 in 24; left and right look alike to towers that average over the picture.
    assert metrics.text_to_image.hit_rate[1] > 0.6
    stored = verify_checkpoint(result.directory).config()
    assert stored["recipe"]["epochs"] == 60
    assert stored["pictures"] == 24


@pytest.mark.usefixtures("features")
def test_a_seed_gives_the_same_weights_again_and_another_does_not(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    short = replace(config, epochs=3)

    def weights(name: str, config: TrainConfig) -> str:
        directory = fine_tune("starter", data, config, out_dir=tmp_path / name).directory
        return verify_checkpoint(directory).weights_sha256

    first = weights("one", short)
    torch.rand(7)  # what happens outside has no influence
    assert weights("two", short) == first
    assert weights("three", replace(short, seed=1)) != first


@pytest.mark.usefixtures("features")
def test_the_random_state_outside_is_left_alone(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)

    fine_tune("starter", data, replace(config, epochs=1), out_dir=tmp_path / "heads")

    assert torch.equal(torch.rand(3), expected)


def test_the_cache_is_used_and_belongs_to_its_data(
    data: CaptionDataset, config: TrainConfig, features: Features
) -> None:
    assert config.cache_dir is not None
    before = sorted(config.cache_dir.iterdir())

    class Watcher(NoProgress):
        reports = 0

        def report(self, done: int, total: int, message: str = "") -> None:
            self.reports += 1

    watcher = Watcher()
    again = tower_features(data, config, watcher)
    assert torch.equal(again.images, features.images)
    assert torch.equal(again.texts, features.texts)
    assert watcher.reports == 0
    assert sorted(config.cache_dir.iterdir()) == before

    fewer = CaptionDataset(data[index] for index in range(16))
    tower_features(fewer, config, watcher)
    assert watcher.reports > 0
    assert len(sorted(config.cache_dir.iterdir())) == len(before) + 1


def test_mirrored_pictures_are_a_second_view(data: CaptionDataset, config: TrainConfig) -> None:
    few = CaptionDataset(data[index] for index in range(3))
    views = tower_features(few, replace(config, mirrored=True), NoProgress()).images

    assert views.shape[0] == 2
    assert not torch.allclose(views[0, 0], views[1, 0], atol=1e-2)  # left becomes right


@pytest.mark.usefixtures("features")
def test_a_wrecking_rate_is_stopped_with_the_step(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"step \d+ of 60.*lower the learning rate"):
        fine_tune("starter", data, replace(config, learning_rate=1e30), out_dir=tmp_path / "heads")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("features")
def test_asked_to_stop_it_stops_and_leaves_nothing(
    data: CaptionDataset, config: TrainConfig, tmp_path: Path
) -> None:
    class Impatient(NoProgress):
        asked = 0

        def should_stop(self) -> bool:
            self.asked += 1
            return self.asked > 5

    impatient = Impatient()
    with pytest.raises(TrainingError, match="stopped"):
        fine_tune("starter", data, config, out_dir=tmp_path / "heads", progress=impatient)
    assert impatient.asked == 6
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_trained_is_refused_before_the_towers_are_loaded(
    data: CaptionDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlcore.training.Towers", None)
    few = CaptionDataset(data[index] for index in range(15))
    taken = tmp_path / "taken"
    taken.mkdir()

    with pytest.raises(TrainingError, match="at least 16"):
        fine_tune("starter", few, TrainConfig(), out_dir=tmp_path / "x")
    with pytest.raises(TrainingError, match="exists already"):
        fine_tune("starter", data, TrainConfig(), out_dir=taken)
    with pytest.raises(TrainingError, match="not from 'team/clip'"):
        fine_tune("team/clip", data, TrainConfig(), out_dir=tmp_path / "x")  # type: ignore[arg-type]


@pytest.mark.usefixtures("features")
def test_equal_captions_and_equal_files_are_no_negatives(
    config: TrainConfig, tmp_path: Path
) -> None:
    """Pairs that all say the same, or all show the same, give nothing to tell apart."""
    one_file = CaptionDataset(
        CaptionedImage(str(number), (f"caption {number}",), picture("red", "left"))
        for number in range(16)
    )
    one_caption = CaptionDataset(
        CaptionedImage(name, ("A Bar", "a bar"), picture(*name.split()))
        for name in [f"{colour} {place}" for colour in COLOURS for place in PLACES]
    )
    for number, data in enumerate((one_file, one_caption)):
        result = fine_tune(
            "starter", data, replace(config, epochs=2), out_dir=tmp_path / str(number)
        )
        assert result.losses == pytest.approx((0.0, 0.0), abs=1e-6)


def test_the_rate_climbs_and_falls() -> None:
    rates = [_rate(step, 100, 0.1) for step in range(100)]

    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert _rate(0, 1, 0.1) == 1.0
