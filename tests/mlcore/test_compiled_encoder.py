"""Encoders compiled by OpenVINO against their torch originals in float32."""

import importlib.util
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlcore.__main__ import main
from mlcore.commands.common import runtime_options
from mlcore.config import FloatMatrix, RuntimeOptions
from mlcore.encoders import Encoder, SharedTextTower, compile_model, load_encoder
from mlcore.encoders.batches import by_length
from mlcore.encoders.openvino.encoder import CompiledEncoder
from mlcore.encoders.runtime import choose_library, multiplies_bytes, processor_precision
from mlcore.errors import ModelUnavailableError
from tests.encoders import EXACT
from tests.mlcore.clip_factory import make_clip

TEXTS = [
    "a dog", "two dogs on a beach at dusk", "", "x " * 200, "é ü 漢字 🐕", "a dog",
    "a <|endoftext|> b",
]  # fmt: skip


def pictures(count: int) -> list[Image.Image]:
    """Pictures with something in them: noise at several scales, of several sizes."""
    generator = np.random.default_rng(0)
    made = []
    for number in range(count):
        grain = generator.integers(0, 255, (4 + number, 5, 3), dtype=np.uint8)
        made.append(
            Image.fromarray(grain).resize((300 + 7 * number, 280), Image.Resampling.BICUBIC)
        )
    return made


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "model")


@pytest.fixture(scope="module")
def pair(clip: Path) -> tuple[Encoder, Encoder]:
    compile_model(clip)  # here, where torch is loaded, in less time than in a process of its own
    ours = load_encoder(clip, options=RuntimeOptions(precision="float32", library="openvino"))
    return ours, load_encoder(
        clip, options=RuntimeOptions(precision="float32", library="torch", device="cpu")
    )


class TestClip:
    def test_says_what_runs_it(self, pair: tuple[Encoder, Encoder]) -> None:
        ours, _ = pair
        assert isinstance(ours, CompiledEncoder)
        assert ours.runtime == "OpenVINO float32 on cpu"
        assert ours.unknown_share("🐕") == 0, "it spells everything in bytes"

    def test_is_the_same_model(self, pair: tuple[Encoder, Encoder]) -> None:
        ours, torch = pair
        for name in ("name", "dim", "image_size", "fingerprint", "image_fingerprint"):
            assert getattr(ours, name) == getattr(torch, name), name

    def test_gives_the_same_vectors(self, pair: tuple[Encoder, Encoder]) -> None:
        ours, torch = pair
        shown = pictures(19)
        # Weights are kept in float16.
        for mine, theirs in (
            (ours.encode_texts(TEXTS), torch.encode_texts(TEXTS)),
            (ours.encode_images(shown), torch.encode_images(shown)),
        ):
            assert mine.dtype == np.float32
            assert np.allclose(np.linalg.norm(mine, axis=1), 1.0, atol=1e-5)
            assert (mine * theirs).sum(1).min() > 0.9999

    def test_company_in_a_batch_changes_nothing(self, pair: tuple[Encoder, Encoder]) -> None:
        ours, _ = pair
        texts = [*TEXTS, *(f"{'very ' * (number % 4)}small {number}" for number in range(60))]
        together = ours.encode_texts(texts)
        alone = np.concatenate([ours.encode_texts([text]) for text in texts])
        assert (together * alone).sum(1).min() > 0.99999

    def test_a_configuration_that_names_another_end_changes_nothing(self, tmp_path: Path) -> None:
        early = make_clip(tmp_path / "early", text={"eos_token_id": 2})
        compile_model(early)
        ours = load_encoder(
            early, options=RuntimeOptions(precision="float32", library="openvino")
        ).encode_texts(TEXTS)
        torch = load_encoder(early, options=EXACT).encode_texts(TEXTS)
        assert (ours * torch).sum(1).min() > 0.9999

    def test_nothing_is_no_vector(self, pair: tuple[Encoder, Encoder]) -> None:
        ours, _ = pair
        assert ours.encode_texts([]).shape == (0, ours.dim)
        assert ours.encode_images([]).shape == (0, ours.dim)

    def test_knows_what_is_cut(self, pair: tuple[Encoder, Encoder]) -> None:
        for encoder in pair:
            assert [encoder.is_truncated(text) for text in TEXTS] == [
                False, True, False, True, False, False, False,
            ]  # fmt: skip


