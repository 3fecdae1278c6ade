"""From pictures to a live index, and what happens when something is in the way."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import LazySettings

from gallery.models import Failure, Image, ImageEmbedding, IndexVersion, Job, ModelVersion
from gallery.services import jobs, versions
from gallery.services.maintenance import maintain
from mlcore.errors import IndexFileError
from mlcore.i18n import Message
from mlcore.progress import NoProgress
from tests.encoders import COLOURS, ColourEncoder
from tests.index_files import folder_of
from tests.pictures_of_colours import add_picture, colour_jpeg, index_everything, run

pytestmark = pytest.mark.django_db


def test_every_picture_gets_the_vector_of_its_own_pixels(colours: ColourEncoder) -> None:
    pictures = [add_picture(colour) for colour in COLOURS]
    job = run(Job.Kind.EMBED)
    assert job.result == {"embedded": len(pictures), "failed": 0, "model": "colours"}
    [version] = ModelVersion.objects.all()
    assert (version.fingerprint, version.dim) == (colours.fingerprint, colours.dim)
    ids, vectors, watermark = ImageEmbedding.objects.filter(model_version=version).matrix()
    assert ids.tolist() == [picture.pk for picture in pictures]
    assert vectors.dtype == np.float32
    assert watermark == ImageEmbedding.objects.latest("pk").pk
    assert (vectors @ colours.encode_texts(list(COLOURS)).T).argmax(axis=1).tolist() == list(
        range(len(COLOURS))
    )


def test_embedding_again_makes_nothing_twice(colours: ColourEncoder) -> None:
    add_picture("red")
    run(Job.Kind.EMBED)
    add_picture("blue")
    assert run(Job.Kind.EMBED).result["embedded"] == 1
    assert ImageEmbedding.objects.count() == 2


def test_a_picture_that_cannot_be_read_is_noted_and_left_alone_after_three_failures(
    colours: ColourEncoder,
) -> None:
    lost, good = add_picture("red"), add_picture("blue")
    Path(lost.file.path).unlink()
    for attempt in range(1, Failure.MAX_ATTEMPTS + 1):
        run(Job.Kind.EMBED)
        failure = Failure.objects.get()
        assert failure.image == lost
        assert failure.attempts == attempt
        assert "No such file" in str(failure.reason)
    assert run(Job.Kind.EMBED).result == {"embedded": 0, "failed": 0, "model": "colours"}
    assert ImageEmbedding.objects.get().image == good

    Path(lost.file.path).write_bytes(colour_jpeg("red"))
    retry = jobs.retry_failure(failure)
    run(Job.Kind.EMBED, **retry.params)
    assert not Failure.objects.exists()
    assert ImageEmbedding.objects.count() == 2


def test_a_picture_deleted_while_it_is_embedded_leaves_no_vector(colours: ColourEncoder) -> None:
    stays, goes = add_picture("red"), add_picture("blue")
    version = ModelVersion.objects.for_encoder(colours)
    vectors = colours.encode_texts(["red", "blue"])
    goes_id = goes.pk
    goes.delete()
    assert ImageEmbedding.objects.store(version, [stays.pk, goes_id], vectors) == 1
    assert ImageEmbedding.objects.get().image == stays


def test_an_index_is_built_beside_and_made_live(indexed: dict[str, Image]) -> None:
    live = IndexVersion.objects.active()
    assert live is not None
    assert live.count == len(indexed)
    assert live.manifest["fingerprint"] == live.model_version.fingerprint
    assert (folder_of(live) / "manifest.json").is_file()
    add_picture("red", shade=20)
    index_everything()
    newer = IndexVersion.objects.active()
    assert newer is not None
    assert newer != live
    assert newer.count == len(indexed) + 1
    live.refresh_from_db()
    assert not live.is_active
    assert folder_of(live).is_dir()


def test_old_indexes_are_removed_but_never_the_live_one(
    indexed: dict[str, Image], settings: LazySettings
) -> None:
    settings.CONTEXTVISION_KEEP_INDEXES = 2
    first = IndexVersion.objects.get()
    for _ in range(3):
        run(Job.Kind.INDEX)
    kept = list(IndexVersion.objects.all())
    assert len(kept) == 2
    assert first not in kept
    folders = {path.name for path in Path(settings.INDEX_DIR).iterdir()}
    assert folders == {version.location for version in kept}

    versions.make_active(kept[-1])
    run_job_ids = [run(Job.Kind.INDEX).result["index"] for _ in range(1)]
    live = IndexVersion.objects.active()
    assert live is not None
    assert live.pk == run_job_ids[0]


def test_rolling_back_is_one_flip_and_a_damaged_index_is_not_taken(
    indexed: dict[str, Image],
) -> None:
    first = IndexVersion.objects.get()
    run(Job.Kind.INDEX)
    versions.make_active(first)
    assert IndexVersion.objects.active() == first

    [second] = IndexVersion.objects.filter(is_active=False)
    victim = folder_of(second) / "index.faiss"
    damaged = bytearray(victim.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(bytes(damaged))
    with pytest.raises(IndexFileError, match="damaged"):
        versions.make_active(second)
    assert IndexVersion.objects.active() == first


def test_a_build_that_was_overtaken_steps_back(
    indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlcore.index import VectorIndex

    first = IndexVersion.objects.get()
    run(Job.Kind.INDEX)
    save = VectorIndex.save

    def overtaken(index: VectorIndex, directory: Path, **named: Any) -> object:
        versions.make_active(first)
        return save(index, directory, **named)

    monkeypatch.setattr(VectorIndex, "save", overtaken)
    before = IndexVersion.objects.count()
    assert run(Job.Kind.INDEX).result == {"superseded": True}
    assert IndexVersion.objects.active() == first
    assert IndexVersion.objects.count() == before
    assert len(list(folder_of(first).parent.iterdir())) == before


def test_nothing_embedded_is_said_in_words(colours: ColourEncoder) -> None:
    job = jobs.run_here(Job.Kind.INDEX, {}, watcher=NoProgress())
    assert job.status == Job.Status.FAILED
    assert not job.is_defect
    assert "no vectors" in str(job.error)


class TestMaintenance:
    def kinds(self) -> list[str]:
        return [job.kind for job in Job.objects.order_by("pk")]

    def test_a_fresh_gallery_is_embedded_and_then_indexed(self, colours: ColourEncoder) -> None:
        maintain()
        assert self.kinds() == []
        add_picture("red")
        maintain()
        maintain()
        assert self.kinds() == ["embed"]
        run(Job.Kind.EMBED, **Job.objects.get().params)
        Job.objects.all().delete()
        maintain()
        assert self.kinds() == ["index"]

    def test_a_long_tail_queues_a_rebuild(
        self, indexed: dict[str, Image], settings: LazySettings
    ) -> None:
        settings.CONTEXTVISION_TAIL_LIMIT = 1
        for shade in (10, 20):
            add_picture("red", shade=shade)
        run(Job.Kind.EMBED)
        Job.objects.all().delete()
        maintain()
        assert self.kinds() == ["index"]

    def test_after_a_failure_a_person_looks_first(self, colours: ColourEncoder) -> None:
        add_picture("red")
        Job.objects.create(kind=Job.Kind.EMBED, status=Job.Status.FAILED, error=Message("no model"))
        maintain()
        assert self.kinds() == ["embed"]
