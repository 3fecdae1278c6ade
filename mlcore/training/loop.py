"""The run as a whole: from a base and captioned pictures to a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlcore.datasets import CaptionDataset
from mlcore.encoders import find_model, model_fingerprint
from mlcore.errors import ContextVisionError, TrainingError
from mlcore.progress import NoProgress, Progress
from mlcore.training import guards
from mlcore.training.config import TrainConfig
from mlcore.training.curve import check_tensorboard
from mlcore.training.leaks import find_leaks, without_leaks
from mlcore.training.processes import Processes
from mlcore.training.result import TrainResult
from mlcore.training.run import Run
from mlcore.training.state import WorkFolder
from mlcore.training.trainable import PrepareContext


def fine_tune(
    base: str | Path,
    data: CaptionDataset,
    config: TrainConfig,
    *,
    out_dir: Path,
    validation: CaptionDataset | None = None,
    unseen: Sequence[CaptionDataset] = (),
    drop_leaking: bool = False,
    progress: Progress | None = None,
    resume: bool = True,
) -> TrainResult:
    """Train a model on captioned pictures and write it as a checkpoint.

    One caption per picture and epoch is drawn at random. While the run lasts its work is in
    ``<out_dir>.partial``; a run that was killed or stopped goes on from its last finished epoch
    when it is called in the same way again, and ends with the same weights. With one seed,
    machine and number of threads and processes a run gives the same weights again.

    Args:
        base: ``starter``, a folder, or a name on the Hugging Face hub.
        data: the pictures to learn from.
        config: the recipe.
        out_dir: the checkpoint folder to make; must not exist.
        validation: pictures to choose the best epoch and mix by. The last epoch where None.
        unseen: pictures that will be used for evaluation; training on any is refused.
        drop_leaking: leave pictures out of training that are, or nearly are, among the unseen
            or validation ones, instead of refusing.
        progress: told of pictures, captions, then steps, and of each point of the curve; asked
            before each step to stop.
        resume: go on with an interrupted run; otherwise what it left is removed.

    Raises:
        StoppedError: the run was asked to stop.
        TrainingError: the recipe cannot be followed, there is too little data, unseen pictures
            leak, another run was interrupted in that place, or numbers were no longer finite or
            the loss diverged (with the step at which).
        ImageRejectedError: a picture that cannot be read.
        CheckpointError: ``out_dir`` cannot be written, or the base is damaged.
        ModelUnavailableError: the base is not there.
    """
    found = find_model(base)
    config.check(found.family)
    guards.enough(len(data), data.source)
    check_tensorboard(config.tensorboard)
    if out_dir.exists():
        raise TrainingError("training.exists", path=str(out_dir))
    if validation is None and (config.patience is not None or config.robust_mixes):
        raise TrainingError("training.nothing_to_validate_on")
    processes = Processes(config.processes, config.device, config.precision)
    if config.batch_size % processes.count:
        raise TrainingError(
            "training.uneven_batch", batch=config.batch_size, processes=processes.count
        )
    work = WorkFolder(out_dir)
    aside = [each for each in (validation, *unseen) if each is not None]
    if processes.is_main:
        recipe = config.recipe() | {
            "base": model_fingerprint(found),
            "data": data.sha256,
            "unseen": [each.sha256 for each in aside],
            "drop_leaking": drop_leaking,
        }
        work.open(recipe, resume=resume)
    processes.wait()
    import torch

    devices = [processes.device] if processes.device.startswith("cuda") else []
    try:
        # Whoever calls keeps their own random numbers; dropout knows no generator but the global.
        with torch.random.fork_rng(devices=devices):
            context = PrepareContext(
                cache_dir=config.cache_dir or work.path / "cache",
                limits=config.limits,
                workers=config.workers,
                progress=progress or NoProgress(),
                processes=processes,
            )
            leaks = processes.from_main(
                lambda: find_leaks(
                    data,
                    aside,
                    cache_dir=context.cache_dir,
                    limits=config.limits,
                    progress=context.progress,
                )
            )
            kept = without_leaks(data, leaks, drop=drop_leaking)
            guards.enough(len(kept), data.source)
            run = Run(found, kept, validation, config, work, context)
            result = run.to_the_end(out_dir)
    except guards.StoppedError:
        raise
    except ContextVisionError:
        # The same call would end in the same way, so there is nothing to go on with.
        if processes.is_main:
            work.remove()
        raise
    if processes.is_main:
        work.remove()
    return replace(result, dropped=len(data) - len(kept))
