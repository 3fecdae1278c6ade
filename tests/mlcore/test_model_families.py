"""What every family of models keeps to, and what it takes to add one."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlcore.config import FloatMatrix, RuntimeOptions
from mlcore.encoders import (
    FAMILIES,
    Encoder,
    FoundModel,
    ModelFamily,
    compile_model,
    find_model,
    load_encoder,
    model_fingerprint,
)
from mlcore.encoders.base import by_model_type
from mlcore.encoders.batches import unit_rows
from mlcore.encoders.checkpoints import file_sha256
from mlcore.encoders.openvino.compiled import Traceable
from mlcore.encoders.openvino.encoder import IMAGE, TEXT, About, CompiledEncoder
from mlcore.encoders.openvino.padding import padded_reader
from mlcore.encoders.sentences.folder import find_sentence_model
from mlcore.errors import ModelUnavailableError, TrainingError
from mlcore.training import TrainConfig
from tests.encoders import EXACT
from tests.mlcore.clip_factory import make_clip

SIDE, DIM = 8, 6


class ToyEncoder:
    """A linear map of pixels, and one of how often each byte stands in a text."""

    image_size, dim, runtime = SIDE, DIM, "numpy"
    languages: Sequence[str] = ()

    def __init__(self, found: FoundModel) -> None:
        self.name = found.name
        self.fingerprint = self.image_fingerprint = fingerprint(found)
        seed = int(json.loads((found.directory / "config.json").read_text())["seed"])
        generator = np.random.default_rng(seed)
        self.pixels = generator.normal(size=(SIDE * SIDE * 3, DIM)).astype(np.float32)
        self.bytes = generator.normal(size=(256, DIM)).astype(np.float32)

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        counts = [np.bincount([*text.encode(), 0], minlength=256) for text in texts]
        return unit_rows(np.reshape(counts, (-1, 256)).astype(np.float32) @ self.bytes)

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        rows = [np.asarray(one.resize((SIDE, SIDE)), np.float32).ravel() / 255 for one in images]
        return unit_rows(np.reshape(rows, (-1, SIDE * SIDE * 3)).astype(np.float32) @ self.pixels)

    def is_truncated(self, text: str) -> bool:
        return False

    def unknown_share(self, text: str) -> float:
        return 0.0


class OriginalToy(ToyEncoder):
    """The same, as something to compile; its text tower wants padding and knows no packing."""

    def about(self) -> About:
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import Whitespace

        words = Tokenizer(WordLevel({"a": 0, "b": 1, "[UNK]": 2}, unk_token="[UNK]"))
        words.pre_tokenizer = Whitespace()
        return About(
            dim=DIM, image_size=SIDE, max_tokens=9, end=None, fingerprint=self.fingerprint,
            image_fingerprint=self.image_fingerprint, tokenizer=words.to_str(), image_batch=4,
            packed_texts=False,
        )  # fmt: skip

    def networks(self) -> dict[str, Traceable]:
        import torch

        pixels, words = torch.from_numpy(self.pixels), torch.from_numpy(self.bytes)

        class ImageTower(torch.nn.Module):
            def forward(self, squares: torch.Tensor) -> torch.Tensor:
                return squares.flatten(1).float() / 255 @ pixels

        class TextTower(torch.nn.Module):
            def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
                return (words[ids] * mask[..., None]).sum(1)

        squares = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
        return {
            IMAGE: Traceable(ImageTower(), {"squares": squares}, {"squares": (0,)}),
            TEXT: padded_reader(TextTower()),
        }


def fingerprint(found: FoundModel) -> str:
    return hashlib.sha256(file_sha256(found.directory / "config.json").encode()).hexdigest()


def _load(found: FoundModel, options: RuntimeOptions) -> ToyEncoder:
    return ToyEncoder(found)


TOY = ModelFamily(
    name="toy", label="Toy", load=_load, fingerprint=fingerprint, recognises=by_model_type("toy")
)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(FAMILIES, "toy", TOY)
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "toy", "seed": 3}))
    return folder


@pytest.fixture(params=["starter", "clip", "toy"])
def reference(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "clip":
        return str(make_clip(tmp_path / "clip"))
    return str(request.getfixturevalue("toy")) if request.param == "toy" else "starter"


def pictures(count: int) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 256, (40, 50, 3), dtype=np.uint8))
        for _ in range(count)
    ]


def test_every_family_keeps_the_contract_of_encoders(reference: str) -> None:
    encoder: Encoder = load_encoder(reference, options=EXACT)
    assert encoder.name == reference
    assert encoder.fingerprint == model_fingerprint(find_model(reference))
    assert len(encoder.image_fingerprint) == len(encoder.fingerprint) == 64
    texts, shown = ["a dog", "two cats on a mat", ""], pictures(3)
    for together, alone, nothing in (
        (
            encoder.encode_texts(texts),
            [encoder.encode_texts([text]) for text in texts],
            encoder.encode_texts([]),
        ),
        (
            encoder.encode_images(shown),
            [encoder.encode_images([one]) for one in shown],
            encoder.encode_images([]),
        ),
    ):
        assert together.dtype == np.float32
        assert together.shape == (3, encoder.dim)
        assert nothing.shape == (0, encoder.dim)
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)
    assert not encoder.is_truncated("a dog")


def test_what_a_family_cannot_is_said(toy: Path) -> None:
    assert load_encoder(toy).runtime == "numpy"  # though OpenVINO is there
    with pytest.raises(ModelUnavailableError, match="cannot be compiled for OpenVINO"):
        load_encoder(toy, options=RuntimeOptions(library="openvino"))
    with pytest.raises(ModelUnavailableError, match="cannot be compiled for OpenVINO"):
        compile_model(toy)
    with pytest.raises(TrainingError, match="models of the family Toy cannot be trained"):
        TrainConfig().check(TOY)


def test_a_text_tower_need_not_pack(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    able = ModelFamily(
        name="toy", label="Toy", load=_load, fingerprint=fingerprint,
        recognises=by_model_type("toy"), original=OriginalToy,
    )  # fmt: skip
    monkeypatch.setitem(FAMILIES, "toy", able)
    compile_model(toy)
    ours = load_encoder(toy, options=RuntimeOptions(library="openvino", precision="float32"))
    assert isinstance(ours, CompiledEncoder)
    exact = ToyEncoder(find_model(toy))
    assert ours.fingerprint == exact.fingerprint
    found = ours.encode_texts(["a", "a b b a", "b a"])
    expected = unit_rows(np.array([[1, 0], [2, 2], [1, 1]], np.float32) @ exact.bytes[:2])
    np.testing.assert_allclose(found, expected, atol=2e-3)  # weights are kept in float16
    squares = [one.resize((SIDE, SIDE)) for one in pictures(6)]
    np.testing.assert_allclose(ours.encode_images(squares), exact.encode_images(squares), atol=2e-3)


def test_the_starter_has_the_fingerprints_it_always_had() -> None:
    """Vectors that are stored anywhere are valid for these alone; they change with the heads."""
    encoder = load_encoder("starter", options=EXACT)
    assert encoder.fingerprint == (
        "ddf5733e12a592f316e0dae62eb59528027f3723cbc514d35623e2f1b5ec2ae3"
    )
    assert encoder.image_fingerprint == (
        "14bf9b68fffab9e0c52a78a1ad43888d7849aaac3453c287e7668ced557c7d72"
    )


def test_a_model_that_may_not_be_read_is_named() -> None:
    """As one that root copied into the folder of models with a mode of 0600."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text('{"model_type": "clip"}')
        weights = folder / "model.safetensors"
        weights.write_bytes(b"weights")
        weights.chmod(0o600)
        folder.chmod(0o755)
        with somebody_else():
            for find in (find_model, find_sentence_model):
                with pytest.raises(ModelUnavailableError, match=r"safetensors.*chmod -R a\+rX"):
                    find(folder)
        folder.chmod(0o700)
        with somebody_else(), pytest.raises(ModelUnavailableError, match="chmod"):
            find_model(folder)


@contextmanager
def somebody_else() -> Iterator[None]:
    """Whoever runs the tests gives up what he may read, where he may read all."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else for a moment")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
