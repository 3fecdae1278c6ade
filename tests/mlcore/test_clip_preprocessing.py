"""What a CLIP checkpoint says of its pictures is followed as transformers does, or refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlcore.config import FloatMatrix
from mlcore.encoders import find_model, load_encoder, model_fingerprint
from mlcore.encoders.preprocessing import clip_preprocessing
from mlcore.errors import ModelUnavailableError
from tests.encoders import EXACT
from tests.mlcore.clip_factory import make_clip

SIDE = 32
SQUASHED: dict[str, Any] = {"size": {"height": SIDE, "width": SIDE}, "do_center_crop": False}
HALVES: dict[str, Any] = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}

FOLLOWED: list[dict[str, Any]] = [
    {},
    HALVES,
    {"image_mean": 0.5, "image_std": 0.25},
    {"rescale_factor": 1 / 127.5},
    {"do_rescale": False, "image_mean": [120, 110, 100], "image_std": [60, 50, 70]},
    {"do_normalize": False},
    {"do_normalize": False, "do_rescale": False},
    {"do_normalize": False, "rescale_factor": 1 / 100},
    {"do_normalize": None, "image_mean": None},
    {"do_rescale": None, "rescale_factor": None, "image_std": [60, 50, 70]},
    {"size": SIDE, "crop_size": SIDE, "do_convert_rgb": False, "do_pad": None},
    {"size": {"shortest_edge": SIDE, "longest_edge": None}, "crop_size": [SIDE, SIDE]},
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"do_resize": False}, "do_resize = false"),
    ({"size": {"shortest_edge": 40}}, "size = "),
    ({"size": 40}, "size = 40"),
    ({"size": None}, "size = null"),
    ({"size": {"shortest_edge": SIDE, "longest_edge": 64}}, "size = "),
    ({"size": {"height": SIDE, "width": SIDE}}, "size = "),
    ({"resample": 2}, "resample = 2"),
    ({"resample": None}, "resample = null"),
    ({"do_center_crop": False}, "do_center_crop = false"),
    (SQUASHED, "size = "),
    ({"crop_size": 24}, "crop_size = 24"),
    ({"crop_size": None}, "crop_size = null"),
    ({"crop_size": {"height": SIDE, "width": 24}}, "crop_size = "),
    ({"do_pad": True}, "do_pad = true"),
    ({"default_to_square": True}, "default_to_square = true"),
    ({"use_square_size": True}, "use_square_size = true"),
    ({"image_processor_type": "ViTImageProcessor"}, "image_processor_type = "),
    ({"image_processor_type": None, "feature_extractor_type": "OtherFeatureExtractor"},
     "feature_extractor_type = "),
    ({"rescale_factor": 0}, "rescale_factor = 0"),
    ({"rescale_factor": "1/255"}, "rescale_factor = "),
    ({"image_mean": [0.5, 0.5]}, "image_mean = "),
    ({"image_std": [0.5, 0, 0.5]}, "image_std = "),
    ({"image_mean": None}, "image_mean = null"),
    ({"image_std": float("nan")}, "image_std = NaN"),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(size)
        for size in ((57, 41), (33, 90), (129, 128), (20, 31), (32, 32), (301, 77))
    ]


def copy_with(folder: Path, place: Path, changes: dict[str, Any]) -> Path:
    shutil.copytree(folder, place)
    path = place / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return place


def vectors_of_transformers(folder: Path, pictures: list[Image.Image]) -> FloatMatrix:
    import torch
    from transformers import CLIPImageProcessorPil, CLIPModel

    inputs = CLIPImageProcessorPil.from_pretrained(folder)(pictures, return_tensors="pt")
    with torch.inference_mode():
        features = CLIPModel.from_pretrained(folder).get_image_features(
            pixel_values=inputs["pixel_values"].float()
        )
    vectors: FloatMatrix = torch.nn.functional.normalize(features.pooler_output, dim=1).numpy()
    return vectors


def least_cosine(folder: Path, pictures: list[Image.Image]) -> float:
    ours = load_encoder(folder, options=EXACT).encode_images(pictures)
    return float((ours * vectors_of_transformers(folder, pictures)).sum(axis=1).min())


@pytest.mark.parametrize("changes", FOLLOWED, ids=json.dumps)
def test_vectors_are_those_of_transformers(
    folder: Path, tmp_path: Path, pictures: list[Image.Image], changes: dict[str, Any]
) -> None:
    assert least_cosine(copy_with(folder, tmp_path / "copy", changes), pictures) > 0.999


@pytest.mark.parametrize("both", [False, True])
def test_what_transformers_5_saves_is_followed(
    folder: Path, tmp_path: Path, pictures: list[Image.Image], both: bool
) -> None:
    from transformers import CLIPImageProcessorPil, CLIPProcessor, CLIPTokenizer

    place = shutil.copytree(folder, tmp_path / "copy")
    processor = CLIPImageProcessorPil(size=SIDE, crop_size=SIDE, **HALVES)
    together: Any = CLIPProcessor  # the library leaves its types out
    together(processor, CLIPTokenizer.from_pretrained(folder)).save_pretrained(place)
    assert (place / "processor_config.json").is_file()
    if not both:
        (place / "preprocessor_config.json").unlink()

    assert least_cosine(place, pictures) > 0.999
    assert clip_preprocessing(place, SIDE, name="x").mean == (0.5, 0.5, 0.5)


def test_an_older_processor_file_says_nothing_of_pictures(folder: Path, tmp_path: Path) -> None:
    place = copy_with(folder, tmp_path / "copy", HALVES)
    (place / "processor_config.json").write_text('{"processor_class": "CLIPProcessor"}')

    assert clip_preprocessing(place, SIDE, name="x").std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("changes", "words"), REFUSED)
def test_what_is_not_done_is_refused_by_its_name(
    folder: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    place = copy_with(folder, tmp_path / "copy", changes)

    with pytest.raises(ModelUnavailableError) as caught:
        load_encoder(place, options=EXACT)
    assert words in str(caught.value)
    assert str(place) in str(caught.value)
    assert "preprocessor_config.json" in str(caught.value)
    with pytest.raises(ModelUnavailableError, match="preprocessor_config"):
        model_fingerprint(find_model(place))


def test_a_size_that_is_left_out_is_the_usual_one(folder: Path, tmp_path: Path) -> None:
    place = shutil.copytree(folder, tmp_path / "copy")
    path = place / "preprocessor_config.json"
    path.write_text('{"image_mean": [0.5, 0.5, 0.5]}')
    with pytest.raises(ModelUnavailableError, match="size = 224"):
        clip_preprocessing(place, SIDE, name="x")
    assert clip_preprocessing(place, 224, name="x").mean == (0.5, 0.5, 0.5)

    path.unlink()
    assert clip_preprocessing(place, SIDE, name="x").size == SIDE


def test_vectors_and_fingerprints_change_together(
    folder: Path, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    usual = load_encoder(folder, options=EXACT)
    before = usual.encode_images(pictures)
    changed = 0
    for number, changes in enumerate(FOLLOWED):
        other = load_encoder(copy_with(folder, tmp_path / str(number), changes), options=EXACT)
        same = np.allclose(other.encode_images(pictures), before, atol=1e-5)
        changed += not same
        assert (other.fingerprint == usual.fingerprint) is same
        assert (other.image_fingerprint == usual.image_fingerprint) is same
        assert other.fingerprint == model_fingerprint(find_model(tmp_path / str(number)))
    assert changed == 9


@pytest.mark.parametrize(("key", "value"), [("hidden_act", "gelu"), ("layer_norm_eps", 1e-2)])
def test_the_vision_towers_activation_and_norm_are_in_both_fingerprints(
    folder: Path, tmp_path: Path, pictures: list[Image.Image], key: str, value: object
) -> None:
    place = shutil.copytree(folder, tmp_path / "copy")
    config = json.loads((place / "config.json").read_text())
    config["vision_config"][key] = value
    (place / "config.json").write_text(json.dumps(config))

    usual, other = (load_encoder(one, options=EXACT) for one in (folder, place))
    assert not np.allclose(other.encode_images(pictures), usual.encode_images(pictures), atol=1e-4)
    assert other.fingerprint != usual.fingerprint
    assert other.image_fingerprint != usual.image_fingerprint


def test_the_usual_recipe_has_the_fingerprints_it_always_had(folder: Path, tmp_path: Path) -> None:
    place = shutil.copytree(folder, tmp_path / "copy")
    config = json.loads((place / "config.json").read_text())
    # Which version of the library wrote the file is no matter of this test.
    del config["transformers_version"]
    (place / "config.json").write_text(json.dumps(config, sort_keys=True))
    (place / "tokenizer_config.json").write_text("{}")

    encoder = load_encoder(place, options=EXACT)
    assert encoder.fingerprint == (
        "efde05a752a569dd71a097feab81e6162d9769fd6d7e4e1263ba573cde99f3f6"
    )
    assert encoder.image_fingerprint == (
        "3c9d56759a1e035ca9ef2f677d5eb8cc79fce772c70c78421ab57e9e54cdf114"
    )


def test_the_recipe_of_the_published_clip(tmp_path: Path) -> None:
    published = {
        "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 224,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(published))

    recipe = clip_preprocessing(tmp_path, 224, name="openai/clip-vit-base-patch32")
    assert recipe.about() == {
        "crop": "centre square, then bicubic",
        "size": 224,
        "mean": published["image_mean"],
        "std": published["image_std"],
    }
