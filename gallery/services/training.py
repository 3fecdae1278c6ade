"""Asking for a training, after everything that can be said at once about it was said."""

from dataclasses import asdict

from django.contrib.auth.models import User

from gallery.models import Job
from gallery.pipelines.captioned import Sides, count_sides
from gallery.pipelines.training import (
    RECIPE_FIELDS,
    TrainingParams,
    base_model,
    check_sides,
    recipe_for,
)
from gallery.services import jobs

__all__ = ["RECIPE_FIELDS", "Sides", "TrainingParams", "gallery_counts", "request_training"]


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
    check_sides(count_sides(params.collection))


def gallery_counts(collection: str = "") -> Sides:
    """Count the captioned pictures that would be trained on, validated on and held out."""
    return count_sides(collection)
