"""Run under torchrun by ``test_training_step``: one step, and a short run, as part of a group.

Arguments: the model, a folder for what comes out, the number of processes.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file

from mlcore.training import fine_tune
from mlcore.training.step import loss_and_gradients
from tests.mlcore.training_data import SMALL, prepared_run, shapes


def main(model: Path, out: Path, processes: int) -> None:
    config = replace(SMALL, processes=processes, device="cpu", hard_negatives=True)
    run = prepared_run(model, shapes(), config, out)
    batch = run.batch(0, run.inputs.pairs.draw(0), 0)
    assert len(batch.images) == config.batch_size // processes
    loss = loss_and_gradients(run.model, batch, run.processes, micro_batch=3)
    gradients = {name: value.grad for name, value in run.parameters.items()}
    if run.processes.is_main:
        save_file({name: value for name, value in gradients.items() if value is not None},
                  out / "gradients.safetensors")  # fmt: skip
        (out / "loss.json").write_text(json.dumps(loss.item()))
    result = fine_tune(model, shapes(), config, out_dir=out / "trained", validation=shapes(100))
    if run.processes.is_main:
        (out / "epochs.json").write_text(json.dumps(result.epochs))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
