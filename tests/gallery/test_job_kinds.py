"""Each kind of job is one object, which holds all that the program knows about it."""

from collections.abc import Callable
from typing import Any

import pytest

from gallery import tasks
from gallery.jobs.kinds import KINDS, JobKind
from gallery.models import Job
from gallery.services import jobs


def test_there_is_one_object_for_each_kind_that_the_database_knows() -> None:
    assert list(KINDS) == Job.Kind.values
    assert set(Job.ONE_AT_A_TIME) <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_the_body_of_each_is_there(kind: JobKind) -> None:
    assert callable(kind.load_body())


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
@pytest.mark.django_db
def test_it_is_sent_to_the_queue_of_its_kind(
    kind: JobKind,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    sent: list[tuple[tuple[int, ...], str]] = []
    monkeypatch.setattr(
        tasks.run_job, "apply_async", lambda args, *, queue, retry: sent.append((args, queue))
    )
    with django_capture_on_commit_callbacks(execute=True):
        job = jobs.start(kind.code)
    assert sent == [((job.pk,), "train" if kind.code in {"train", "evaluate"} else "default")]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_job_that_was_stopped_early_has_an_outcome_too(kind: JobKind) -> None:
    assert " ".join(map(str, kind.outcome({"done": 3})))
