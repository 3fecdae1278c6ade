"""Fine-tuning on the gallery's own captions, up to a candidate that was compared with the live
model."""

import re
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from gallery.models import IndexVersion, Job, ModelVersion
from gallery.pipelines.captioned import Side, Sides, count_sides, on_side
from gallery.pipelines.gating import check_general_set, judge, keep_verdict
from gallery.pipelines.runner import JobLostError
from mlcore.checkpoints import is_checkpoint, read_json, verify_checkpoint
from mlcore.datasets import CaptionDataset
from mlcore.encoder import find_model
from mlcore.errors import TrainingError
from mlcore.progress import Progress
from mlcore.shared import shared_encoder
from mlcore.training import MIN_PAIRS, TrainConfig, Tune, fine_tune
from mlcore.training.loop import TRAINING

RECIPE_FIELDS = (
    "last_blocks",
    "lora_rank",
    "epochs",
    "batch_size",
    "micro_batch",
    "gradient_checkpointing",
    "learning_rate",
    "head_learning_rate",
    "warm_up",
    "weight_decay",
    "augment",
    "hard_negatives",
    "weight_averaging",
    "robust_mixes",
    "patience",
    "validation_metric",
    "seed",
)
"""Fields of :class:`mlcore.training.TrainConfig` that a training job may set."""

MIN_HELD_OUT = 5
"""Pictures that have to be held out: fewer tell nothing about which model is better."""

_TOLD = ("best_epoch", "best_value", "mix", "stopped_early", "trained_parameters", "seconds")
"""What a checkpoint tells of its training that is shown beside its data."""

_FEATURES_KEPT = 7 * 24 * 3600
"""Seconds that outputs of frozen towers are kept after their last use."""


@dataclass(frozen=True, slots=True)
class TrainingParams:
    """What a person chooses about a training."""

    name: str = ""
    """Of the new model; made from its parent's and the day where empty."""
    base: int | None = None
    """Id of the model to start from; the live one, or that of the settings, when None."""
    collection: str = ""
    """Name of the collection to learn from; the whole gallery where empty."""
    tune: Tune = "heads"
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Fields of TrainConfig (RECIPE_FIELDS) that differ from what is recommended for ``tune``."""


def train(job: Job, progress: Progress) -> dict[str, Any]:
    """Train a candidate and compare it with the live model; nothing that is live changes.

    Params: the fields of :class:`TrainingParams`. A run whose worker died goes on from the last
    epoch that it saved, since its folder is named after the job.

    Raises:
        TrainingError: it cannot start, or its numbers went astray.
        StoppedError: the job was asked to stop.
    """
    params = TrainingParams(**job.params)
    base = base_model(params)
    config = recipe_for(base, params)
    check_sides(count_sides(params.collection))
    check_general_set()
    data = {
        side: on_side(side, params.collection, until=job.created_at).data
        for side in (Side.TRAINING, Side.VALIDATION, Side.HELD_OUT)
    }
    _forget_abandoned_runs()
    out = _folder(job)
    if not is_checkpoint(out):
        _fine_tune(base, data, config, out, progress)
    candidate = _register(out, base, params, job)
    live = _live_or(base)
    verdict = judge(candidate, live, job, progress)
    keep_verdict(candidate, live, verdict)
    return {
        "model": candidate.pk,
        "name": candidate.name,
        "pictures": candidate.data["pictures"],
        "captions": candidate.data["captions"],
        # Because they are, or nearly are, among the pictures to validate on or to judge by.
        "left out": len(data[Side.TRAINING]) - candidate.data["pictures"],
        "held out": len(data[Side.HELD_OUT]),
        "best epoch": candidate.data["best_epoch"],
        "gate": "passed" if verdict.passed else "failed",
        "reasons": verdict.reasons(),
    }


def check_sides(sides: Sides) -> None:
    """Refuse to train where there is too little to learn from or to judge by.

    Raises:
        TrainingError: with what there is and what is needed.
    """
    if sides.training < MIN_PAIRS or sides.validation < 1 or sides.held_out < MIN_HELD_OUT:
        raise TrainingError(
            f"There are {sides.training} captioned pictures to learn from, {sides.validation} to "
            f"choose the best epoch by and {sides.held_out} held out to judge by; at least "
            f"{MIN_PAIRS}, 1 and {MIN_HELD_OUT} are needed. Add captions to more pictures."
        )


def base_model(params: TrainingParams) -> ModelVersion:
    """Return the model to start from.

    Raises:
        TrainingError: there is none of this id.
        ModelUnavailableError: nothing is live and the model of the settings cannot be had.
    """
    if params.base is not None:
        version = ModelVersion.objects.filter(pk=params.base).first()
        if version is None:
            raise TrainingError(f"There is no model {params.base} to start from.")
        return version
    live = IndexVersion.objects.active()
    if live is not None:
        return live.model_version
    encoder = shared_encoder(settings.CONTEXTVISION_MODEL, device=settings.CONTEXTVISION_DEVICE)
    return ModelVersion.objects.for_encoder(encoder)


def recipe_for(base: ModelVersion, params: TrainingParams) -> TrainConfig:
    """Return the recipe: what is recommended, with what was chosen in its place.

    Raises:
        TrainingError: a field that cannot be set, or a recipe that cannot be followed.
    """
    unknown = sorted(set(params.recipe) - set(RECIPE_FIELDS))
    if unknown:
        raise TrainingError(
            f"{', '.join(unknown)} cannot be set; what can: {', '.join(RECIPE_FIELDS)}."
        )
    chosen = dict(params.recipe)
    if "robust_mixes" in chosen:
        chosen["robust_mixes"] = tuple(chosen["robust_mixes"] or ())
    kind = find_model(base.reference).kind
    config = TrainConfig.recommended(
        kind,
        params.tune,
        device=settings.CONTEXTVISION_DEVICE,
        cache_dir=Path(settings.MODELS_DIR) / ".features",
        **chosen,
    )
    config.check(kind)
    return config


def _folder(job: Job) -> Path:
    """Name the new model's folder after the job, whichever of its runs asks."""
    name = uuid.uuid5(uuid.NAMESPACE_OID, f"{job.pk} of {job.created_at.isoformat()}")
    return Path(settings.MODELS_DIR) / name.hex


