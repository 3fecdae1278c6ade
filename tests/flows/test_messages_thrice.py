"""Every message of the queue delivered three times, in any order: as if it had come once."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from django.db import transaction

from gallery import tasks
from gallery.models import (
    Caption,
    Failure,
    Image,
    ImageEmbedding,
    IndexVersion,
    Job,
    SentenceEmbedding,
)
from tests.pictures_of_colours import add_many, add_picture, colour_jpeg
from tests.services import effort

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("colours")]

Message: TypeAlias = Callable[[], object]
TIMES = 3


def test_every_task_of_the_product_is_among_them() -> None:
    from contextvision_site.celery import app

    ours = {name for name in app.tasks if not name.startswith("celery.")}
    assert ours == {"gallery.run_job", "gallery.help_embedding", "gallery.read_sentences"}


@pytest.mark.parametrize("seed", range(4 * effort()))
def test_the_end_is_the_same_as_of_one_delivery(seed: int, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        for shade in range(3):
            picture = colour_jpeg("green", shade=3 * number + shade)
            (folder / f"{shade}.jpg").write_bytes(picture)
        (folder / "broken.jpg").write_bytes(b"no picture")
    count = len(_messages(_jobs(folders)))
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(count), TIMES)).tolist()

    once = _end_of(folders, list(dict.fromkeys(order)))
    assert _end_of(folders, order) == once


def _jobs(folders: Sequence[Path]) -> list[Job]:
    pictures = [*add_many(6), add_picture("red", shade=60, captions=("a red square", "all red"))]
    some = [picture.pk for picture in pictures[:3]]
    wanted: list[tuple[Job.Kind, dict[str, Any]]] = [
        *((Job.Kind.IMPORT, {"path": str(folder), "captions": ["green"]}) for folder in folders),
        (Job.Kind.EMBED, {"images": some}),
        (Job.Kind.EMBED, {}),
        (Job.Kind.INDEX, {}),
        (Job.Kind.INDEX, {}),
        (Job.Kind.DOCTOR, {"repair": True, "thorough": True}),
    ]
    return [Job.objects.create(kind=kind, params=params) for kind, params in wanted]


def _messages(jobs: Sequence[Job]) -> list[Message]:
    runs: list[Message] = [lambda job=job: tasks.run_job(job.pk) for job in jobs]  # type: ignore[misc]
    helps: list[Message] = [
        lambda job=job: tasks.help_embedding(job.pk)  # type: ignore[misc]
        for job in jobs
        if job.kind == Job.Kind.EMBED
    ]
    return [*runs, *helps, tasks.read_sentences]


def _end_of(folders: Sequence[Path], order: Sequence[int]) -> dict[str, Any]:
    """Deliver messages in this order to a gallery of its own, and describe what came of it."""
    with transaction.atomic():
        jobs = _jobs(folders)
        messages = _messages(jobs)
        for number in order:
            messages[number]()
        # Workers look for new sentences every second: what came after the message is read by then.
        tasks.read_sentences()
        state = _state(jobs)
        transaction.set_rollback(True)
    return state


def _state(jobs: Sequence[Job]) -> dict[str, Any]:
    """Describe everything without the ids, which differ from run to run."""
    rows = Job.objects.filter(pk__in=[job.pk for job in jobs]).order_by("pk")
    vectors = ImageEmbedding.objects.values_list("image__sha256", "model_version__name", "vector")
    sentences = SentenceEmbedding.objects.values_list("image__sha256", "digest")
    return {
        "jobs": [(job.kind, job.status, job.attempt, _without_ids(job.result)) for job in rows],
        "more jobs": Job.objects.count() - len(jobs),
        "pictures": sorted(Image.objects.values_list("sha256", flat=True)),
        "captions": sorted(Caption.objects.values_list("image__sha256", "text")),
        "vectors": sorted(
            (sha256, model, hashlib.sha256(vector).hexdigest()) for sha256, model, vector in vectors
        ),
        "sentences": sorted(sentences),
        "failures": sorted(Failure.objects.values_list("stage", "item", "attempts")),
        "indexes": list(IndexVersion.objects.order_by("pk").values_list("count", "is_active")),
    }


def _without_ids(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "index"}
