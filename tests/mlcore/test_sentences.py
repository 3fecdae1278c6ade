"""Encoders of sentences alone, against what their folders say of them."""

import importlib.util
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlcore.config import FloatMatrix, RuntimeOptions
from mlcore.encoders import load_encoder
from mlcore.encoders.sentences import (
    MINILM,
    compile_sentence_encoder,
    forget_sentence_encoders,
    load_sentence_encoder,
    sentence_fingerprint,
    shared_sentence_encoder,
)
from mlcore.errors import ModelUnavailableError
from tests.encoders import EXACT
from tests.mlcore.clip_factory import make_clip
from tests.mlcore.sentence_factory import change, make_sentences, write

TEXTS = ["a dog", "two dogs on a beach at dusk", "A DOG", "x " * 200, "a dog", "?"]
POOLINGS = ("mean_tokens", "cls_token", "lasttoken")

compiled = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed."
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sentences(tmp_path_factory.mktemp("sentences") / "model")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """One that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "model"))


def vectors(folder: Path) -> FloatMatrix:
    return load_sentence_encoder(folder, options=EXACT).encode_texts(TEXTS)


def token_states(folder: Path, text: str) -> Any:
    """What the transformer makes of each token, (tokens, 32), as transformers alone reads it."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(text, truncation=True, max_length=40, return_tensors="pt")
    with torch.inference_mode():
        return AutoModel.from_pretrained(folder)(**inputs).last_hidden_state[0].numpy()


def pooled(states: Any, pooling: str) -> Any:
    return {
        "mean_tokens": states.mean(0),
        "cls_token": states[0],
        "lasttoken": states[-1],
    }[pooling]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_vector_is_made_of_the_tokens_that_the_folder_says(folder: Path, pooling: str) -> None:
    names = {f"pooling_mode_{name}": name == pooling for name in POOLINGS}
    change(folder / "1_Pooling" / "config.json", **names)
    got = vectors(folder)
    assert got.dtype == np.float32
    assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    for text, row in zip(TEXTS, got, strict=True):
        true = pooled(token_states(folder, text), pooling)
        assert row @ true / np.linalg.norm(true) > 0.99999


@compiled
@pytest.mark.parametrize("pooling", POOLINGS)
def test_compiled_it_gives_the_same_vectors(folder: Path, pooling: str) -> None:
    names = {f"pooling_mode_{name}": name == pooling for name in POOLINGS}
    change(folder / "1_Pooling" / "config.json", **names)
    compile_sentence_encoder(folder)
    options = RuntimeOptions(library="openvino", precision="float32")
    ours = load_sentence_encoder(folder, options=options)
    assert ours.runtime == "OpenVINO float32 on cpu"
    theirs = load_sentence_encoder(folder, options=EXACT)
    assert (ours.fingerprint, ours.dim) == (theirs.fingerprint, theirs.dim)
    assert (ours.encode_texts(TEXTS) * theirs.encode_texts(TEXTS)).sum(1).min() > 0.9999
    assert ours.encode_texts([]).shape == (0, 32)


@compiled
def test_opening_what_is_compiled_needs_neither_torch_nor_transformers(folder: Path) -> None:
    compile_sentence_encoder(folder)
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from mlcore.encoders.sentences import load_sentence_encoder as load;"
            f"load({str(folder)!r}).encode_texts(['a dog']);"
            "print([name for name in ('torch', 'transformers') if name in sys.modules])",
        ],
        env={"PATH": "", "CONTEXTVISION_RUNTIME": "openvino"},
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert said.stdout == "[]\n"


def test_longer_sentences_are_cut_and_said_to_be(folder: Path) -> None:
    encoder = load_sentence_encoder(folder, options=EXACT)
    assert [encoder.is_truncated(text) for text in ("a dog", "x" * 38, "x" * 39)] == [
        False,
        False,
        True,
    ]
    change(folder / "sentence_bert_config.json", max_seq_length=None)  # the tokenizer's: 64
    assert not load_sentence_encoder(folder, options=EXACT).is_truncated("x" * 62)


def test_lower_case_where_the_folder_asks_for_it(folder: Path) -> None:
    before = vectors(folder)
    assert before[0] @ before[2] < 0.99
    change(folder / "sentence_bert_config.json", do_lower_case=True)
    after = vectors(folder)
    assert after[0] @ after[2] == pytest.approx(1)


