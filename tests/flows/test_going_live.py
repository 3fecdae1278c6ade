"""Training, promotion and rollback with a real worker, while others search without pause."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.db.models.functions import Now

from contextvision_site.celery import app
from contextvision_site.settings.test import TEST_DATA_DIR
from gallery.models import ImageEmbedding, IndexVersion, Job, ModelVersion, Promotion, WorkerPulse
from gallery.services import jobs, versions
from gallery.services.images import add_uploads
from gallery.services.training import TrainingParams, request_training
from gallery.uploads.items import Destination
from search.engine import engine_holder, get_engine
from search.query import SearchQuery
from search.services import SearchPage, search_images
from tests.encoders import COLOURS
from tests.flows.worker import running_worker, wait_until
from tests.pictures_of_colours import colour_jpeg, index_everything
from tests.tuning import SANE, captioned_gallery, trained

pytestmark = pytest.mark.django_db(transaction=True)

Answer = list[tuple[int, float | None]]
"""Ids and scores, best first."""


@pytest.fixture
def live(settings: LazySettings, learnt: Path, minilm: None) -> Iterator[ModelVersion]:
    """The live model of a captioned gallery, in the folders of the worker's own settings."""
    settings.MEDIA_ROOT = str(TEST_DATA_DIR / "media")
    settings.INDEX_DIR = TEST_DATA_DIR / "indexes"
    settings.MODELS_DIR = TEST_DATA_DIR / "models"
    settings.CONTEXTVISION_MODEL = str(learnt)
    app.control.purge()
    captioned_gallery()
    index_everything()
    yield ModelVersion.objects.get()
    app.control.purge()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def ask(epochs: int, **recipe: object) -> Job:
    params = TrainingParams(tune="all", recipe={**SANE, "epochs": epochs, **recipe})
    return request_training(params, user=None)


def is_running(job: Job) -> bool:
    job.refresh_from_db()
    return job.status == Job.Status.RUNNING


def ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_finished


def answer(page: SearchPage) -> Answer:
    return [(result.image.pk, result.similarity) for result in page.results]


def search(text: str) -> SearchPage:
    return search_images(SearchQuery.of(text, limit=10), user=None)


