import json
import os
from pathlib import Path

import pytest
import torch

from mlcore.encoders.checkpoints import (
    Checkpoint,
    is_checkpoint,
    save_checkpoint,
    verify_checkpoint,
    write_checkpoint,
)
from mlcore.errors import CheckpointError

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1.5], dtype=torch.float16)}


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    return save_checkpoint(tmp_path / "one", kind="heads", tensors=TENSORS, config={"dim": 3})


def test_what_was_saved_comes_back(saved: Checkpoint) -> None:
    again = verify_checkpoint(saved.directory)

    assert again == saved
    assert again.kind == "heads"
    assert again.config() == {"dim": 3}
    tensors = again.tensors()
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert again.weights_sha256 == again.files["model.safetensors"]
    assert is_checkpoint(saved.directory)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_every_flipped_byte_is_noticed(saved: Checkpoint, name: str) -> None:
    path = saved.directory / name
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            verify_checkpoint(saved.directory)
    path.write_bytes(whole)
    verify_checkpoint(saved.directory)


def test_a_shortened_file_is_noticed(saved: Checkpoint) -> None:
    path = saved.directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(CheckpointError, match="damaged"):
        verify_checkpoint(saved.directory)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "manifest.json"])
def test_a_missing_file_is_named(saved: Checkpoint, name: str) -> None:
    (saved.directory / name).unlink()

    with pytest.raises(CheckpointError, match=name):
        verify_checkpoint(saved.directory)


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "kind": "x"}',
        '{"format": 1, "kind": "x", "files": []}',
        '{"format": 1, "kind": "x", "files": {"config.json": {"bytes": "many"}}}',
        '{"format": 1, "kind": "x", "files": {}}',
        '{"format": 1, "kind": "x", "files": {"../one/config.json": {"bytes": 1, "sha256": ""}}}',
    ],
)
def test_a_malformed_manifest_is_refused(saved: Checkpoint, manifest: str) -> None:
    (saved.directory / "manifest.json").write_text(manifest)

    with pytest.raises(CheckpointError):
        verify_checkpoint(saved.directory)


def test_a_planted_pickle_is_neither_read_nor_listed(saved: Checkpoint) -> None:
    planted = saved.directory / "pytorch_model.bin"
    os.mkfifo(planted)  # whoever opened it would wait for ever

    again = verify_checkpoint(saved.directory)

    assert planted.name not in again.files
    assert again.tensors().keys() == TENSORS.keys()


def test_a_pickle_cannot_be_published(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        (folder / "model.bin").write_bytes(b"\x80")

    with pytest.raises(CheckpointError, match=r"model\.bin"):
        write_checkpoint(tmp_path / "one", kind="x", write=write)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_never_overwritten(saved: Checkpoint) -> None:
    before = (saved.directory / "manifest.json").read_bytes()

    with pytest.raises(CheckpointError, match="exists already"):
        save_checkpoint(saved.directory, kind="other", tensors={}, config={})
    assert (saved.directory / "manifest.json").read_bytes() == before


def test_a_failure_midway_leaves_nothing(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match="No space left"):
        write_checkpoint(tmp_path / "deep" / "one", kind="x", write=write)
    assert list((tmp_path / "deep").iterdir()) == []


def test_the_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "one"

    def write(folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"")
        assert not target.exists()
        assert folder.parent == tmp_path

    write_checkpoint(target, kind="x", write=write)

    assert json.loads((target / "manifest.json").read_text())["kind"] == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