def test_prompts_stand_before_what_is_asked_and_what_is_kept(folder: Path) -> None:
    plain = load_sentence_encoder(folder, options=EXACT)
    change(
        folder / "config_sentence_transformers.json",
        prompts={"query": "ask: ", "passage": "kept: "},
    )
    prompted = load_sentence_encoder(folder, options=EXACT)
    assert np.allclose(prompted.encode_queries(["a dog"]), plain.encode_texts(["ask: a dog"]))
    assert np.allclose(prompted.encode_texts(["a dog"]), plain.encode_texts(["kept: a dog"]))
    assert prompted.fingerprint != plain.fingerprint


def test_the_fingerprint_follows_weights_and_settings(folder: Path, tmp_path: Path) -> None:
    first = load_sentence_encoder(folder, options=EXACT).fingerprint
    assert sentence_fingerprint(str(folder)) == first
    other = make_sentences(tmp_path / "other", seed=1)
    assert load_sentence_encoder(other, options=EXACT).fingerprint != first
    change(folder / "sentence_bert_config.json", max_seq_length=20)
    assert load_sentence_encoder(folder, options=EXACT).fingerprint != first


def test_two_models_loaded_at_once_have_numbers_of_one_type_each(
    made: Path, tmp_path: Path
) -> None:
    """transformers changes a default of the whole process while it loads."""
    clip = make_clip(tmp_path / "clip")
    options = {
        precision: RuntimeOptions(device="cpu", library="torch", precision=precision)
        for precision in ("float32", "bfloat16")
    }
    with ThreadPoolExecutor(2) as threads:
        for _ in range(8):
            sentences = threads.submit(load_sentence_encoder, made, options=options["float32"])
            pictures = threads.submit(load_encoder, clip, options=options["bfloat16"])
            assert sentences.result().encode_texts(["a dog"]).shape == (1, 32)
            assert pictures.result().encode_texts(["a dog"]).shape == (1, 24)


def test_one_copy_in_a_process(made: Path) -> None:
    first = shared_sentence_encoder(str(made), options=EXACT)
    assert shared_sentence_encoder(str(made), options=EXACT) is first
    forget_sentence_encoders()
    assert shared_sentence_encoder(str(made), options=EXACT) is not first


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        (
            "1_Pooling/config.json",
            {"pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True},
            "max_tokens",
        ),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}, "cls_token, mean_tokens"),
        ("config_sentence_transformers.json", {"similarity_fn_name": "euclidean"}, "euclidean"),
        ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}, "SparseEncoder"),
        ("config.json", {"is_encoder_decoder": True}, "is_encoder_decoder"),
        ("sentence_bert_config.json", {"module_output_name": "pooled"}, "module_output_name"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(
    folder: Path, file: str, changes: dict[str, Any], said: str
) -> None:
    change(folder / file, **changes)
    with pytest.raises(ModelUnavailableError, match=rf"its {file} says .*{said}"):
        load_sentence_encoder(folder, options=EXACT)


def test_further_modules_are_refused_by_name(folder: Path) -> None:
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"))
    write(folder / "modules.json", [{"path": path, "type": f"x.{kind}"} for path, kind in kinds])
    with pytest.raises(ModelUnavailableError, match=r"modules.json says .*Dense"):
        load_sentence_encoder(folder, options=EXACT)


def test_what_is_no_such_model_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="There is no model of sentences 'minimal'"):
        load_sentence_encoder("minimal", options=EXACT)
    with pytest.raises(ModelUnavailableError, match=r"has no modules\.json"):
        load_sentence_encoder(tmp_path, options=EXACT)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailableError, match="no weights in the safetensors format"):
        load_sentence_encoder(folder, options=EXACT)
    (folder / "modules.json").write_text("[", encoding="utf-8")
    with pytest.raises(ModelUnavailableError, match=r"modules\.json"):
        load_sentence_encoder(folder, options=EXACT)


def test_minilm_knows_what_means_the_same() -> None:
    encoder = load_sentence_encoder(MINILM, options=EXACT)
    asked = encoder.encode_queries(["a hound runs by the sea"])
    kept = encoder.encode_texts(["a dog is running on the beach", "two men cook in a kitchen"])
    near, far = (asked @ kept.T)[0]
    assert encoder.dim == 384
    assert near > 0.5 > 0.3 > far