class Searchers:
    """Threads that search without pause, and note what they got and from which version."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str, str, Answer]] = []
        """Index version, fingerprint of the model, query, and what came back."""
        self.errors: list[BaseException] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._search) for _ in range(3)]

    def _search(self) -> None:
        texts = list(COLOURS)
        try:
            while not self._ended.is_set():
                for text in texts:
                    page = search(text)
                    engine = page.engine
                    assert engine.index.fingerprint == engine.encoder.fingerprint
                    told = {notice.code for notice in page.notices}
                    assert told <= {"search.nothing_strong"}, told
                    self.answers.append(
                        (engine.version.pk, engine.encoder.fingerprint, text, answer(page))
                    )
        except BaseException as error:
            self.errors.append(error)
        finally:
            connection.close()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def seen(self, index: IndexVersion) -> bool:
        return any(version == index.pk for version, *_ in self.answers[-20:])


def test_searches_go_on_through_a_promotion_and_a_rollback(live: ModelVersion, log: Path) -> None:
    before = IndexVersion.objects.get()
    candidate = trained({**SANE, "learning_rate": 1e-3})
    get_engine()
    expected = {(before.pk, text): answer(search(text)) for text in COLOURS}
    searchers = Searchers()
    with running_worker(log, CONTEXTVISION_MODEL=live.reference), searchers.at_work():
        job = versions.request_promotion(candidate, user=None)
        wait_until(lambda: ended(job), seconds=90, what="the end of the promotion")
        assert job.status == Job.Status.SUCCEEDED, job.error
        after = IndexVersion.objects.get(pk=job.result["index"])
        wait_until(lambda: searchers.seen(after), seconds=20, what="an answer by the new model")

        started = time.monotonic()
        assert versions.rollback(user=None) == before
        assert time.monotonic() - started < 1.0
        wait_until(lambda: searchers.seen(before), seconds=3, what="an answer by the former model")
    assert searchers.errors == []
    versions.make_active(after)
    engine_holder.reset()
    expected |= {(after.pk, text): answer(search(text)) for text in COLOURS}
    models = {before.pk: live.fingerprint, after.pk: candidate.fingerprint}
    assert {version for version, *_ in searchers.answers} == set(models)
    assert any(expected[before.pk, text] != expected[after.pk, text] for text in COLOURS)
    for version, fingerprint, text, found in searchers.answers:
        assert models[version] == fingerprint
        assert found == expected[version, text]


def test_trainings_take_turns_hold_up_no_upload_and_end_in_a_search(
    live: ModelVersion, log: Path
) -> None:
    with running_worker(log, CONTEXTVISION_MODEL=live.reference):
        first = ask(5_000)  # it is cancelled
        wait_until(lambda: is_running(first), seconds=30, what="the start of the first training")
        second = ask(2, seed=1)
        wait_until(first.metrics.exists, seconds=60, what="the first step")
        file = SimpleUploadedFile("late.jpg", colour_jpeg("red", shade=3))
        with transaction.atomic():
            _, embedding = add_uploads([file], Destination())
        assert embedding is not None
        wait_until(lambda: ended(embedding), seconds=30, what="the embedding of an upload")
        assert embedding.status == Job.Status.SUCCEEDED
        assert is_running(first), "otherwise the upload proves nothing: more epochs are needed"
        assert not is_running(second)
        assert second.waits_for == first

        jobs.cancel(first)
        asked = time.monotonic()
        wait_until(lambda: ended(first), seconds=10, what="the end of the cancelled training")
        assert time.monotonic() - asked < 3.0
        assert first.status == Job.Status.CANCELLED
        wait_until(lambda: ended(second), seconds=60, what="the end of the second training")
        assert second.status == Job.Status.SUCCEEDED, second.error
        assert second.result["gate"] == "passed"

        [candidate] = ModelVersion.objects.exclude(pk=live.pk)
        assert candidate.job == second
        assert candidate.state == "candidate"
        promotion = versions.request_promotion(candidate, user=None)
        wait_until(lambda: ended(promotion), seconds=60, what="the end of the promotion")
        assert promotion.status == Job.Status.SUCCEEDED, promotion.error
    assert first.finished_at is not None
    assert second.started_at is not None
    waited = second.started_at - first.finished_at
    assert timedelta(0) <= waited <= WorkerPulse.INTERVAL + timedelta(seconds=3)
    assert Promotion.objects.get().model_version == candidate
    assert ImageEmbedding.objects.of_model(candidate).count() == 97
    page = search("red")
    assert page.engine.version.model_version == candidate
    assert page.results[0].image.title.startswith(("red", "late"))


def test_a_training_whose_worker_was_killed_goes_on(live: ModelVersion, log: Path) -> None:
    with running_worker(log, CONTEXTVISION_MODEL=live.reference) as victim:
        job = ask(40)
        wait_until(
            lambda: job.metrics.filter(epoch__gte=5).exists(), seconds=60, what="the fifth epoch"
        )
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
    assert is_running(job)
    reached = job.metrics.latest("pk").epoch
    Job.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))
    WorkerPulse.objects.all().delete()
    # A picture that came in meanwhile does not make it another run.
    with transaction.atomic():
        add_uploads(
            [SimpleUploadedFile("late.jpg", colour_jpeg("red", shade=3))],
            Destination(),
            captions=["red"],
        )
    with running_worker(log, hostname="w2@test", CONTEXTVISION_MODEL=live.reference):
        wait_until(lambda: job.attempt == 2 or ended(job), seconds=30, what="the second run")
        wait_until(lambda: ended(job), seconds=90, what="the end of the training")
    assert job.status == Job.Status.SUCCEEDED, job.error
    assert job.attempt == 2
    epochs = [point.epoch for point in job.metrics.all() if point.values["kind"] == "epoch"]
    assert epochs == list(range(1, 41)), "no epoch twice, none missing"
    second_run = job.metrics.filter(created_at__gte=job.started_at)
    assert second_run.earliest("pk").epoch >= reached - 1, "it went on where it was"
    assert ModelVersion.objects.get(job=job).parent == live
