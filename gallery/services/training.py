"""Asking for a training, after everything that can be said at once about it was said."""

from dataclasses import asdict

from django.contrib.auth.models import User

from gallery.models import Job
from gallery.pipelines.captioned import PartitionSizes, partition_sizes
from gallery.pipelines.training import (
    RECIPE_FIELDS,
    TrainingParams,
    base_model,
    check_sizes,
    recipe_for,
)
from gallery.services import jobs

__all__ = [
    "RECIPE_FIELDS",
    "PartitionSizes",
    "TrainingParams",
    "gallery_counts",
    "request_training",
]


def request_training(params: TrainingParams, *, user: User | None) -> Job:
    """Queue a training. Trainings run one at a time; this one waits for its turn.

    Raises:
        TrainingError: there is no such base, the recipe cannot be followed, or there is too little
            to learn from or to judge by.
    """
    check_params(params)
    return jobs.start(Job.Kind.TRAIN, asdict(params), user=user)


def check_params(params: TrainingParams) -> None:
    """Refuse what could only fail later; errors as :func:`request_training`."""
    recipe_for(base_model(params), params)
    check_sizes(partition_sizes(params.collection))


def gallery_counts(collection: str = "") -> PartitionSizes:
    """Count the captioned pictures to learn from, to choose by and to judge by."""
    return partition_sizes(collection)
