"""The recall meter: what it compares, what it adds up, and what it tells."""

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from gallery.models import Image, ImageEmbedding, IndexVersion, Job, RecallTally
from gallery.models.recall import ENOUGH
from mlcore.index import FreshTail, Hit
from search.engine import SearchEngine, engine_holder, get_engine
from search.query import SearchQuery
from search.recall import DEPTH, RecallMeter, Sample, compare, recall_meter
from search.services import search_images
from tests.encoders import COLOURS
from tests.pictures_of_colours import add_picture, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def engine(settings: LazySettings, indexed: dict[str, Image]) -> Iterator[SearchEngine]:
    """An approximate index of more pictures than are compared, of which every search counts."""
    for shade in range(1, 4):
        for colour in COLOURS:
            add_picture(colour, shade=shade)
    run(Job.Kind.EMBED)
    call_command("build_index", "--spec", "ivf_sq8")
    engine_holder.reset()
    settings.CONTEXTVISION_RECALL_SAMPLE = 1.0
    yield get_engine()
    recall_meter.drain()


def sample(engine: SearchEngine, *, lost: int = 0) -> Sample:
    """A search whose answer lacks some of the best."""
    query = engine.encode_texts(["red and blue"])
    settled: list[Hit] = engine.search(query, 25)[lost:]
    return Sample(engine.version, engine.index, query, settled, None)


def test_a_search_is_compared_off_its_path(engine: SearchEngine) -> None:
    for text in ("red", "blue"):
        search_images(SearchQuery.of(text), user=None)
        recall_meter.drain()
    recall = RecallTally.objects.lately(engine.version)
    assert (recall.searches, recall.wanted) == (2, 20)
    assert recall.share is not None
    assert recall.share >= 0.8


def test_what_is_missing_is_counted(engine: SearchEngine) -> None:
    whole = sample(engine)
    ids, vectors, _ = ImageEmbedding.objects.of_model(engine.version.model_version).matrix()
    [best] = FreshTail(ids, vectors).search(whole.query, DEPTH)
    truth = {hit.image_id for hit in best}
    answered = {hit.image_id for hit in whole.hits[:DEPTH]}
    assert compare(whole) == (DEPTH, len(truth & answered))
    left = {hit.image_id for hit in whole.hits[3:][:DEPTH]}
    assert compare(sample(engine, lost=3)) == (DEPTH, len(truth & left))
    assert compare(sample(engine, lost=25)) == (DEPTH, 0)


def test_a_picture_of_the_tail_counts_and_a_deleted_one_does_not(engine: SearchEngine) -> None:
    deleted = sample(engine).hits[0].image_id
    fresh = add_picture("red", shade=9)
    run(Job.Kind.EMBED)
    engine_holder._looked_at = 0.0
    query = engine.encode_texts(["red"])
    answered = get_engine().search(query, 25)
    assert fresh.pk in {hit.image_id for hit in answered[:DEPTH]}
    known = Sample(engine.version, get_engine().index, query, answered, None)
    found = compare(known)[1]
    assert found >= DEPTH - 2  # the shades are so near that rounding exchanges some
    Image.objects.get(pk=deleted).delete()
    assert compare(known)[0] == DEPTH
    assert compare(known)[1] >= DEPTH - 2


def test_a_filter_is_kept_to(engine: SearchEngine) -> None:
    allowed = np.sort(np.array([hit.image_id for hit in sample(engine).hits[5:20:2]]))
    query = engine.encode_texts(["red and blue"])
    hits = engine.search(query, 25, allowed_ids=allowed)
    narrowed = Sample(engine.version, engine.index, query, hits, allowed)
    assert compare(narrowed) == (len(allowed), len(allowed))


def test_an_exact_index_is_not_measured(settings: LazySettings, indexed: dict[str, Image]) -> None:
    settings.CONTEXTVISION_RECALL_SAMPLE = 1.0
    search_images(SearchQuery.of("red"), user=None)
    recall_meter.drain()
    assert not RecallTally.objects.exists()


def test_nothing_is_measured_where_that_is_set(
    settings: LazySettings, engine: SearchEngine
) -> None:
    settings.CONTEXTVISION_RECALL_SAMPLE = 0.0
    search_images(SearchQuery.of("red"), user=None)
    recall_meter.drain()
    assert not RecallTally.objects.exists()


def test_samples_are_dropped_while_it_is_busy(
    engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter, going_on = RecallMeter(), threading.Event()
    seen = []

    def wait(taken: Sample) -> None:
        going_on.wait(30)
        seen.append(taken)

    monkeypatch.setattr(meter, "_compare", wait)
    taken = sample(engine)
    for _ in range(50):
        meter.offer(taken)
    going_on.set()
    meter.drain()
    assert 1 <= len(seen) <= 5


def test_a_drop_is_told_once_and_on_the_page(
    engine: SearchEngine, caplog: pytest.LogCaptureFixture, client: Client, staff: User
) -> None:
    poor = sample(engine, lost=4)
    recall_meter.drain()
    for _ in range(ENOUGH - 1):
        RecallTally.objects.add(engine.version, wanted=DEPTH, found=DEPTH - 4)
    meter = RecallMeter()
    with caplog.at_level(logging.WARNING, logger="search.recall"):
        for _ in range(3):
            meter.offer(poor)
            meter.drain()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "nearest pictures" in caplog.text
    client.force_login(staff)
    html = client.get("/status/").content.decode()
    assert "of the nearest pictures; the index was tuned to 0.97" in html
    metrics = client.get("/metrics").content.decode()
    assert "contextvision_recall_is_low 1.0" in metrics


def test_a_figure_near_the_target_is_no_alarm(engine: SearchEngine) -> None:
    for number in range(ENOUGH):
        RecallTally.objects.add(engine.version, wanted=DEPTH, found=DEPTH - (number % 3 == 0))
    recall = RecallTally.objects.lately(engine.version)
    assert recall.share is not None
    assert recall.share < recall.target
    assert not recall.is_low


def test_yesterday_is_forgotten(engine: SearchEngine) -> None:
    long_ago = timezone.now() - timedelta(days=2)
    RecallTally.objects.create(index_version=engine.version, hour=long_ago, searches=9, wanted=90)
    RecallTally.objects.add(engine.version, wanted=DEPTH, found=DEPTH)
    assert RecallTally.objects.get().searches == 1
    other = IndexVersion.objects.exclude(pk=engine.version.pk).get()
    assert RecallTally.objects.lately(other).share is None
