"""Each choice of what to train changes exactly that, in the checkpoint that people get."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from mlcore.encoders import FAMILIES, load_encoder
from mlcore.errors import ModelUnavailableError, TrainingError
from mlcore.training import TrainConfig, TrainResult, Tune, fine_tune
from mlcore.training.averaging import RunningMean, mixed
from mlcore.training.state import WorkFolder
from tests.encoders import EXACT, IN_TORCH
from tests.mlcore.training_data import SMALL, bars, shapes, small_clip
from tests.pictures import photo

STARTER = TrainConfig(
    epochs=2, batch_size=24, dim=32, hidden=32, augment="none", learning_rate=1e-3, tower_dropout=0
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_clip(tmp_path_factory.mktemp("clip") / "model")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def starter(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small heads on the real towers, with factors in the text tower: a base to train further."""
    out = tmp_path_factory.mktemp("starter") / "model"
    config = replace(STARTER, tune="lora", start="fresh", cache_dir=cache)
    return fine_tune("starter", bars(), config, out_dir=out).directory


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model.safetensors")


def changed(base: Path, tuned: Path) -> set[str]:
    before, after = weights(base), weights(tuned)
    assert set(before) == set(after)
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


PROJECTIONS = {"visual_projection.weight", "text_projection.weight", "logit_scale"}


def linear(name: str) -> bool:
    return re.search(r"(q_proj|k_proj|v_proj|out_proj|fc1|fc2)\.weight$", name) is not None


CHOICES: dict[Tune, Callable[[str], bool]] = {
    "heads": lambda name: name in PROJECTIONS,
    "text": lambda name: name.startswith(("text_", "logit_scale")),
    "last": lambda name: (
        name in PROJECTIONS or "layers.2." in name or "post_layernorm" in name
        or "final_layer_norm" in name
    ),
    "lora": lambda name: name in PROJECTIONS or linear(name),
    "all": lambda name: True,
}  # fmt: skip


@pytest.mark.parametrize("tune", CHOICES)
def test_clip_trains_what_was_chosen_and_nothing_else(
    tune: Tune, clip: Path, tmp_path: Path
) -> None:
    from transformers import CLIPModel

    config = replace(SMALL, tune=tune, last_blocks=1, lora_rank=2, epochs=2)
    result = fine_tune(clip, shapes(), config, out_dir=tmp_path / "tuned")

    expected = {name for name in weights(clip) if CHOICES[tune](name)}
    # The bias of a key is added to every score of a row alike, so its gradient is nearly nothing.
    ignored = {name for name in expected if name.endswith("k_proj.bias")}
    assert changed(clip, result.directory) - ignored == expected - ignored
    assert result.epochs[-1]["loss"] < result.epochs[0]["loss"] * 1.2

    # Plain transformers reads the checkpoint and finds every weight.
    loaded: Any = CLIPModel.from_pretrained(result.directory, output_loading_info=True)
    model, report = loaded
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys"))
    stored = weights(result.directory)
    assert all(torch.equal(value, stored[name]) for name, value in model.state_dict().items())
    assert load_encoder(result.directory, options=IN_TORCH).encode_texts(
        ["a red circle"]
    ).shape == (1, 16)


def vectors_of(directory: str | Path) -> tuple[str, str, bytes, bytes]:
    encoder = load_encoder(directory, options=IN_TORCH)
    pictures = [photo(1), photo(2), Image.new("RGB", (40, 40), "red")]
    return (
        encoder.image_fingerprint,
        encoder.fingerprint,
        encoder.encode_images(pictures).tobytes(),
        encoder.encode_texts(["a red circle", "a bar on the left"]).tobytes(),
    )


def test_training_on_words_leaves_every_vector_of_a_picture_valid_for_clip(
    clip: Path, tmp_path: Path
) -> None:
    config = replace(SMALL, tune="text", learning_rate=1e-2)
    result = fine_tune(clip, shapes(), config, out_dir=tmp_path / "tuned")
    other = fine_tune(clip, shapes(), replace(config, tune="all"), out_dir=tmp_path / "other")

    of_pictures, whole, images, texts = vectors_of(clip)
    tuned = vectors_of(result.directory)
    assert (tuned[0], tuned[2]) == (of_pictures, images)
    assert tuned[1] != whole
    assert tuned[3] != texts
    everything = vectors_of(other.directory)
    assert everything[0] != of_pictures
    assert everything[2] != images


