"""Chunks of an embedding: who gets what, and what counts."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from itertools import chain, pairwise
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now
from PIL.Image import Image as PillowImage

from gallery import tasks
from gallery.models import (
    EmbeddingChunk,
    EmbeddingPlan,
    Failure,
    Image,
    ImageEmbedding,
    Job,
    MaintenanceTurn,
    ModelVersion,
)
from gallery.models import chunk as chunks
from gallery.pipelines.chunks import ChunkLostError, embed_chunk
from gallery.pipelines.embedding import help_embedding
from gallery.services import jobs
from mlcore.config import FloatMatrix
from mlcore.progress import NoProgress
from tests.encoders import ColourEncoder
from tests.pictures_of_colours import add_many, colour_jpeg, run

pytestmark = pytest.mark.django_db

SIZE = 4


@pytest.fixture
def pictures(colours: ColourEncoder, monkeypatch: pytest.MonkeyPatch) -> list[Image]:
    monkeypatch.setattr(chunks, "CHUNK", SIZE)
    return add_many(10)


@pytest.fixture
def plan(pictures: list[Image], colours: ColourEncoder) -> EmbeddingPlan:
    """The plan of a job that another process leads."""
    job = Job.objects.create(kind=Job.Kind.EMBED, status=Job.Status.RUNNING)
    return EmbeddingPlan.objects.begin(job, ModelVersion.objects.for_encoder(colours))


def claimed(plan: EmbeddingPlan, worker: str = "a") -> EmbeddingChunk:
    chunk = plan.claim(worker)
    assert chunk is not None
    return chunk


def lose(chunk: EmbeddingChunk) -> None:
    EmbeddingChunk.objects.filter(pk=chunk.pk).update(lease_until=Now() - timedelta(seconds=1))


def embedded(chunk: EmbeddingChunk, encoder: ColourEncoder) -> None:
    embed_chunk(chunk, encoder, NoProgress(), lambda _: None)


def in_chunk(chunk: EmbeddingChunk, pictures: list[Image]) -> list[Image]:
    return [picture for picture in pictures if chunk.first <= picture.pk <= chunk.last]


def with_vectors() -> list[int]:
    return sorted(ImageEmbedding.objects.values_list("image_id", flat=True))


def test_every_picture_is_handed_out_once(plan: EmbeddingPlan, pictures: list[Image]) -> None:
    handed = [in_chunk(claimed(plan), pictures) for _ in range(3)]
    assert [len(each) for each in handed] == [4, 4, 2]
    assert list(chain(*handed)) == pictures
    assert plan.claim("a") is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.requires_postgres
def test_many_that_ask_at_once_get_different_pictures(plan: EmbeddingPlan) -> None:
    taken: list[EmbeddingChunk | None] = []
    start = threading.Barrier(6)

    def claim() -> None:
        start.wait()
        taken.append(EmbeddingPlan.objects.get(pk=plan.pk).claim("a"))
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ranges = sorted((chunk.first, chunk.last) for chunk in taken if chunk)
    assert len(ranges) == 3
    assert all(before[1] < after[0] for before, after in pairwise(ranges))


def test_the_chunk_of_a_lost_worker_is_taken_up_first_and_from_where_it_stood(
    plan: EmbeddingPlan, pictures: list[Image], colours: ColourEncoder
) -> None:
    lost = claimed(plan)
    vectors = colours.encode_texts(["red", "blue"])
    ImageEmbedding.objects.store(plan.model_version, [p.pk for p in pictures[:2]], vectors)
    assert lost.settle(pictures[1].pk, embedded=2, failed=0)
    assert in_chunk(claimed(plan, "b"), pictures) == pictures[4:8]
    lose(lost)
    again = claimed(plan, "b")
    assert (again.pk, again.deaths) == (lost.pk, 1)
    assert in_chunk(again, pictures) == pictures[2:4]
    embedded(again, colours)
    assert with_vectors() == [picture.pk for picture in pictures[:4]]
    assert plan.tally().done == 4


def test_whoever_lost_a_chunk_changes_nothing_any_more(
    plan: EmbeddingPlan, pictures: list[Image], colours: ColourEncoder
) -> None:
    slow = claimed(plan)

    class Overtaken(ColourEncoder):
        """So slow that another worker has the chunk before the vectors are there."""

        def encode_images(self, images: Sequence[PillowImage]) -> FloatMatrix:
            lose(slow)
            assert claimed(plan, "b").pk == slow.pk
            return super().encode_images(images)

    with pytest.raises(ChunkLostError):
        embedded(slow, Overtaken())
    assert with_vectors() == []
    slow.finish()
    other = plan.chunks.get()
    assert (other.worker, other.first) == ("b", slow.first)
    embedded(other, colours)
    assert plan.tally().done == 4


def test_what_is_given_back_counts_no_death(plan: EmbeddingPlan) -> None:
    chunk = claimed(plan)
    assert chunk.give_back()
    assert not chunk.beat(), "it is not its own any more"
    again = claimed(plan, "b")
    assert (again.pk, again.deaths) == (chunk.pk, 0)


def test_after_two_deaths_the_picture_in_hand_is_set_aside_alone(
    plan: EmbeddingPlan, pictures: list[Image], colours: ColourEncoder
) -> None:
    chunk = claimed(plan)
    for _ in range(2):
        lose(chunk)
        chunk = claimed(plan)
    embedded(chunk, colours)
    failure = Failure.objects.get()
    assert (failure.image, failure.attempts) == (pictures[0], Failure.MAX_ATTEMPTS)
    assert with_vectors() == [picture.pk for picture in pictures[1:4]]
    assert plan.tally().done == 4


def test_a_helper_does_what_is_left_and_leaves_the_end_to_the_leader(
    plan: EmbeddingPlan, pictures: list[Image]
) -> None:
    held = claimed(plan, "leader")
    help_embedding(plan.job_id)
    assert with_vectors() == [picture.pk for picture in pictures[4:]]
    assert list(plan.chunks.all()) == [held]
    assert plan.tally() == (6, 10, 1)
    plan.job.refresh_from_db()
    assert plan.job.status == Job.Status.RUNNING


def test_a_helper_begins_nothing_for_a_job_that_is_to_stop(plan: EmbeddingPlan) -> None:
    plan.job.cancel()
    help_embedding(plan.job_id)
    assert with_vectors() == []


def test_a_run_goes_on_with_the_plan_of_the_one_before(
    plan: EmbeddingPlan, pictures: list[Image], colours: ColourEncoder
) -> None:
    embedded(claimed(plan), colours)
    lose(claimed(plan))
    again = EmbeddingPlan.objects.begin(plan.job, plan.model_version)
    assert again == plan
    assert again.tally() == (4, 10, 0)


def test_a_file_that_is_not_the_one_taken_in_is_not_embedded(pictures: list[Image]) -> None:
    original = Path(pictures[3].file.path)
    bytes_before = original.read_bytes()
    original.write_bytes(colour_jpeg("pink", shade=99))
    result = run(Job.Kind.EMBED).result
    assert (result["embedded"], result["failed"]) == (9, 1)
    failure = Failure.objects.get()
    assert failure.image == pictures[3]
    assert "SHA-256" in str(failure.reason)
    original.write_bytes(bytes_before)
    assert run(Job.Kind.EMBED).result["embedded"] == 1
    assert not Failure.objects.exists()


class TestInvitations:
    @pytest.fixture(autouse=True)
    def _pulses(self) -> None:
        from gallery.models import WorkerPulse

        WorkerPulse.objects.beat("a@test", "default, embed")
        WorkerPulse.objects.beat("b@test", "embed")
        WorkerPulse.objects.beat("c@test", "train")

    @pytest.fixture
    def invited(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        sent: list[int] = []
        monkeypatch.setattr(
            tasks.help_embedding, "apply_async", lambda args, **_: sent.append(*args)
        )
        return sent

    def test_everybody_who_listens_is_asked(self, plan: EmbeddingPlan, invited: list[int]) -> None:
        assert jobs.invite_helpers() == 2
        assert invited == [plan.job_id] * 2

    def test_nobody_is_asked_for_what_one_has_in_hand(
        self, plan: EmbeddingPlan, invited: list[int], colours: ColourEncoder
    ) -> None:
        for _ in range(2):
            embedded(claimed(plan), colours)
        assert jobs.invite_helpers() == 0


def test_maintenance_is_done_once_in_each_interval() -> None:
    assert MaintenanceTurn.objects.take()
    assert not MaintenanceTurn.objects.take()
    MaintenanceTurn.objects.update(taken_at=Now() - timedelta(seconds=10))
    assert MaintenanceTurn.objects.take()
    assert not MaintenanceTurn.objects.take()