def _fine_tune(
    base: ModelVersion,
    data: Mapping[Side, CaptionDataset],
    config: TrainConfig,
    out: Path,
    progress: Progress,
) -> None:
    base.load_encoder()  # what stands at its reference is still the model that is meant
    _forget_old_features(config)
    try:
        fine_tune(
            base.reference,
            data[Side.TRAINING],
            config,
            out_dir=out,
            validation=data[Side.VALIDATION],
            unseen=[data[Side.HELD_OUT]],
            drop_leaking=True,
            progress=progress,
        )
    except JobLostError:
        raise  # another worker goes on with what is there
    except BaseException:
        # Nobody goes on with this run: a retry is a new job, with a folder of its own.
        shutil.rmtree(f"{out}.partial", ignore_errors=True)
        raise


def _register(out: Path, base: ModelVersion, params: TrainingParams, job: Job) -> ModelVersion:
    """Make the row of the trained model.

    Raises:
        TrainingError: training has changed nothing.
    """
    verify_checkpoint(out)
    told = read_json(out / TRAINING)
    encoder = shared_encoder(str(out), device=settings.CONTEXTVISION_DEVICE)
    base_name = Path(base.name).name
    candidate = ModelVersion.objects.for_encoder(
        encoder,
        name=params.name or f"{base_name} fine-tuned {timezone.localdate():%d %B %Y}",
        reference=str(out),
        origin=ModelVersion.Origin.TRAINED,
        parent=base,
        recipe=told["recipe"],
        data={
            "collection": params.collection,
            **told["data"],
            **{name: told[name] for name in _TOLD if name in told},
        },
        job=job,
    )
    if candidate.reference != str(out):
        shutil.rmtree(out)
        if candidate == base:
            raise TrainingError(
                "Training has changed nothing: the model is the one it started from. Try a higher "
                "learning rate or more epochs."
            )
    return candidate


def _live_or(base: ModelVersion) -> ModelVersion:
    live = IndexVersion.objects.active()
    return live.model_version if live else base


def _forget_abandoned_runs() -> None:
    """Remove what runs left whose jobs were set aside after their workers had died too often."""
    wanted = {_folder(job).name for job in Job.objects.unfinished().filter(kind=Job.Kind.TRAIN)}
    for folder in Path(settings.MODELS_DIR).glob("*.partial"):
        # Other names are those of people who train into this folder from the shell.
        if re.fullmatch(r"[0-9a-f]{32}", folder.stem) and folder.stem not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


def _forget_old_features(config: TrainConfig) -> None:
    if config.cache_dir is None or not config.cache_dir.is_dir():
        return
    for kept in config.cache_dir.iterdir():
        if kept.is_file() and time.time() - kept.stat().st_mtime > _FEATURES_KEPT:
            kept.unlink(missing_ok=True)
