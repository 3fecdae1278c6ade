"""A fine-tune from the request to a candidate that was compared with the live model."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from gallery.models import Evaluation, Image, IndexVersion, Job, ModelVersion
from gallery.pipelines.captioned import Side, on_side, side_of
from gallery.services import jobs, training
from gallery.services.training import TrainingParams, gallery_counts, request_training
from mlcore.errors import TrainingError
from mlcore.progress import NoProgress
from tests.pictures_of_colours import add_picture, run
from tests.tuning import SANE, WRECKING, captioned_gallery, trained

pytestmark = pytest.mark.django_db


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
    assert candidate.data["pictures"] + job.result["left out"] == gallery_counts().training
    assert len(candidate.data["sha256"]) == 64
    assert job.result["held out"] == 16
    assert candidate.load_encoder().fingerprint == candidate.fingerprint
    # Nothing that is live has changed.
    index = IndexVersion.objects.get()
    assert index.is_active
    assert index.model_version == live

    measured = Evaluation.objects.values_list("model_version", "queries", "gallery")
    assert sorted(measured) == sorted([(live.pk, 16, 16), (candidate.pk, 16, 16)])
    assert candidate.verdict["live"] == live.fingerprint
    checks = {check["name"]: check["passed"] for check in candidate.verdict["checks"]}
    assert checks == {"held-out pictures": True, "general set": None}
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
    assert "held-out queries its hit rate at 5 is" in reason
    assert "less than" in reason


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
    trained()
    assert not left.exists()
    assert somebodys.is_dir()


def test_diverged_numbers_are_told_and_leave_nothing(
    live: ModelVersion, settings: LazySettings
) -> None:
    params = {"tune": "all", "recipe": SANE | {"learning_rate": 1e30}}
    job = jobs.run_here(Job.Kind.TRAIN, params, watcher=NoProgress())
    assert job.status == Job.Status.FAILED
    assert not job.is_defect
    assert "step" in job.error
    assert [path.name for path in Path(settings.MODELS_DIR).iterdir()] == [".features"]


def test_a_training_that_changes_nothing_says_so(live: ModelVersion) -> None:
    params = {"tune": "all", "recipe": SANE | {"learning_rate": 1e-30, "weight_decay": 0.0}}
    job = jobs.run_here(Job.Kind.TRAIN, params, watcher=NoProgress())
    assert job.status == Job.Status.FAILED
    assert "changed nothing" in job.error


class TestSides:
    def test_a_picture_never_changes_side(self, db: None) -> None:
        pictures = [add_picture("red", shade=shade, captions=("red",)) for shade in range(40)]
        sides = {picture.pk: self.side(picture) for picture in pictures}
        assert set(sides.values()) == {Side.TRAINING, Side.VALIDATION, Side.HELD_OUT}
        add_picture("blue", captions=("blue",))
        for side in (Side.TRAINING, Side.VALIDATION, Side.HELD_OUT):
            names = {image.name for image in on_side(side).data}
            assert {f"picture {pk}" for pk, its in sides.items() if its == side} <= names

    def side(self, picture: Image) -> Side:
        return side_of(picture.split, picture.sha256, own_held_out=False)

    def test_a_data_sets_own_parts_are_respected(self, db: None) -> None:
        captioned_gallery()
        counts = gallery_counts()
        assert counts.held_out == 16
        assert counts.training + counts.validation == 80
        assert 1 <= counts.validation <= 20
        assert side_of("test", "00" * 32, own_held_out=True) == Side.UNUSED

    def test_pictures_of_later_are_left_out_where_it_is_asked(self, db: None) -> None:
        captioned_gallery()
        first = on_side(Side.HELD_OUT)
        latest = Image.objects.order_by("pk").last()
        assert latest is not None
        later = add_picture("red", shade=99, captions=("red",))
        Image.objects.filter(pk=later.pk).update(split="val")
        assert len(on_side(Side.HELD_OUT).data) == len(first.data) + 1
        again = on_side(Side.HELD_OUT, until=latest.created_at)
        assert again.sha256 == first.sha256

    def test_the_recipe_fields_exist(self) -> None:
        from dataclasses import fields

        from mlcore.training import TrainConfig

        assert set(training.RECIPE_FIELDS) <= {field.name for field in fields(TrainConfig)}
