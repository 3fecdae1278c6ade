"""The whole way with a real worker: upload, embedding, index, search."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.cache.backends.redis import RedisCache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction

from contextvision_site.celery import app
from contextvision_site.settings.test import TEST_DATA_DIR
from gallery.caching import JSONSerializer
from gallery.models import Image, ImageEmbedding, IndexVersion, Job, SentenceEmbedding
from gallery.models.sentence import sentences_of
from gallery.services import jobs
from gallery.services.images import add_uploads
from gallery.uploads.items import Destination
from gallery.vectors.registry import store_of
from search.query import QueryImage, SearchQuery
from search.services import search_images
from tests.encoders import COLOURS
from tests.flows.worker import environment, running_worker, wait_until
from tests.mlcore.clip_factory import make_clip
from tests.mlcore.sentence_factory import make_sentences
from tests.pictures_of_colours import add_many, add_picture, colour_jpeg
from tests.services import REPOSITORY, redis_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CLIP of the real architecture with tiny random weights."""
    return str(make_clip(tmp_path_factory.mktemp("clip") / "tiny"))


@pytest.fixture(autouse=True)
def _shared_folders(settings: LazySettings, tiny_clip: str) -> Iterator[None]:
    """The folders of the worker's own settings, and a queue that holds nothing of before."""
    settings.MEDIA_ROOT = str(TEST_DATA_DIR / "media")
    settings.INDEX_DIR = TEST_DATA_DIR / "indexes"
    settings.CONTEXTVISION_MODEL = tiny_clip
    app.control.purge()
    yield
    app.control.purge()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def upload(colour: str, shade: int = 0) -> tuple[Image, Job]:
    file = SimpleUploadedFile(f"{colour}.jpg", colour_jpeg(colour, shade=shade))
    with transaction.atomic():
        [result], job = add_uploads([file], Destination())
    assert result.image is not None
    assert job is not None
    return result.image, job


def ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.is_finished


def test_what_is_written_is_found_by_it_soon(tiny_clip: str, log: Path, tmp_path: Path) -> None:
    sentences = str(make_sentences(tmp_path / "sentences"))
    names = {"CONTEXTVISION_MODEL": tiny_clip, "CONTEXTVISION_SENTENCE_MODEL": sentences}
    image = add_picture("red", captions=("a red square",))
    with running_worker(log, **names):
        wait_until(lambda: IndexVersion.objects.active() is not None, seconds=60, what="an index")
        index = IndexVersion.objects.active()
        assert index is not None
        wait_until(lambda: said_of(image) == {"a red square"}, seconds=30, what="a first caption")
        lookup = store_of(index).open(index)
        model = lookup.captions.model
        assert model is not None
        assert model.reference == sentences
        # As somebody at a console would, past all of the program's own ways.
        with connection.cursor() as cursor:
            cursor.execute("UPDATE gallery_caption SET text = 'a house by the sea'")
        wait_until(
            lambda: said_of(image) == {"a house by the sea"}, seconds=30, what="the new caption"
        )
        assert lookup.refreshed().captions.count == 1
        image.captions.all().delete()
        wait_until(lambda: not said_of(image), seconds=30, what="the end of the caption")
    assert lookup.refreshed().captions.count == 0


def said_of(image: Image) -> set[str]:
    """What is said of a picture by sentences whose vectors are kept as they are said."""
    kept = SentenceEmbedding.objects.filter(image=image).said().values_list("digest", flat=True)
    texts = {each.digest: each.text for each in sentences_of([image.pk])}
    return {texts.get(digest, "?") for digest in kept}


def test_an_upload_is_embedded_indexed_and_found(tiny_clip: str, log: Path) -> None:
    with running_worker(log, CONTEXTVISION_MODEL=tiny_clip):
        for colour in COLOURS:
            add_picture(colour)
        image, job = upload("red", shade=30)
        wait_until(lambda: ended(job), seconds=60, what="the end of the job")
        assert job.status == Job.Status.SUCCEEDED, job.error
        # The worker notices by itself that the others have no vector and that no index is live.
        wait_until(
            lambda: (
                ImageEmbedding.objects.count() == len(COLOURS) + 1
                and IndexVersion.objects.active() is not None
            ),
            seconds=60,
            what="a live index of all pictures",
        )
        example = QueryImage("same.jpg", colour_jpeg("red", shade=30))
        page = search_images(SearchQuery.of(example, limit=1), user=None)
        assert [result.image for result in page.results] == [image]
        assert page.results[0].relevance > 0.9

        later, job = upload("blue", shade=33)
        wait_until(lambda: ended(job), seconds=30, what="the end of the second job")
        example = QueryImage("same.jpg", colour_jpeg("blue", shade=33))

        def is_found() -> bool:
            page = search_images(SearchQuery.of(example, limit=1), user=None)
            return page.results[0].image == later

        wait_until(is_found, seconds=10, what="the second upload in a search")


@pytest.mark.requires_redis
def test_a_worker_counts_for_the_filters_before_a_page_has_to(tiny_clip: str, log: Path) -> None:
    add_picture("red")
    shared = RedisCache(redis_url(), {"OPTIONS": {"serializer": JSONSerializer()}})
    keys = ["facets:public:colour", "facets:everything:uploader"]
    shared.delete_many(keys)
    with running_worker(log, CONTEXTVISION_MODEL=tiny_clip, CACHE_URL=redis_url()):
        wait_until(
            lambda: shared.get_many(keys).keys() == set(keys),
            seconds=30,
            what="numbers in the shared cache",
        )
    tallies, _, _ = shared.get("facets:public:colour")
    assert tallies["red"][0] == 1
    shared.delete_many(keys)


def test_a_job_saved_while_the_broker_was_away_is_sent_later(tiny_clip: str, log: Path) -> None:
    add_picture("red")
    away = {**environment(), "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}  # nobody listens there
    script = "from gallery.services import jobs; print(jobs.start('embed').pk)"
    output = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", script],
        cwd=REPOSITORY,
        env=away,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    job = Job.objects.get(pk=int(output.split()[-1]))
    job.refresh_from_db()
    assert job.status == Job.Status.QUEUED
    assert job.enqueued_at is None
    with running_worker(log, CONTEXTVISION_MODEL=tiny_clip):
        wait_until(lambda: ended(job), seconds=60, what="the end of the job")
    assert job.status == Job.Status.SUCCEEDED, job.error


def test_a_running_job_can_be_cancelled(tiny_clip: str, log: Path) -> None:
    pictures = add_many(64)
    with running_worker(log, CONTEXTVISION_MODEL=tiny_clip):
        job = jobs.start(Job.Kind.EMBED)

        def is_running() -> bool:
            job.refresh_from_db()
            return job.status == Job.Status.RUNNING

        # It loads the model now, which takes seconds: the wish is there before the first picture.
        wait_until(is_running, seconds=60, what="the start of the job")
        jobs.cancel(job)
        wait_until(lambda: ended(job), seconds=60, what="the end of the job")
    assert job.status == Job.Status.CANCELLED
    # The worker's own maintenance may have embedded them meanwhile; this job did not.
    assert job.result["embedded"] < len(pictures)
