"""Encoders on the real architecture of CLIP with tiny weights, and the ways to find a model."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlcore.config import RuntimeOptions
from mlcore.encoders import Encoder, load_encoder
from mlcore.encoders.checkpoints import write_checkpoint
from mlcore.encoders.clip import IMAGE_BATCH, TEXT_BATCH, ClipEncoder
from mlcore.errors import CheckpointError, ModelUnavailableError
from tests.encoders import EXACT, IN_TORCH
from tests.mlcore.clip_factory import make_clip

TEXTS = ["a dog", "two cats", "", "ünïcode ☃", "one that is much longer than all of the others"]


def photographs(count: int, size: tuple[int, int] = (50, 40)) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load_encoder(folder, options=EXACT)


def test_rows_are_unit_float32_and_in_order(encoder: Encoder) -> None:
    texts = [f"{'word ' * (number % 5)}{number}" for number in range(TEXT_BATCH + 3)]
    pictures = photographs(IMAGE_BATCH + 3)
    for matrix, alone in (
        (encoder.encode_texts(texts), [encoder.encode_texts([text]) for text in texts]),
        (encoder.encode_images(pictures), [encoder.encode_images([one]) for one in pictures]),
    ):
        assert matrix.dtype == np.float32
        assert matrix.flags.c_contiguous
        assert matrix.shape == (len(alone), encoder.dim)
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(matrix, np.concatenate(alone), atol=1e-5)


def test_nothing_gives_no_rows(encoder: Encoder) -> None:
    assert encoder.encode_texts([]).shape == (0, encoder.dim)
    assert encoder.encode_images([]).shape == (0, encoder.dim)


def test_text_equals_what_transformers_gives_for_padded_text(
    folder: Path, encoder: Encoder
) -> None:
    import torch
    from transformers import AutoTokenizer, CLIPModel

    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(
        TEXTS, padding="max_length", max_length=20, truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        features = CLIPModel.from_pretrained(folder).get_text_features(**inputs).pooler_output
    expected = torch.nn.functional.normalize(features, dim=1).numpy()

    np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected, atol=1e-5)


def test_text_of_a_checkpoint_with_the_old_end_token_is_pooled_alike(
    folder: Path, encoder: Encoder, tmp_path: Path
) -> None:
    old = shutil.copytree(folder, tmp_path / "old")
    config = json.loads((old / "config.json").read_text())
    config["text_config"]["eos_token_id"] = 2  # as published before transformers 4.31
    (old / "config.json").write_text(json.dumps(config))

    again = load_encoder(old, options=EXACT).encode_texts(TEXTS)

    np.testing.assert_allclose(again, encoder.encode_texts(TEXTS), atol=1e-6)


def test_pictures_equal_what_transformers_gives(folder: Path, encoder: Encoder) -> None:
    import torch
    from transformers import CLIPImageProcessorPil, CLIPModel

    pictures = photographs(3, size=(32, 32))  # already the model's square, so no resampling
    inputs = CLIPImageProcessorPil.from_pretrained(folder)(pictures, return_tensors="pt")
    with torch.inference_mode():
        features = CLIPModel.from_pretrained(folder).get_image_features(**inputs).pooler_output
    expected = torch.nn.functional.normalize(features, dim=1).numpy()

    np.testing.assert_allclose(encoder.encode_images(pictures), expected, atol=1e-5)


def test_only_the_centre_square_is_looked_at(encoder: Encoder) -> None:
    # A few pixels more than the square, because its edge is smoothed with what is beside it.
    middle = photographs(1, size=(80, 60))[0]
    framed = [Image.new("RGB", (160, 60), colour) for colour in ("red", "blue")]
    for picture in framed:
        picture.paste(middle, (40, 0))

    one, other = encoder.encode_images(framed)

    np.testing.assert_array_equal(one, other)
    assert (one @ encoder.encode_images([framed[0].crop((0, 0, 60, 60))]).T).item() < 0.999


def test_a_very_thin_picture_costs_no_more(encoder: Encoder) -> None:
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


def test_bfloat16_agrees_with_float32(folder: Path, encoder: Encoder) -> None:
    half = load_encoder(folder, options=RuntimeOptions(precision="bfloat16", library="torch"))

    assert half.fingerprint == encoder.fingerprint
    assert half.runtime == "torch bfloat16 on cpu"
    assert encoder.runtime == "torch float32 on cpu"
    pictures = photographs(5)
    for ours, theirs in (
        (half.encode_texts(TEXTS), encoder.encode_texts(TEXTS)),
        (half.encode_images(pictures), encoder.encode_images(pictures)),
    ):
        assert (ours * theirs).sum(axis=1).min() >= 0.999


def test_long_text_is_cut_and_said_so(encoder: Encoder) -> None:
    # 20 tokens, of which one begins and one ends the text; each letter is a token here.
    fits, longer = "x" * 18, "x" * 19

    assert not encoder.is_truncated(fits)
    assert encoder.is_truncated(longer)
    np.testing.assert_array_equal(encoder.encode_texts([longer]), encoder.encode_texts(["x" * 500]))


def test_many_threads_get_the_answers_of_one(encoder: Encoder) -> None:
    texts = [f"{'x' * (number % 25)} {number}" for number in range(60)]
    pictures = photographs(10)
    alone = [encoder.encode_texts([text]) for text in texts]
    seen = [encoder.encode_images([picture]) for picture in pictures]

    with ThreadPoolExecutor(8) as pool:
        lengths = pool.map(encoder.is_truncated, texts)
        together = pool.map(lambda text: encoder.encode_texts([text]), texts)
        looked = pool.map(lambda picture: encoder.encode_images([picture]), pictures)
        assert list(lengths) == [encoder.is_truncated(text) for text in texts]
        np.testing.assert_allclose(list(together), alone, atol=1e-5)
        np.testing.assert_allclose(list(looked), seen, atol=1e-5)


def test_the_fingerprint_follows_weights_configuration_and_preprocessing(
    folder: Path, encoder: Encoder, tmp_path: Path
) -> None:
    assert load_encoder(str(folder), options=IN_TORCH).fingerprint == encoder.fingerprint
    same = shutil.copytree(folder, tmp_path / "same")
    assert load_encoder(same, options=IN_TORCH).fingerprint == encoder.fingerprint

    other_weights = make_clip(tmp_path / "weights", seed=1)
    other_mean = shutil.copytree(folder, tmp_path / "mean")
    preprocessing = json.loads((other_mean / "preprocessor_config.json").read_text())
    preprocessing["image_mean"] = [0.5, 0.5, 0.5]
    (other_mean / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    other_config = shutil.copytree(folder, tmp_path / "config")
    config = json.loads((other_config / "config.json").read_text())
    config["vision_config"]["layer_norm_eps"] = 1e-3
    (other_config / "config.json").write_text(json.dumps(config))

    prints = {
        load_encoder(one, options=IN_TORCH).fingerprint
        for one in (other_weights, other_mean, other_config)
    }
    assert len(prints | {encoder.fingerprint}) == 4


def test_a_damaged_checkpoint_is_refused(folder: Path, tmp_path: Path) -> None:
    def write(place: Path) -> None:
        shutil.copytree(folder, place, dirs_exist_ok=True)

    stored = write_checkpoint(tmp_path / "stored", kind="clip", write=write).directory
    assert load_encoder(stored, options=IN_TORCH).dim == 24

    weights = stored / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)

    with pytest.raises(CheckpointError, match="damaged"):
        load_encoder(stored, options=IN_TORCH)


def test_weights_that_give_no_numbers_are_named_and_give_no_vectors(
    folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(folder, tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    tensors["visual_projection.weight"][0, 0] = float("nan")
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ModelUnavailableError, match="not finite"):
        load_encoder(broken, options=IN_TORCH).encode_images(photographs(1))


def _remove(name: str, folder: Path) -> None:
    (folder / name).unlink()


def _rewrite(name: str, text: str, folder: Path) -> None:
    (folder / name).write_text(text)


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def _drop_a_weight(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["text_projection.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _pickle_instead(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    # Whoever opened it would wait for ever, and the test with it.
    os.mkfifo(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (partial(_remove, "config.json"), "no config.json"),
        (partial(_rewrite, "config.json", "{"), "cannot be read as JSON"),
        (partial(_rewrite, "config.json", '{"model_type": "bert"}'), "of the type 'bert'"),
        (partial(_remove, "model.safetensors"), "convert them to safetensors"),
        (_pickle_instead, "convert them to safetensors"),
        (_truncate, "get the whole checkpoint again"),
        (_drop_a_weight, "lacks 1 of the weights"),
        (partial(_remove, "tokenizer.json"), "get the whole checkpoint again"),
    ],
)
def test_a_folder_that_is_no_whole_clip_is_refused_in_a_sentence(
    folder: Path, tmp_path: Path, harm: Callable[[Path], None], words: str
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    harm(copy)

    with pytest.raises(ModelUnavailableError, match=words) as caught:
        load_encoder(copy, options=IN_TORCH)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)


@pytest.mark.parametrize(
    "reference",
    ["/no/such/folder", "./nowhere", Path("owner/name"), "just-a-word", "a/b/c", "", "../x/y"],
)
def test_a_reference_to_nothing_is_refused_without_the_network(reference: str | Path) -> None:
    with pytest.raises(ModelUnavailableError):
        load_encoder(reference, options=IN_TORCH)


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "cuda:x", "mps:1", ""])
def test_a_device_that_is_not_there_is_refused(folder: Path, device: str) -> None:
    with pytest.raises(ModelUnavailableError, match="not present"):
        load_encoder(folder, options=RuntimeOptions(device=device, library="torch"))


@pytest.mark.timeout(120)
def test_vit_b_32_at_its_true_size(tmp_path: Path) -> None:
    big = make_clip(
        tmp_path / "vit-b-32",
        dim=512,
        text={
            "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12,
            "num_attention_heads": 8, "max_position_embeddings": 77,
        },
        vision={
            "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
            "num_attention_heads": 12, "image_size": 224, "patch_size": 32,
        },
    )  # fmt: skip

    encoder = load_encoder(big, options=IN_TORCH)

    assert (encoder.dim, encoder.image_size) == (512, 224)
    assert encoder.encode_texts(["a photograph of two dogs"]).shape == (1, 512)
    assert encoder.encode_images(photographs(2, size=(640, 480))).shape == (2, 512)
    assert not encoder.is_truncated("x" * 75)
    assert encoder.is_truncated("x" * 76)


# --- The hub. A small server stands in for it; everything on this side of the wire is real. ---


class Hub:
    """Serves folders as the revisions of one repository, the way the hub does."""

    def __init__(self, revisions: dict[str, Path]) -> None:
        self.revisions = revisions
        self.proposals: list[dict[str, Any]] = []
        self.requested: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.requested.append(self.path)
                hub.answer(self)

            do_HEAD = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def commit(self, revision: str) -> str:
        """A commit's name for a branch; a commit stands for itself."""
        known = {f"{number + 1:040x}": name for number, name in enumerate(self.revisions)}
        if revision in known:
            return revision
        return next((commit for commit, name in known.items() if name == revision), "")

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        from urllib.parse import unquote, urlsplit

        parts = [unquote(part) for part in urlsplit(request.path).path.strip("/").split("/")]
        if parts[:2] == ["api", "models"] and parts[2:4] == ["team", "clip"]:
            if parts[4:5] == ["discussions"]:
                self._json(request, {
                    "discussions": self.proposals, "count": len(self.proposals), "start": 0,
                })  # fmt: skip
                return
            commit = self.commit(parts[5] if parts[4:5] == ["revision"] else "main")
            if commit:
                files = [{"rfilename": path.name} for path in self._folder(commit).iterdir()]
                if parts[4:5] == ["tree"]:
                    commit = self.commit(parts[5])
                    tree = [
                        {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": "0"}
                        for path in self._folder(commit).iterdir()
                    ]
                    self._json(request, tree)
                    return
                self._json(request, {
                    "id": "team/clip", "modelId": "team/clip", "sha": commit, "siblings": files,
                    "private": False, "tags": [], "downloads": 0,
                })  # fmt: skip
                return
        if parts[:3] == ["team", "clip", "resolve"] and self.commit(parts[3]):
            commit = self.commit(parts[3])
            path = self._folder(commit) / parts[4]
            if path.is_file():
                data = path.read_bytes()
                self._send(request, 200, data, {
                    "X-Repo-Commit": commit, "ETag": f'"{commit[-3:]}-{path.name}"',
                })  # fmt: skip
                return
        self._send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _folder(self, commit: str) -> Path:
        return list(self.revisions.values())[int(commit, 16) - 1]

    def _json(self, request: BaseHTTPRequestHandler, value: object) -> None:
        self._send(request, 200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, data: bytes, headers: dict[str, str]
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(data)


@pytest.fixture
def hub(folder: Path) -> Iterator[Hub]:
    served = Hub({"main": folder})
    yield served
    served.server.shutdown()
    served.server.server_close()


def load_elsewhere(reference: str, cache: Path, **environment: str) -> str:
    """Load a model in a process of its own; return its fingerprint, or "refused: " and why."""
    script = (
        "import sys\n"
        "from mlcore.encoders import RuntimeOptions, load_encoder\n"
        "from mlcore.errors import ModelUnavailableError\n"
        "try:\n"
        "    options = RuntimeOptions(library='torch')\n"
        "    print(load_encoder(sys.argv[1], options=options).fingerprint)\n"
        "except ModelUnavailableError as error:\n"
        "    print('refused:', error)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, reference],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", **environment},
    )
    return finished.stdout.strip()


def test_a_hub_model_is_downloaded_once_and_then_needs_no_network(
    hub: Hub, encoder: Encoder, tmp_path: Path
) -> None:
    first = load_elsewhere("team/clip", tmp_path, HF_ENDPOINT=hub.address)
    assert first == encoder.fingerprint

    hub.requested.clear()
    assert load_elsewhere("team/clip", tmp_path, HF_ENDPOINT=hub.address) == first
    assert hub.requested == []
    assert load_elsewhere("team/clip", tmp_path, HF_HUB_OFFLINE="1") == first


def test_the_hubs_own_safetensors_are_taken_where_the_main_branch_has_a_pickle(
    hub: Hub, folder: Path, encoder: Encoder, tmp_path: Path
) -> None:
    pickled = shutil.copytree(folder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    hub.revisions = {"main": pickled, "refs/pr/4": pickled, "refs/pr/7": folder}
    common = {
        "status": "open", "isPullRequest": True, "createdAt": "2023-01-01T00:00:00.000Z",
        "repo": {"name": "team/clip", "type": "model"},
        "title": "Adding `safetensors` variant of this model",
    }  # fmt: skip
    hub.proposals = [
        {**common, "num": 4, "author": {"name": "somebody-else"}},
        {**common, "num": 7, "author": {"name": "SFconvertbot"}},
    ]

    first = load_elsewhere("team/clip", tmp_path / "cache", HF_ENDPOINT=hub.address)

    assert first == encoder.fingerprint
    assert not [path for path in hub.requested if "pytorch_model.bin" in path]
    again = load_elsewhere("team/clip", tmp_path / "cache", HF_HUB_OFFLINE="1")
    assert again == first


def test_a_hub_model_with_only_a_pickle_is_refused(hub: Hub, folder: Path, tmp_path: Path) -> None:
    pickled = shutil.copytree(folder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    hub.revisions = {"main": pickled}

    answer = load_elsewhere("team/clip", tmp_path / "cache", HF_ENDPOINT=hub.address)

    assert answer.startswith("refused: team/clip has no weights in the safetensors format")
    assert not [path for path in hub.requested if "pytorch_model.bin" in path]


def test_a_name_the_hub_does_not_know_is_refused(hub: Hub, tmp_path: Path) -> None:
    answer = load_elsewhere("team/clop", tmp_path, HF_ENDPOINT=hub.address)

    assert answer.startswith("refused: The hub has no model 'team/clop'")


def test_without_a_network_the_refusal_is_quick(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        started = time.monotonic()
        answer = load_elsewhere("team/clip", tmp_path, HF_ENDPOINT=nobody)

    assert answer.startswith("refused: The model team/clip is not in the local cache")
    assert "Traceback" not in answer
    # Nearly all of it is Python starting on a machine that is busy with other tests.
    assert time.monotonic() - started < 30


def test_offline_mode_is_respected(hub: Hub, tmp_path: Path) -> None:
    answer = load_elsewhere("team/clip", tmp_path, HF_ENDPOINT=hub.address, HF_HUB_OFFLINE="1")

    assert answer.startswith("refused: The model team/clip is not in the local cache")
    assert hub.requested == []


def test_the_class_is_the_one_that_was_meant(encoder: Encoder) -> None:
    assert isinstance(encoder, ClipEncoder)
