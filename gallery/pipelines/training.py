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

from gallery.jobs.runner import JobLostError
from gallery.models import IndexVersion, Job, ModelVersion
from gallery.pipelines.captioned import Partition, PartitionSizes, in_partition, partition_sizes
from gallery.pipelines.gating import check_general_set, judge, keep_verdict
from mlcore.datasets import CaptionDataset
from mlcore.encoders import find_model, shared_encoder
from mlcore.encoders.checkpoints import is_checkpoint, read_json, verify_checkpoint
from mlcore.errors import TrainingError
from mlcore.progress import Progress
from mlcore.training import MIN_PAIRS, TRAINING, TrainConfig, Tune, fine_tune
from mlcore.training.config import OPTIONS

RECIPE_FIELDS = tuple(name for name, option in OPTIONS.items() if option.site)
"""Fields of :class:`mlcore.training.TrainConfig` that a training job may set."""

MIN_TEST = 5
"""Pictures that there have to be to judge by: fewer tell nothing about which model is better."""

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
    check_sizes(partition_sizes(params.collection))
    check_general_set()
    data = {
        partition: in_partition(partition, params.collection, until=job.created_at).data
        for partition in Partition
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
        "left_out": len(data[Partition.TRAIN]) - candidate.data["pictures"],
        "test": len(data[Partition.TEST]),
        "best_epoch": candidate.data["best_epoch"],
        "gate": "passed" if verdict.passed else "failed",
        "better": verdict.better,
        "reasons": [reason.as_json() for reason in verdict.reasons()],
    }


def check_sizes(sizes: PartitionSizes) -> None:
    """Refuse to train where there is too little to learn from or to judge by.

    Raises:
        TrainingError: with what there is and what is needed.
    """
    if sizes.train < MIN_PAIRS or sizes.validation < 1 or sizes.test < MIN_TEST:
        raise TrainingError(
            "training.too_few_pictures",
            train=sizes.train,
            validation=sizes.validation,
            test=sizes.test,
            least_train=MIN_PAIRS,
            least_test=MIN_TEST,
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
            raise TrainingError("training.no_such_base", id=str(params.base))
        return version
    live = IndexVersion.objects.active()
    if live is not None:
        return live.model_version
    encoder = shared_encoder(
        settings.CONTEXTVISION_MODEL,
        options=settings.CONTEXTVISION_RUNTIME_OPTIONS,
        views=settings.CONTEXTVISION_VIEWS,
    )
    return ModelVersion.objects.for_encoder(encoder)


def recipe_for(base: ModelVersion, params: TrainingParams) -> TrainConfig:
    """Return the recipe: what is recommended, with what was chosen in its place.

    Raises:
        TrainingError: a field that cannot be set, or a recipe that cannot be followed.
    """
    unknown = sorted(set(params.recipe) - set(RECIPE_FIELDS))
    if unknown:
        raise TrainingError("training.cannot_be_set", fields=unknown, known=RECIPE_FIELDS)
    for name, value in params.recipe.items():
        if value is not None:  # which is as good as left out
            OPTIONS[name].check(name, value)
    family = find_model(base.reference).family
    config = TrainConfig.recommended(
        family,
        params.tune,
        device=settings.CONTEXTVISION_RUNTIME_OPTIONS.device,
        cache_dir=Path(settings.MODELS_DIR) / ".features",
        **params.recipe,
    )
    config.check(family)
    return config


def _folder(job: Job) -> Path:
    """Name the new model's folder after the job, whichever of its runs asks."""
    name = uuid.uuid5(uuid.NAMESPACE_OID, f"{job.pk} of {job.created_at.isoformat()}")
    return Path(settings.MODELS_DIR) / name.hex


def _fine_tune(
    base: ModelVersion,
    data: Mapping[Partition, CaptionDataset],
    config: TrainConfig,
    out: Path,
    progress: Progress,
) -> None:
    base.load_encoder()  # what stands at its reference is still the model that is meant
    _forget_old_features(config)
    try:
        fine_tune(
            base.reference,
            data[Partition.TRAIN],
            config,
            out_dir=out,
            validation=data[Partition.VALIDATION],
            unseen=[data[Partition.TEST]],
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
    encoder = shared_encoder(
        str(out),
        options=settings.CONTEXTVISION_RUNTIME_OPTIONS,
        views=settings.CONTEXTVISION_VIEWS,
    )
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
            raise TrainingError("training.nothing_changed")
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
