"""The run as a whole: from a base and captioned pictures to a checkpoint."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mlcore.checkpoints import write_checkpoint
from mlcore.datasets import CaptionDataset
from mlcore.encoder import FoundModel, find_model, model_fingerprint
from mlcore.errors import ContextVisionError, TrainingError
from mlcore.losses import MAX_LOGIT_SCALE
from mlcore.progress import NoProgress, Progress
from mlcore.starter import STARTER
from mlcore.training import guards
from mlcore.training.averaging import RunningMean, in_place, mixed, put
from mlcore.training.config import TrainConfig, TrainResult
from mlcore.training.curve import Curve, check_tensorboard
from mlcore.training.leaks import find_leaks, without_leaks
from mlcore.training.optimiser import make_optimiser, rate_at, set_rate
from mlcore.training.pairs import Draw, Pairs
from mlcore.training.processes import Processes
from mlcore.training.state import METRICS, RunState, WorkFolder
from mlcore.training.step import Batch, loss_and_gradients
from mlcore.training.trainable import Inputs, Kitchen, Trainable
from mlcore.training.validation import validate

if TYPE_CHECKING:
    import torch

TRAINING = "training.json"
"""Beside a checkpoint: what it was made from and how."""

_CURVE_POINTS = 400
"""Steps of a run that become points of its curve, at the most."""


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
    config.check(found.kind)
    guards.enough(len(data), data.source)
    check_tensorboard(config.tensorboard)
    if out_dir.exists():
        raise TrainingError(f"{out_dir} exists already; choose a folder that does not exist.")
    if validation is None and (config.patience is not None or config.robust_mixes):
        raise TrainingError(
            "Stopping early and choosing a mix need pictures to validate on; hold some out."
        )
    processes = Processes(config.processes, config.device, config.precision)
    if config.batch_size % processes.count:
        raise TrainingError(
            f"A batch of {config.batch_size} cannot be shared equally by {processes.count} "
            "processes; choose a multiple."
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
            kitchen = Kitchen(
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
                    cache_dir=kitchen.cache_dir,
                    limits=config.limits,
                    progress=kitchen.progress,
                )
            )
            kept = without_leaks(data, leaks, drop=drop_leaking)
            guards.enough(len(kept), data.source)
            run = _Run(found, kept, validation, config, work, kitchen)
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


class _Run:
    """One run, from what it was given to its checkpoint."""

    def __init__(
        self,
        found: FoundModel,
        data: CaptionDataset,
        validation: CaptionDataset | None,
        config: TrainConfig,
        work: WorkFolder,
        kitchen: Kitchen,
    ) -> None:
        self.found = found
        self.config = config
        self.work = work
        self.kitchen = kitchen
        self.processes = kitchen.processes
        self.progress = kitchen.progress
        self.model = _trainable(found, config, self.processes)
        pairs = Pairs(data, seed=config.seed, hard_negatives=config.hard_negatives)
        self.inputs = self.model.prepare(pairs, config.augment, kitchen)
        self.model.begin(self.inputs, config.seed)
        self.held: Inputs | None = None
        if validation is not None:
            self.held = self.model.prepare(Pairs(validation, seed=config.seed), "none", kitchen)
        # At most all pictures, and the same number for every process.
        fitting = len(data) // self.processes.count * self.processes.count
        self.batch_size = min(config.batch_size, fitting)
        self.steps_per_epoch = len(data) // self.batch_size
        self.total = config.epochs * self.steps_per_epoch
        self.parameters = dict(self.model.parameters)
        self.optimiser = make_optimiser(self.parameters, self.model.heads, config)
        self.base = (
            {name: value.detach().clone() for name, value in self.parameters.items()}
            if config.robust_mixes
            else {}
        )
        self.state = RunState()
        self.watch = self._watch()
        self.mean: RunningMean | None = None
        self._go_on()

    def _go_on(self) -> None:
        """Take up an interrupted run where its last finished epoch stood."""
        if self.config.weight_averaging is not None:
            self.mean = RunningMean(self.parameters, self.config.weight_averaging)
        before = self.work.last()
        if before is None:
            return
        self.state = before
        put(self.parameters, self.work.weights(before.epoch))
        self.work.restore(before.epoch, self.optimiser)
        average = self.work.average(before.epoch)
        if self.mean is not None and average is not None:
            put(self.mean.mean, average)

    def to_the_end(self, out_dir: Path) -> TrainResult:
        """Train what epochs are left, choose, and write the checkpoint."""
        curve = self._curve()
        self.model.train(True)
        while self.state.epoch < self.config.epochs and not self._is_stale():
            self._epoch(curve)
        stopped_early = self.state.epoch < self.config.epochs
        if curve is not None:
            curve.close()
        self.inputs.images.close()
        mix = self._choose()
        result = self._result(out_dir, mix, stopped_early)
        if self.processes.is_main:
            self._publish(result)
        self.processes.wait()
        return result

    def _epoch(self, curve: Curve | None) -> None:
        state, config = self.state, self.config
        started = time.monotonic()
        number = state.epoch
        losses: list[torch.Tensor] = []
        draw = self.inputs.pairs.draw(number)
        self.progress.report(state.step, self.total, self._named(number))
        for batch in self._batches(number, draw):
            if self.processes.any(self.processes.is_main and self.progress.should_stop()):
                raise guards.StoppedError
            state.step += 1
            loss = self._step(batch)
            losses.append(loss)
            seconds = time.monotonic() - started
            self.progress.report(state.step, self.total, self._named(number))
            if curve is not None and self._is_point(state.step):
                curve.add(self._point(number, float(loss), len(losses), seconds))
        finite = all(bool(value.isfinite().all()) for value in self.parameters.values())
        self.watch.weights(finite, state.step)

        row: dict[str, Any] = {
            "epoch": number + 1,
            "step": state.step,
            "loss": sum(float(loss) for loss in losses) / len(losses),
            "temperature": (-self.model.log_scale).exp().item(),
        }
        row |= self._validated(number)
        state.epoch = number + 1
        value = row.get(config.validation_metric)
        better = value is not None and (state.best_value is None or value > state.best_value)
        if better or self.held is None:
            state.best_epoch, state.best_value = state.epoch, value
        spent = time.monotonic() - started
        state.seconds += spent
        state.epochs = (*state.epochs, row | {"best": int(better), "seconds": spent})
        if curve is not None:
            pace = len(losses) * self.batch_size / spent
            left = (config.epochs - state.epoch) * state.seconds / state.epoch
            curve.add(
                {"kind": "epoch", "steps": self.total, **row, "best": int(better),
                 "learning_rate": self._rate(state.step - 1) * config.learning_rate,
                 "pictures_per_second": round(pace, 2), "seconds_left": round(left, 1)}
            )  # fmt: skip
        # After what was measured: a run that is killed in between measures this epoch again, and
        # otherwise would never tell of it.
        if self.processes.is_main:
            average = self.mean.mean if self.mean else None
            self.work.save(state, self.parameters, average, self.optimiser)
            self.work.prune(config.keep_checkpoints, state.best_epoch)
        self.processes.wait()

    def _step(self, batch: Batch) -> torch.Tensor:
        from torch.nn.utils import clip_grad_norm_

        state = self.state
        set_rate(self.optimiser, self._rate(state.step - 1))
        self.optimiser.zero_grad()
        loss = loss_and_gradients(
            self.model,
            batch,
            self.processes,
            micro_batch=self.config.micro_batch,
            seed=(self.config.seed, state.step),
        )
        self.watch.loss(float(loss), state.step)
        norm = clip_grad_norm_(list(self.parameters.values()), self.config.max_gradient_norm)
        self.watch.gradient(float(norm), state.step)
        self.optimiser.step()
        self.model.log_scale.data.clamp_(max=math.log(MAX_LOGIT_SCALE))
        if self.mean is not None:
            self.mean.add(self.parameters, state.step)
        return loss

    def _batches(self, epoch: int, draw: Draw) -> Iterator[Batch]:
        """Yield this process's share of every batch, the next one being made meanwhile."""
        starts = range(0, self.steps_per_epoch * self.batch_size, self.batch_size)
        with ThreadPoolExecutor(1, thread_name_prefix="next-batch") as ahead:
            coming = ahead.submit(self.batch, epoch, draw, starts[0])
            for following in [*starts[1:], None]:
                batch = coming.result()
                if following is not None:
                    coming = ahead.submit(self.batch, epoch, draw, following)
                yield batch

    def batch(self, epoch: int, draw: Draw, start: int) -> Batch:
        """Make this process's share of the batch that starts at a place in the epoch's order."""
        pairs = self.inputs.pairs
        pictures = draw.order[start : start + self.batch_size]
        captions, wrong = draw.captions[pictures], draw.wrong[pictures]
        share = self.batch_size // self.processes.count
        own = slice(self.processes.rank * share, (self.processes.rank + 1) * share)
        images = self.inputs.images.batch(
            pictures[own].tolist(),
            pairs.names_side[captions[own]].tolist(),
            seed=self.config.seed,
            epoch=epoch,
        )
        hard = self.config.hard_negatives
        return Batch(
            images=images,
            texts=self.inputs.some_texts(captions[own].tolist()),
            # Where a caption has no wrong one, any text keeps the place; it is masked.
            wrong=self.inputs.some_texts(wrong[own].clamp(min=0).tolist()) if hard else None,
            same=pairs.same(pictures, captions),
            not_wrong=pairs.not_wrong(pictures, wrong) if hard else None,
        )

    def _validated(self, epoch: int) -> dict[str, float]:
        last = epoch + 1 == self.config.epochs
        if self.held is None or not (last or (epoch + 1) % self.config.validate_every == 0):
            return {}
        if self.mean is None:
            return self._figures()
        with in_place(self.parameters, self.mean.mean):
            return self._figures()

    def _figures(self) -> dict[str, float]:
        held = cast("Inputs", self.held)
        return self.processes.from_main(
            lambda: validate(self.model, held, self.processes, self.progress)
        )

    def _choose(self) -> float:
        """Put the best epoch's weights in place, mixed with the base's if that is better."""
        best = self.state.best_epoch
        kept = self.work.average(best) or self.work.weights(best)
        put(self.parameters, kept)
        if not self.config.robust_mixes:
            return 1.0
        on = {name: value.device for name, value in self.parameters.items()}
        tuned = {name: value.to(on[name]) for name, value in kept.items()}
        figures = {}
        # Of equals the first is kept: nearer to the base is safer.
        for share in sorted({*self.config.robust_mixes, 1.0}):
            put(self.parameters, mixed(self.base, tuned, share))
            figures[share] = self._figures()[self.config.validation_metric]
        mix = max(figures, key=lambda share: figures[share])
        put(self.parameters, mixed(self.base, tuned, mix))
        self.state.best_value = figures[mix]
        return mix

    def _result(self, out_dir: Path, mix: float, stopped_early: bool) -> TrainResult:
        data = self.inputs.pairs.data
        return TrainResult(
            directory=out_dir,
            epochs=self.state.epochs,
            best_epoch=self.state.best_epoch,
            best_value=self.state.best_value,
            mix=mix,
            pictures=len(data),
            captions=self.inputs.pairs.caption_count,
            dropped=0,
            data_sha256=data.sha256,
            logit_scale=self.model.log_scale.exp().item(),
            seconds=self.state.seconds,
            stopped_early=stopped_early,
            trained_parameters=sum(value.numel() for value in self.parameters.values()),
        )

    def _publish(self, result: TrainResult) -> None:
        about = {
            "recipe": self.config.recipe(),
            "parent": {"name": self.found.name, "fingerprint": model_fingerprint(self.found)},
            "data": {
                "sha256": result.data_sha256,
                "pictures": result.pictures,
                "captions": result.captions,
            },
            "epochs": list(result.epochs),
            "best_epoch": result.best_epoch,
            "best_value": result.best_value,
            "mix": result.mix,
            "stopped_early": result.stopped_early,
            "trained_parameters": result.trained_parameters,
            "seconds": round(result.seconds, 1),
        }

        def write(folder: Path) -> None:
            self.model.checkpoint(folder)
            (folder / TRAINING).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
            shutil.copyfile(self.work.metrics, folder / METRICS)

        write_checkpoint(result.directory, kind=self.found.kind, write=write)

    def _curve(self) -> Curve | None:
        if not self.processes.is_main:
            return None
        return Curve(
            self.work.metrics,
            step=self.state.step,
            progress=self.progress,
            tensorboard=self.config.tensorboard,
        )

    def _watch(self) -> guards.Watch:
        chance = math.log(self.batch_size)
        if self.config.hard_negatives:
            chance = (chance + math.log(2 * self.batch_size)) / 2
        return guards.Watch(
            total=self.total,
            steps_per_epoch=self.steps_per_epoch,
            learning_rate=self.config.learning_rate,
            warm_up_steps=round(self.config.warm_up * self.total),
            chance=chance,
        )

    def _is_stale(self) -> bool:
        return self.config.patience is not None and self.state.stale() >= self.config.patience

    def _is_point(self, step: int) -> bool:
        return step % max(1, math.ceil(self.total / _CURVE_POINTS)) == 0

    def _point(
        self, epoch: int, loss: float, steps: int, seconds: float
    ) -> dict[str, float | int | str]:
        pace = steps * self.batch_size / seconds
        return {
            "kind": "step",
            "step": self.state.step,
            "steps": self.total,
            "epoch": epoch + 1,
            "loss": loss,
            "temperature": (-self.model.log_scale).exp().item(),
            "learning_rate": self._rate(self.state.step - 1) * self.config.learning_rate,
            "pictures_per_second": round(pace, 2),
            "seconds_left": round((self.total - self.state.step) * self.batch_size / pace, 1),
        }

    def _rate(self, step: int) -> float:
        return rate_at(step, self.total, self.config.warm_up)

    def _named(self, epoch: int) -> str:
        return f"epoch {epoch + 1} of {self.config.epochs}"


def _trainable(found: FoundModel, config: TrainConfig, processes: Processes) -> Trainable:
    if found.kind == STARTER:
        from mlcore.training.starter import StarterTrainable

        return StarterTrainable(found, config, processes)
    from mlcore.training.clip import ClipTrainable

    return ClipTrainable(found, config, processes)