def test_training_on_words_leaves_every_vector_of_a_picture_valid_for_the_starter(
    starter: Path, cache: Path, tmp_path: Path
) -> None:
    config = replace(STARTER, tune="text", cache_dir=cache)
    result = fine_tune(starter, bars(), config, out_dir=tmp_path / "tuned")
    heads = replace(STARTER, tune="heads", cache_dir=cache)
    other = fine_tune(starter, bars(), heads, out_dir=tmp_path / "other")

    of_pictures, whole, images, texts = vectors_of(starter)
    tuned = vectors_of(result.directory)
    assert (tuned[0], tuned[2]) == (of_pictures, images)
    assert tuned[1] != whole
    assert tuned[3] != texts
    everything = vectors_of(other.directory)
    assert everything[0] != of_pictures
    assert everything[2] != images


STARTER_CHOICES: dict[Tune, Callable[[str], bool]] = {
    "heads": lambda name: not name.startswith("text_tower."),
    "lora": lambda name: True,
    "last": lambda name: True,
    "all": lambda name: True,
}


@pytest.mark.parametrize("tune", STARTER_CHOICES)
def test_the_starter_keeps_what_its_base_had_and_adds_what_was_trained(
    tune: Tune, starter: Path, cache: Path, tmp_path: Path
) -> None:
    config = replace(STARTER, tune=tune, cache_dir=cache, last_blocks=1, lora_rank=4)
    result = fine_tune(starter, bars(), config, out_dir=tmp_path / "tuned")
    before, after = weights(starter), weights(result.directory)
    fixed = {"image.mean", "image.std", "text.mean", "text.std", "class_texts"}

    for name in fixed:
        assert torch.equal(before[name], after[name])
    for name in set(before) - fixed:
        if not name.startswith("text_tower."):
            assert not torch.equal(before[name], after[name]), name
    tower = {name for name in after if name.startswith("text_tower.")}
    factors = {name for name in before if name.startswith("text_tower.")}
    if tune == "heads":
        assert all(torch.equal(before[name], after[name]) for name in factors)
        assert tower == factors
    elif tune == "lora":  # the base's factors and the new ones side by side: 8 and 4
        assert tower == factors
        query = "text_tower.encoder.layer.0.attention.self.query"
        assert after[f"{query}.lora_a"].shape == (12, 384)
        assert torch.equal(after[f"{query}.lora_a"][:8], before[f"{query}.lora_a"])
        assert torch.equal(after[f"{query}.lora_b"][:, :8], before[f"{query}.lora_b"])
    elif tune == "last":
        whole = tower - factors
        assert whole
        assert all(".layer.5." in name for name in whole)
        assert not any(".layer.5." in name for name in tower & factors)
    else:
        assert not any("lora" in name for name in tower)
    assert load_encoder(result.directory, options=IN_TORCH).dim == 32


def test_the_stored_starter_says_what_the_trained_one_said(
    starter: Path, cache: Path, tmp_path: Path
) -> None:
    """Factors in half precision, applied at load, against the tower as it was trained."""
    from mlcore.encoders import find_model
    from mlcore.training.processes import Processes
    from mlcore.training.starter import StarterTrainable

    model = StarterTrainable(
        find_model(starter), replace(STARTER, tune="all"), Processes(1, "cpu", "float32")
    )
    model.train(False)
    from mlcore.encoders.starter.text_tower import tokenize_texts

    texts = ["a red bar on the left", "the top is blue", "purple"]
    with torch.no_grad():
        said = model.text_features(tokenize_texts(model._tokenizer, texts)).numpy()
    said /= np.linalg.norm(said, axis=1, keepdims=True)

    stored = load_encoder(starter, options=EXACT).encode_texts(texts)
    assert np.abs(said - stored).max() < 2e-3


