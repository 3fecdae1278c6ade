"""Loss and gradients of a step are those of the global batch, however it is parted."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mlcore.errors import TrainingError
from mlcore.training import fine_tune
from mlcore.training.optimiser import make_optimiser, rate_at, set_rate
from mlcore.training.processes import Processes
from mlcore.training.step import loss_and_gradients
from tests.mlcore import two_processes
from tests.mlcore.training_data import SMALL, bars, prepared_run, shapes, small_clip
from tests.services import REPOSITORY


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_clip(tmp_path_factory.mktemp("clip") / "model")


@pytest.mark.parametrize("hard_negatives", [False, True])
def test_micro_batches_give_the_gradients_of_the_whole_batch(
    hard_negatives: bool, clip: Path, tmp_path: Path
) -> None:
    if hard_negatives:
        pytest.importorskip("mlcore.evaluation.caption_changes")
    config = replace(SMALL, batch_size=20, hard_negatives=hard_negatives)
    run = prepared_run(clip, shapes(), config, tmp_path)
    batch = run.batch(0, run.inputs.pairs.draw(0), 0)

    def gradients(micro_batch: int | None) -> tuple[float, dict[str, torch.Tensor]]:
        run.optimiser.zero_grad()
        loss = loss_and_gradients(run.model, batch, run.processes, micro_batch=micro_batch)
        return loss.item(), {
            name: value.grad.clone()
            for name, value in run.parameters.items()
            if value.grad is not None
        }

    loss, whole = gradients(None)
    assert set(whole) == set(run.parameters)
    assert any(value.abs().max() > 1e-3 for value in whole.values())
    for size in (1, 3, 7):
        again, parted = gradients(size)
        assert again == pytest.approx(loss, abs=1e-5)
        for name, value in whole.items():
            torch.testing.assert_close(parted[name], value, rtol=1e-5, atol=1e-5, msg=name)


def test_micro_batches_draw_the_same_dropout_twice(tmp_path: Path) -> None:
    """With the starter's dropout on, one part's two passes must agree, or gradients are noise."""
    config = replace(
        SMALL, tune="lora", start="fresh", batch_size=16, dim=16, hidden=16, tower_dropout=0.3
    )
    run = prepared_run("starter", bars(), config, tmp_path)
    run.model.train(True)
    batch = run.batch(0, run.inputs.pairs.draw(0), 0)
    features: list[torch.Tensor] = []
    text_features = run.model.text_features

    def listening(inputs: object) -> torch.Tensor:
        made = text_features(inputs)  # type: ignore[arg-type]
        features.append(made.detach())
        return made

    run.model.text_features = listening  # type: ignore[method-assign]
    loss_and_gradients(run.model, batch, run.processes, micro_batch=8)

    first, second, first_again, second_again = features
    assert torch.equal(first, first_again)
    assert torch.equal(second, second_again)
    assert not torch.allclose(first[0], text_features(batch.texts[:8])[0])  # dropout was on


def test_two_processes_give_the_loss_and_gradients_of_one(clip: Path, tmp_path: Path) -> None:
    """Under torchrun with gloo; started as a person would start it on two GPUs."""
    pytest.importorskip("mlcore.evaluation.caption_changes")
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    script = REPOSITORY / "tests" / "mlcore" / "two_processes.py"
    started = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         str(script), str(clip), str(two), "2"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        two_processes.main(clip, one, 1)
        said, _ = started.communicate(timeout=200)
    finally:
        started.kill()
    assert started.returncode == 0, said[-3000:]

    assert json.loads((two / "loss.json").read_text()) == pytest.approx(
        json.loads((one / "loss.json").read_text()), abs=1e-5
    )
    alone, together = (load_file(out / "gradients.safetensors") for out in (one, two))
    assert set(alone) == set(together)
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-5, atol=1e-5, msg=name)
    epochs = [json.loads((out / "epochs.json").read_text()) for out in (one, two)]
    for before, after in zip(*epochs, strict=True):
        assert after["loss"] == pytest.approx(before["loss"], abs=1e-3)
        assert after["mrr"] == pytest.approx(before["mrr"], abs=0.05)


def test_another_number_of_processes_is_refused_at_the_start(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrainingError, match=r"for 2 process.*1 were started.*torchrun"):
        fine_tune(clip, shapes(), replace(SMALL, processes=2), out_dir=tmp_path / "x")
    # torchrun started four, and the recipe speaks of one: each would train alone.
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(TrainingError, match=r"for 1 process.*4 were started"):
        fine_tune(clip, shapes(), SMALL, out_dir=tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_processes_cannot_share_is_refused(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def three(self: Processes, *_: object) -> None:
        self.count, self.rank = 3, 0

    monkeypatch.setattr(Processes, "__init__", three)
    with pytest.raises(TrainingError, match="batch of 8 cannot be shared equally by 3"):
        fine_tune(clip, shapes(), replace(SMALL, processes=3), out_dir=tmp_path / "x")


def test_only_matrices_decay_and_heads_have_their_rate(clip: Path, tmp_path: Path) -> None:
    config = replace(SMALL, learning_rate=1e-4, head_learning_rate=1e-2, weight_decay=0.3)
    run = prepared_run(clip, shapes(), config, tmp_path)
    groups = make_optimiser(run.parameters, run.model.heads, config).param_groups
    of = {name: group for group in groups for name in group["names"]}

    assert set(of) == set(run.parameters)
    for name, group in of.items():
        plain = name.endswith("bias") or "norm" in name or name == "logit_scale"
        plain = plain or name.endswith("class_embedding")
        assert group["weight_decay"] == (0.0 if plain else 0.3), name
        head = "projection" in name or name == "logit_scale"
        assert group["lr"] == (1e-2 if head else 1e-4), name
    set_rate(run.optimiser, 0.5)
    assert {group["lr"] for group in run.optimiser.param_groups} == {0.5e-4, 0.5e-2}


def test_the_rate_climbs_and_falls() -> None:
    rates = [rate_at(step, 100, 0.1) for step in range(100)]

    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert rate_at(0, 1, 0.1) == 1.0


def test_gradients_are_clipped_and_the_scale_stays_below_100(clip: Path, tmp_path: Path) -> None:
    run = prepared_run(clip, shapes(), replace(SMALL, max_gradient_norm=1e-3), tmp_path)
    run.model.log_scale.data.fill_(math.log(100) + 3)
    run.state.step = 1
    run._step(run.batch(0, run.inputs.pairs.draw(0), 0))

    norms = [value.grad.norm() for value in run.parameters.values() if value.grad is not None]
    assert torch.stack(norms).norm().item() == pytest.approx(1e-3, rel=1e-2)
    assert run.model.log_scale.exp().item() == pytest.approx(100, rel=1e-4)
