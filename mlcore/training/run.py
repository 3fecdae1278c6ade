"""The epochs of a run, from prepared pictures to the weights that are kept."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mlcore.datasets import CaptionDataset
from mlcore.encoders import FoundModel
from mlcore.i18n import Message
from mlcore.training import guards
from mlcore.training.averaging import RunningMean, in_place, mixed, put
from mlcore.training.config import TrainConfig
from mlcore.training.curve import Curve
from mlcore.training.losses import MAX_LOGIT_SCALE
from mlcore.training.optimiser import make_optimiser, rate_at, set_rate
from mlcore.training.pairs import Draw, Pairs
from mlcore.training.processes import Processes
from mlcore.training.publishing import publish
from mlcore.training.result import TrainResult
from mlcore.training.state import RunState, WorkFolder
from mlcore.training.step import Batch, loss_and_gradients
from mlcore.training.trainable import Inputs, PrepareContext, Trainable
from mlcore.training.validation import validate

if TYPE_CHECKING:
    import torch

_CURVE_POINTS = 400
"""Steps of a run that become points of its curve, at the most."""


class Run:
    """One run, from what it was given to its checkpoint."""

    def __init__(
        self,
        found: FoundModel,
        data: CaptionDataset,
        validation: CaptionDataset | None,
        config: TrainConfig,
        work: WorkFolder,
        context: PrepareContext,
    ) -> None:
        self.found = found
        self.config = config
        self.work = work
        self.context = context
        self.processes = context.processes
        self.progress = context.progress
        self.model = _trainable(found, config, self.processes)
        pairs = Pairs(data, seed=config.seed, hard_negatives=config.hard_negatives)
        self.inputs = self.model.prepare(pairs, config.augment, context)
        self.model.begin(self.inputs, config.seed)
        self.held: Inputs | None = None
        if validation is not None:
            self.held = self.model.prepare(Pairs(validation, seed=config.seed), "none", context)
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
            publish(result, self.found, self.config, self.model, self.work)
        self.processes.wait()
        return result

    def _epoch(self, curve: Curve | None) -> None:
        state, config = self.state, self.config
        started = time.monotonic()
        number = state.epoch
        losses: list[torch.Tensor] = []
        draw = self.inputs.pairs.draw(number)
        self.progress.report(state.step, self.total, self._stage(number))
        for batch in self._batches(number, draw):
            if self.processes.any(self.processes.is_main and self.progress.should_stop()):
                raise guards.StoppedError
            state.step += 1
            loss = self._step(batch)
            losses.append(loss)
            seconds = time.monotonic() - started
            self.progress.report(state.step, self.total, self._stage(number))
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

    def _stage(self, epoch: int) -> Message:
        return Message.of("stage.epoch", number=epoch + 1, total=self.config.epochs)


def _trainable(found: FoundModel, config: TrainConfig, processes: Processes) -> Trainable:
    module, _, name = found.family.trainable.partition(":")
    make: Callable[[FoundModel, TrainConfig, Processes], Trainable]
    make = getattr(importlib.import_module(module), name)
    return make(found, config, processes)
