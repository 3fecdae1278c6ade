"""One model measured on captioned pictures, because somebody asked."""

import logging
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from gallery.jobs.runner import stop_if_asked
from gallery.models import Job, ModelVersion
from gallery.pipelines.captioned import Captioned, Partition, all_captioned, in_partition
from gallery.pipelines.embedding import embed
from gallery.pipelines.measuring import Gallery, measure
from mlcore.datasets import CaptionDataset
from mlcore.evaluation import EvalConfig
from mlcore.i18n import Message
from mlcore.layouts import open_source
from mlcore.progress import Progress

logger = logging.getLogger(__name__)


def evaluate(job: Job, progress: Progress) -> dict[str, Any]:
    """Evaluate a model and keep the figures.

    Params: ``model`` (id), ``protocol``, ``gallery``, ``split`` (``test``, ``validation``,
    ``train``, or empty for everything), ``collection``, ``composition``; or ``dataset``, a folder
    or archive to use instead of the gallery's pictures.

    Raises:
        DatasetError: no captioned pictures, or too few.
        StoppedError: the job was asked to stop.
    """
    params = job.params
    version = ModelVersion.objects.get(pk=params["model"])
    config = EvalConfig(
        protocol=params.get("protocol", "karpathy-1k"),
        gallery=params.get("gallery", "queried"),
        composition=bool(params.get("composition")),
    )
    with ExitStack() as opened:
        captioned = _pictures(params, opened)
        others = None
        if config.gallery == "indexed":
            others = _others(version, captioned, job, progress)
        measured = measure(version, captioned, config, job, progress, others=others)
    found = measured.metrics.text_to_image
    return {
        "evaluation": measured.evaluation.pk,
        "model": version.name,
        "queries": found.queries,
        "gallery": found.gallery,
        **{f"hit_rate@{k}": value for k, value in found.hit_rate.items()},
        "mrr": found.mrr,
    }


def _pictures(params: dict[str, Any], opened: ExitStack) -> Captioned:
    split, collection = params.get("split", Partition.TEST), params.get("collection", "")
    if "dataset" in params:
        source = opened.enter_context(open_source(Path(params["dataset"])))
        data = CaptionDataset.from_records(source, split=split or None, source=params["dataset"])
        data = data.readable(partial(logger.warning, "Left out of the evaluation: %s"))
        return Captioned(data, data.sha256, Message.of("data.folder", path=params["dataset"]))
    return in_partition(Partition(split), collection) if split else all_captioned(collection)


def _others(version: ModelVersion, captioned: Captioned, job: Job, progress: Progress) -> Gallery:
    """Return all other pictures of the gallery, embedding those that have none of this model."""
    embed(version, version.load_encoder(), job, progress)
    stop_if_asked(progress)
    gallery = Gallery.of_model(version)
    if "dataset" in job.params:
        return gallery
    return gallery.without([int(image.name) for image in captioned.data])
