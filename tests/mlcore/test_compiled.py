"""Networks compiled by OpenVINO: same numbers as torch, kept once, damaged ones made again."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import mlcore.encoders.openvino.compiled
from mlcore.encoders.openvino.compiled import (
    CompiledNetwork,
    Traceable,
    keep_networks,
    load_networks,
)
from mlcore.encoders.runtime import multiplies_bytes


def network() -> Traceable:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))
    return Traceable(module, {"x": torch.zeros(2, 8)}, {"x": (0,)})


Matrix = NDArray[np.float32]


def inputs(count: int, seed: int = 1) -> Matrix:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


def truth(
    x: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with torch.inference_mode():
        return np.asarray(network().module(torch.from_numpy(x)).numpy())


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    keep_networks(tmp_path / "kept", {"head": network()}, {"dim": 4})
    return tmp_path / "kept"


def load(folder: Path) -> CompiledNetwork:
    loaded = load_networks(folder, floats="float32")
    assert loaded is not None
    networks, about = loaded
    assert about == {"dim": 4}
    return networks["head"]


def test_gives_the_numbers_of_torch_for_any_batch(kept: Path) -> None:
    head = load(kept)
    for count in (1, 2, 7):
        # Weights are kept in float16.
        assert np.allclose(head(inputs(count))[0], truth(inputs(count)), atol=2e-3)


def test_what_is_exact_is_neither_kept_nor_computed_in_fewer_bits(tmp_path: Path) -> None:
    exact = replace(network(), exact=True)
    keep_networks(tmp_path / "kept", {"exact": exact, "other": network()}, {})
    loaded = load_networks(tmp_path / "kept", floats="bfloat16")
    assert loaded is not None
    found = {name: each(inputs(9))[0] for name, each in loaded[0].items()}
    assert np.allclose(found["exact"], truth(inputs(9)), atol=2e-6)
    assert not np.allclose(found["other"], truth(inputs(9)), atol=2e-6)


def test_threads_do_not_mix_their_answers(kept: Path) -> None:
    head = load(kept)
    asked = [inputs(3, seed) for seed in range(200)]
    alone = [head(x)[0] for x in asked]
    with ThreadPoolExecutor(8) as pool:
        together = [found[0] for found in pool.map(head, asked)]
    assert all(map(np.array_equal, alone, together))


def test_loading_needs_no_torch(kept: Path) -> None:
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from mlcore.encoders.openvino.compiled import load_networks\n"
        "networks, about = load_networks(Path(sys.argv[1]), floats='float32')\n"
        "assert networks['head'](np.zeros((1, 8), np.float32))[0].shape == (1, 4)\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(kept)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("file", ["head.xml", "head.bin"])
def test_a_damaged_file_is_not_used(kept: Path, file: str) -> None:
    data = bytearray((kept / file).read_bytes())
    data[len(data) // 2] ^= 1
    (kept / file).write_bytes(data)
    assert load_networks(kept, floats="float32") is None
    (kept / file).unlink()
    assert load_networks(kept, floats="float32") is None


def test_another_format_is_not_used_and_is_replaced(kept: Path) -> None:
    about = json.loads((kept / "about.json").read_text())
    (kept / "about.json").write_text(json.dumps({**about, "format": 999}))
    assert load_networks(kept, floats="float32") is None
    keep_networks(kept, {"head": network()}, {"dim": 4})
    assert load(kept)(inputs(1))[0].shape == (1, 4)
    assert [path.name for path in kept.parent.iterdir()] == ["kept"]


def test_what_another_process_kept_meanwhile_stays(kept: Path) -> None:
    before = (kept / "head.bin").stat().st_ino
    keep_networks(kept, {"head": network()}, {"dim": 4})
    assert (kept / "head.bin").stat().st_ino == before
    assert [path.name for path in kept.parent.iterdir()] == ["kept"]


@pytest.mark.skipif(not multiplies_bytes(), reason="this processor has no instructions for int8")
class TestEightBits:
    @staticmethod
    def kept(folder: Path) -> tuple[Matrix, Matrix, bool]:
        """Its answers with 8-bit weights and the right ones, and whether it has such weights."""
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(256, 512), nn.GELU(), nn.Linear(512, 128))
        probe = torch.randn(64, 256)
        network = Traceable(module, {"x": torch.zeros(2, 256)}, {"x": (0,)}, probe=(probe,))
        keep_networks(folder, {"head": network}, {})
        loaded = load_networks(folder, floats="float32", eight_bits=True)
        assert loaded is not None
        head = loaded[0]["head"]
        x = torch.randn(32, 256)
        with torch.inference_mode():
            return head(x.numpy())[0], module(x).numpy(), head.in_eight_bits

    def test_vectors_stay_what_they_were(self, tmp_path: Path) -> None:
        found, right, in_eight_bits = self.kept(tmp_path / "kept")
        assert in_eight_bits
        assert cosines(found, right).min() > 0.999
        assert not np.allclose(found, right, rtol=1e-4)  # it does compute in 8 bits
        assert (tmp_path / "kept" / "head-8bit.bin").stat().st_size < 0.6 * (
            tmp_path / "kept" / "head.bin"
        ).stat().st_size

    def test_they_are_left_where_vectors_would_turn(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mlcore.encoders.openvino.compiled, "LEAST_COSINE", 0.9999999)
        caplog.set_level("INFO")
        found, right, in_eight_bits = self.kept(tmp_path / "kept")
        assert not in_eight_bits
        assert "8-bit weights would turn vectors" in caplog.text
        assert np.allclose(found, right, atol=2e-3)


def cosines(a: Matrix, b: Matrix) -> Matrix:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / lengths)


def test_nothing_there_is_no_network(tmp_path: Path) -> None:
    assert load_networks(tmp_path / "nowhere", floats="float32") is None
