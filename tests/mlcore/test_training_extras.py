"""Training that needs packages which are not installed says which, before anything is changed."""

import re

import pytest

from mlcore.errors import TrainingError
from mlcore.training import extras
from mlcore.training.lora import add_factors
from mlcore.training.processes import Processes

TOLD = re.escape("pip install 'contextvision[train]'")


@pytest.fixture(autouse=True)
def _nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda package: None)


def test_lora_without_peft() -> None:
    with pytest.raises(TrainingError, match=f"package peft.*{TOLD}"):
        add_factors(None, ".*", rank=1, alpha=1, seed=0)


def test_several_processes_without_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match=f"package accelerate.*{TOLD}"):
        Processes(2, "cpu", "float32")


def test_one_process_needs_neither() -> None:
    assert Processes(1, "cpu", "float32").count == 1