def test_changes_that_do_not_fit_the_tower_are_refused() -> None:
    from mlcore.encoders.starter.text_tower import load_text_tower

    query = "encoder.layer.0.attention.self.query"
    for changes in (
        {"no.such.weight": torch.zeros(3)},
        {f"{query}.weight": torch.zeros(3, 3)},
        {f"{query}.lora_a": torch.zeros(2, 384)},
        {f"{query}.lora_a": torch.zeros(2, 384), f"{query}.lora_b": torch.zeros(384, 3)},
        {f"{query}.lora_b": torch.zeros(384, 3)},
    ):
        with pytest.raises(ModelUnavailableError, match="does not fit"):
            load_text_tower(changes)


def test_a_mix_is_linear_and_scales_one_factor_of_two() -> None:
    base = {"weight": torch.zeros(2), "x.lora_A.y": torch.ones(2), "x.lora_B.y": torch.zeros(2)}
    tuned = {"weight": torch.ones(2), "x.lora_A.y": torch.full((2,), 3.0),
             "x.lora_B.y": torch.full((2,), 4.0)}  # fmt: skip
    mix = mixed(base, tuned, 0.25)

    assert {name: value[0].item() for name, value in mix.items()} == {
        "weight": 0.25, "x.lora_A.y": 3.0, "x.lora_B.y": 1.0,
    }  # fmt: skip


def test_the_mix_is_chosen_on_the_validation_pictures(clip: Path, tmp_path: Path) -> None:
    """A run that spoils a good model is answered with little of it, a good run with much."""
    good = fine_tune(
        clip, shapes(count=64), replace(SMALL, epochs=25, batch_size=32, learning_rate=3e-3),
        out_dir=tmp_path / "good",
    )  # fmt: skip

    def tune(base: Path, rate: float, name: str) -> TrainResult:
        config = replace(
            SMALL, epochs=1, batch_size=32, learning_rate=rate, robust_mixes=(0.02, 0.5),
            validation_metric="mrr",
        )  # fmt: skip
        return fine_tune(
            base, shapes(64, 64), config, out_dir=tmp_path / name, validation=shapes(count=64),
            drop_leaking=True,
        )  # fmt: skip

    spoiled = tune(good.directory, 0.1, "spoiled")

    assert spoiled.mix == 0.02
    assert spoiled.best_value is not None
    assert spoiled.best_value > spoiled.epochs[0]["mrr"]
    before, after = weights(good.directory), weights(spoiled.directory)
    name = "text_projection.weight"
    assert not torch.equal(before[name], after[name])


def test_the_running_mean_of_the_weights_is_what_is_kept(clip: Path, tmp_path: Path) -> None:
    mean = RunningMean({"w": torch.zeros(1)}, 0.9)
    for step in range(1, 400):
        mean.add({"w": torch.full((1,), 5.0)}, step)
    assert mean.mean["w"].item() == pytest.approx(5.0, abs=1e-3)

    averaged = fine_tune(
        clip, shapes(), replace(SMALL, weight_averaging=0.9), out_dir=tmp_path / "averaged"
    )
    plain = fine_tune(clip, shapes(), SMALL, out_dir=tmp_path / "plain")
    assert averaged.losses == pytest.approx(plain.losses)  # the steps are the same
    assert changed(plain.directory, averaged.directory)


def test_fresh_heads_are_for_the_starter_alone(clip: Path, tmp_path: Path) -> None:
    for base, config, words in (
        (clip, replace(SMALL, start="fresh"), "is for the starter"),
        ("starter", replace(STARTER, start="fresh", tune="text"), "use heads, lora or all"),
        ("starter", replace(STARTER, start="fresh", robust_mixes=(0.5,)), "no base to mix"),
    ):
        with pytest.raises(TrainingError, match=words):
            fine_tune(base, bars(), config, out_dir=tmp_path / "x")
    assert not WorkFolder(tmp_path / "x").path.exists()


def test_what_is_recommended_can_be_changed() -> None:
    config = TrainConfig.recommended(FAMILIES["clip"], "lora", epochs=3, learning_rate=None)

    assert (config.tune, config.epochs, config.learning_rate) == ("lora", 3, 2e-4)
    assert TrainConfig.recommended(FAMILIES["starter"], "heads") == TrainConfig()