class TestKeeping:
    def test_a_second_load_needs_no_torch(self, pair: tuple[Encoder, Encoder], clip: Path) -> None:
        program = (
            "import sys; from mlcore.encoders import *\n"
            "options = RuntimeOptions(library='openvino', precision='float32')\n"
            "encoder = load_encoder(sys.argv[1], options=options)\n"
            "print(encoder.encode_texts(['a dog']).shape[1])\n"
            "print({'torch', 'transformers'} & set(sys.modules) or 'light')"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(clip)], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["24", "light"]

    def test_it_can_be_done_ahead(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = make_clip(tmp_path / "new", seed=7)
        assert main(["compile", str(folder)]) == 0
        assert str(folder) in capsys.readouterr().out
        [kept] = (folder / ".compiled").iterdir()
        before = (kept / "text.bin").stat()
        load_encoder(folder, options=RuntimeOptions(library="openvino"))
        assert (kept / "text.bin").stat() == before

    def test_a_model_that_cannot_be_compiled_says_why(self, tmp_path: Path) -> None:
        folder = make_clip(tmp_path / "new", seed=8)
        (folder / "tokenizer.json").write_text("{}")
        with pytest.raises(ModelUnavailableError, match=r"cannot be compiled: .*tokenizer"):
            load_encoder(folder, options=RuntimeOptions(library="openvino"))

    def test_a_folder_that_cannot_be_written_to_is_left_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = make_clip(tmp_path / "model", seed=5)
        (folder / ".compiled").write_text("in the way, for root too")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        before = sorted(folder.iterdir())
        compile_model(folder)
        encoder = load_encoder(folder, options=RuntimeOptions(library="openvino"))
        assert encoder.encode_texts(["a dog"]).shape == (1, 24)
        assert sorted(folder.iterdir()) == before
        assert list((tmp_path / "cache" / "contextvision").iterdir())

    def test_other_weights_are_compiled_anew(
        self, tmp_path: Path, clip: Path, pair: tuple[Encoder, Encoder]
    ) -> None:
        first, _ = pair
        other = make_clip(tmp_path / "b", seed=2)
        shutil.copytree(clip / ".compiled", other / ".compiled")
        program = (
            "import sys; from mlcore.encoders import *\n"
            "load_encoder(sys.argv[1], options=RuntimeOptions(library='openvino'))\n"
            "print({'torch', 'transformers'} & set(sys.modules) or 'light')"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(other)], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["light"]  # also the first time
        second = load_encoder(other, options=RuntimeOptions(library="openvino"))
        assert second.fingerprint != first.fingerprint
        cosine = (first.encode_texts(["a dog"]) * second.encode_texts(["a dog"])).sum()
        assert abs(cosine) < 0.99


def test_the_starter_keeps_its_vectors() -> None:
    compile_model("starter")
    ours = load_encoder("starter", options=RuntimeOptions(library="openvino", precision="float32"))
    torch = load_encoder(
        "starter", options=RuntimeOptions(library="torch", precision="float32", device="cpu")
    )
    assert ours.fingerprint == torch.fingerprint
    assert ours.languages == torch.languages == ("en",)
    for text in ("two dogs", "dog 🐕", "🐕", ""):
        assert ours.unknown_share(text) == torch.unknown_share(text)
    assert ours.unknown_share("dog 🐕") == 0.5
    shown = pictures(6)
    assert (ours.encode_images(shown) * torch.encode_images(shown)).sum(1).min() > 0.9995
    assert (ours.encode_texts(TEXTS) * torch.encode_texts(TEXTS)).sum(1).min() > 0.9999


def test_the_starter_reads_a_text_once_for_pictures_and_captions() -> None:
    compile_model("starter")
    ours = load_encoder("starter", options=RuntimeOptions(precision="float32", library="openvino"))
    assert isinstance(ours, SharedTextTower)
    original = load_encoder("starter", options=EXACT)
    assert isinstance(original, SharedTextTower)
    assert ours.sentence_fingerprint == original.sentence_fingerprint
    both, exact = ours.encode_jointly(TEXTS), original.encode_jointly(TEXTS)
    assert np.allclose(both.texts, ours.encode_texts(TEXTS), atol=1e-6)
    for mine, theirs in zip(both, exact, strict=True):
        assert (mine * theirs).sum(1).min() > 0.9999


class TestChoice:
    def test_a_processor_runs_openvino(self) -> None:
        assert choose_library(RuntimeOptions(device="cpu")) == "openvino"
        assert choose_library(RuntimeOptions(device="cuda")) == "torch"

    def test_a_machine_without_openvino_runs_torch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert choose_library(RuntimeOptions(device="cpu")) == "torch"
        with pytest.raises(ModelUnavailableError, match="not installed"):
            choose_library(RuntimeOptions(device="cpu", library="openvino"))

    def test_a_person_may_fix_it(self) -> None:
        assert choose_library(RuntimeOptions(device="cpu", library="torch")) == "torch"
        with pytest.raises(ModelUnavailableError, match="does not run on 'cuda'"):
            choose_library(RuntimeOptions(device="cuda", library="openvino"))

    def test_the_processor_is_judged_as_torch_judges_it(self) -> None:
        import torch

        capable = torch.cpu.get_capabilities()
        named = any(capable.get(name) for name in ("avx512_bf16", "amx_bf16", "arm_bf16"))
        assert processor_precision() == ("bfloat16" if named else "float32")

    def test_a_precision_may_be_fixed(self, clip: Path, pair: tuple[Encoder, Encoder]) -> None:
        in_openvino = RuntimeOptions(library="openvino", precision="float32")
        assert load_encoder(clip, options=in_openvino).runtime == "OpenVINO float32 on cpu"
        assert load_encoder(clip, options=EXACT).runtime == "torch float32 on cpu"
        with pytest.raises(ModelUnavailableError, match="int8 needs OpenVINO"):
            load_encoder(clip, options=RuntimeOptions(library="torch", precision="int8"))

    def test_a_command_reads_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONTEXTVISION_RUNTIME", "torch")
        monkeypatch.setenv("CONTEXTVISION_PRECISION", "float32")
        monkeypatch.setenv("CONTEXTVISION_DEVICE", "cpu")
        nothing = Namespace(device=None, runtime=None, precision=None)
        assert runtime_options(nothing) == EXACT
        said = Namespace(device="cuda", runtime="openvino", precision="int8")
        assert runtime_options(said) == RuntimeOptions("cuda", "openvino", "int8")
        monkeypatch.setenv("CONTEXTVISION_RUNTIME", "tensorrt")
        with pytest.raises(ModelUnavailableError, match="auto, openvino, torch"):
            runtime_options(nothing)
        monkeypatch.setenv("CONTEXTVISION_RUNTIME", "")
        monkeypatch.setenv("CONTEXTVISION_PRECISION", "int4")
        with pytest.raises(ModelUnavailableError, match="auto, float32, bfloat16, int8"):
            runtime_options(nothing)

    @pytest.mark.skipif(multiplies_bytes(), reason="this processor has instructions for int8")
    def test_no_int8_without_instructions_for_it(
        self, clip: Path, pair: tuple[Encoder, Encoder]
    ) -> None:
        with pytest.raises(ModelUnavailableError, match="no instructions for int8"):
            load_encoder(clip, options=RuntimeOptions(library="openvino", precision="int8"))


@pytest.mark.skipif(not multiplies_bytes(), reason="this processor has no instructions for int8")
def test_pictures_are_encoded_in_eight_bits_and_words_are_not(tmp_path: Path) -> None:
    folder = make_clip(tmp_path / "wide", dim=64, vision={"hidden_size": 128}, spread=0.08)
    compile_model(folder)
    ours = load_encoder(folder, options=RuntimeOptions(library="openvino"))
    assert ours.runtime == f"OpenVINO int8 and {processor_precision()} on cpu"
    exact = load_encoder(folder, options=RuntimeOptions(library="openvino", precision="float32"))
    assert exact.runtime == "OpenVINO float32 on cpu"
    plain = load_encoder(
        folder, options=RuntimeOptions(library="openvino", precision=processor_precision())
    )
    shown = pictures(9)
    seen = (ours.encode_images(shown) * exact.encode_images(shown)).sum(1)
    assert 0.999 < seen.min() < 0.999999
    assert np.array_equal(ours.encode_texts(TEXTS), plain.encode_texts(TEXTS))


def test_texts_of_like_length_share_a_batch() -> None:
    batches: list[list[int]] = []

    def encode(rows: Sequence[list[int]]) -> FloatMatrix:
        batches.append([len(row) for row in rows])
        return np.array([[len(row), 1] for row in rows], dtype=np.float32)

    lengths = [30, 9, 10, 10, 31, 9, 77, 10, 10, 10]
    found = by_length([[0] * length for length in lengths], 4, 2, encode)
    assert np.allclose(found[:, 0] / found[:, 1], lengths)  # in the order they came in
    assert batches == [[9, 9, 10, 10], [10, 10, 10], [30, 31], [77]]
