"""A fine-tune from the request to a candidate that was compared with the live model."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from gallery.models import Collection, Evaluation, Image, IndexVersion, Job, ModelVersion
from gallery.pipelines.captioned import Partition, in_partition, partition_of
from gallery.services import jobs
from gallery.services.training import TrainingParams, gallery_counts, request_training
from mlcore.errors import TrainingError
from mlcore.progress import NoProgress
from tests.pictures_of_colours import add_picture, run
from tests.tuning import SANE, WRECKING, captioned_gallery, trained

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


@pytest.mark.also_on_postgres
def test_a_training_ends_as_a_candidate_with_all_that_is_known_about_it(
    live: ModelVersion,
) -> None:
    job = run(Job.Kind.TRAIN, name="Colours again", tune="all", recipe=SANE)
    candidate = ModelVersion.objects.get(pk=job.result["model"])
    assert candidate.name == "Colours again"
    assert (candidate.origin, candidate.parent, candidate.job) == ("trained", live, job)
    assert candidate.state == "candidate"
    assert candidate.fingerprint != live.fingerprint
    assert candidate.recipe["learning_rate"] == SANE["learning_rate"]
    assert candidate.data["pictures"] + job.result["left_out"] == gallery_counts().train
    assert len(candidate.data["sha256"]) == 64
    assert job.result["test"] == 16
    assert candidate.load_encoder().fingerprint == candidate.fingerprint
    # Nothing that is live has changed.
    index = IndexVersion.objects.get()
    assert index.is_active
    assert index.model_version == live

    measured = Evaluation.objects.values_list("model_version", "queries", "gallery")
    assert sorted(measured) == sorted([(live.pk, 16, 16), (candidate.pk, 16, 16)])
    assert candidate.verdict["live"] == live.fingerprint
    checks = {check["name"]: check["passed"] for check in candidate.verdict["checks"]}
    assert checks == {"test": True, "general_set": None}
    assert job.result["gate"] == "passed"

    points = list(job.metrics.all())
    kinds = [point.values["kind"] for point in points]
    assert kinds.count("epoch") == SANE["epochs"]
    assert {"loss", "temperature", "learning_rate", "hit_rate@5"} <= set(points[-1].values)
    assert {path.name for path in Path(candidate.reference).parent.iterdir()} == {
        ".features",
        Path(candidate.reference).name,
    }


def test_a_wrecking_rate_makes_a_candidate_that_the_gate_fails(live: ModelVersion) -> None:
    job = run(Job.Kind.TRAIN, tune="all", recipe=WRECKING)
    assert job.result["gate"] == "failed"
    [reason] = job.result["reasons"]
    assert reason["code"] == "gate.test_failed"
    assert reason["params"]["candidate"] < reason["params"]["limit"]


def test_words_alone_keep_every_stored_vector(live: ModelVersion) -> None:
    candidate = trained(tune="text")
    assert candidate.fingerprint != live.fingerprint
    assert candidate.image_fingerprint == live.image_fingerprint
    assert candidate.vectors_version == live
    assert not Image.objects.missing_embeddings(candidate).exists()
    other = trained(tune="all")
    assert other.vectors_version == other
    assert Image.objects.missing_embeddings(other).count() == Image.objects.count()


def test_what_cannot_be_trained_is_refused_before_a_job_is_queued(live: ModelVersion) -> None:
    for params, words in (
        (TrainingParams(base=999), "no model 999"),
        (TrainingParams(recipe={"device": "cuda"}), "device cannot be set"),
        (TrainingParams(recipe={"learning_rate": -1.0}), "learning_rate must be above 0"),
        (TrainingParams(collection="Nothing"), "There are 0 captioned pictures"),
    ):
        with pytest.raises(TrainingError, match=words):
            request_training(params, user=None)
    assert not Job.objects.filter(kind=Job.Kind.TRAIN).exists()
    job = request_training(TrainingParams(tune="all", recipe=SANE), user=None)
    assert job.status == Job.Status.QUEUED
    assert job.params == {
        "name": "", "base": None, "collection": "", "tune": "all", "recipe": SANE,
    }  # fmt: skip


def test_a_cancelled_training_leaves_nothing(live: ModelVersion, settings: LazySettings) -> None:
    class Impatient(NoProgress):
        steps = 0

        def measured(self, values: object) -> None:
            self.steps += 1

        def should_stop(self) -> bool:
            return self.steps > 2

    params = {"tune": "all", "recipe": SANE | {"epochs": 50}}
    job = jobs.run_here(Job.Kind.TRAIN, params, watcher=Impatient())
    assert job.status == Job.Status.CANCELLED
    assert ModelVersion.objects.count() == 1
    assert [path.name for path in Path(settings.MODELS_DIR).iterdir()] == [".features"]


def test_what_a_run_that_was_given_up_left_is_removed(
    live: ModelVersion, settings: LazySettings
) -> None:
    models = Path(settings.MODELS_DIR)
    left, somebodys = models / f"{'ab' * 16}.partial", models / "by-hand.partial"
    for folder in (left, somebodys):
        folder.mkdir(parents=True)
    run(Job.Kind.TRAIN, tune="all", recipe=SANE)
    assert not left.exists()
    assert somebodys.is_dir()


def test_diverged_numbers_are_told_and_leave_nothing(
    live: ModelVersion, settings: LazySettings
) -> None:
    params = {"tune": "all", "recipe": SANE | {"learning_rate": 1e30}}
    job = jobs.run_here(Job.Kind.TRAIN, params, watcher=NoProgress())
    assert job.status == Job.Status.FAILED
    assert not job.is_defect
    assert "step" in str(job.error)
    assert [path.name for path in Path(settings.MODELS_DIR).iterdir()] == [".features"]


def test_a_training_that_changes_nothing_says_so(live: ModelVersion) -> None:
    params = {"tune": "all", "recipe": SANE | {"learning_rate": 1e-30, "weight_decay": 0.0}}
    job = jobs.run_here(Job.Kind.TRAIN, params, watcher=NoProgress())
    assert job.status == Job.Status.FAILED
    assert "changed nothing" in str(job.error)


@pytest.mark.also_on_postgres
class TestPartitions:
    def test_a_picture_never_changes_its_partition(self, db: None) -> None:
        pictures = [add_picture("red", shade=shade, captions=("red",)) for shade in range(40)]
        own = {picture.pk: partition_of("", picture.sha256, {""}) for picture in pictures}
        assert set(own.values()) == set(Partition)
        add_picture("blue", captions=("blue",))
        for partition in Partition:
            names = {image.name for image in in_partition(partition).data}
            assert {str(pk) for pk, its in own.items() if its == partition} <= names

    @pytest.mark.parametrize(
        ("splits", "train", "validation", "test"),
        [
            ({"train", "validation", "test"}, {"train"}, {"validation"}, {"test"}),
            ({"train", "test"}, {"train", "validation"}, set(), {"test"}),
            ({"train", "validation"}, {"train"}, {"validation", "test"}, set()),
            ({"train"}, {"train", "validation", "test"}, set(), set()),
        ],
    )
    def test_what_a_data_set_lacks_is_taken_from_what_it_has(
        self, splits: set[str], train: set[str], validation: set[str], test: set[str]
    ) -> None:
        for split, wanted in (("train", train), ("validation", validation), ("test", test)):
            if split in splits:
                places = (f"{place:02x}" * 32 for place in range(256))
                assert {partition_of(split, place, splits) for place in places} == wanted

    def test_a_data_sets_own_splits_are_respected(self, db: None) -> None:
        captioned_gallery()
        counts = gallery_counts()
        assert counts.test == 16
        assert counts.train + counts.validation == 80
        assert 1 <= counts.validation <= 20

    def test_a_collection_is_in_the_same_partitions_as_in_the_whole_gallery(self, db: None) -> None:
        captioned_gallery()
        shelf = Collection.objects.create(name="shelf")
        for shade in range(100, 140):
            picture = add_picture("red", shade=shade, captions=("red",))
            Image.objects.filter(pk=picture.pk).update(collection=shelf, split="train")
        for partition in Partition:
            alone = {image.name for image in in_partition(partition, "shelf").data}
            assert alone <= {image.name for image in in_partition(partition).data}
        assert gallery_counts("shelf").test > 0

    def test_pictures_of_later_are_left_out_where_it_is_asked(self, db: None) -> None:
        captioned_gallery()
        first = in_partition(Partition.TEST)
        latest = Image.objects.order_by("pk").last()
        assert latest is not None
        later = add_picture("red", shade=99, captions=("red",))
        Image.objects.filter(pk=later.pk).update(split="test")
        assert len(in_partition(Partition.TEST).data) == len(first.data) + 1
        again = in_partition(Partition.TEST, until=latest.created_at)
        assert again.sha256 == first.sha256
