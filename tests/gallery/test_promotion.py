"""The gate, going live, and the way back."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User

from gallery.jobs.runner import run_job
from gallery.models import Image, ImageEmbedding, IndexVersion, Job, ModelVersion, Promotion
from gallery.pipelines import indexing, promotion, relevance_checks
from gallery.services import jobs, query_sets, versions
from gallery.services.query_sets import DraftQuery, QuerySetError
from gallery.services.versions import PromotionRefusedError, RollbackError
from mlcore.errors import IndexFileError
from mlcore.evaluation.gate import Check, Verdict, not_checked
from mlcore.i18n import Message
from mlcore.progress import NoProgress
from mlcore.relevance import RelevanceModel
from mlcore.relevance.model import Weights
from tests.index_files import folder_of, load_files
from tests.pictures_of_colours import add_picture, colour_jpeg, run
from tests.tuning import WRECKING, captioned_gallery, trained

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def live_index() -> IndexVersion:
    live = IndexVersion.objects.active()
    assert live is not None
    return live


def attempt(model: ModelVersion, **params: Any) -> Job:
    return jobs.run_here(Job.Kind.PROMOTE, {"model": model.pk, **params}, watcher=NoProgress())


def promoted(model: ModelVersion, **params: Any) -> Promotion:
    job = attempt(model, **params)
    assert job.status == Job.Status.SUCCEEDED, job.error
    return Promotion.objects.get(pk=job.result["promotion"])


@pytest.mark.also_on_postgres
def test_a_sane_candidate_goes_live_with_everything_embedded(live: ModelVersion) -> None:
    before = live_index()
    candidate = trained()
    done = promoted(candidate)
    assert live_index().model_version == candidate
    assert live_index().count == Image.objects.count()
    assert not Image.objects.missing_embeddings(candidate).exists()
    assert (done.kind, done.model_version, done.former_model) == ("promotion", candidate, live)
    assert (done.index_version, done.former_index) == (live_index(), before)
    assert done.verdict["passed"]
    assert done.override_reason == ""
    assert Job.objects.get(kind=Job.Kind.PROMOTE).percent == 100
    candidate.refresh_from_db()
    assert (candidate.state, live.state) == ("live", "former")


def test_a_candidate_that_is_sure_of_everything_is_refused(
    live: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = trained()
    done = promoted(candidate)
    told = {check["kind"]: check for check in done.verdict["checks"]}
    assert told["calibration"]["passed"] is told["nonsense"]["passed"] is None
    assert "needed to tell" in str(Message.from_json(told["nonsense"]["message"]))
    versions.rollback(user=None)
    monkeypatch.setattr(relevance_checks, "LEAST_PICTURES", 5)
    sure = RelevanceModel({("picture",): Weights(50.0, {"picture": 1.0})}, source="fitted")
    ModelVersion.objects.filter(pk=candidate.pk).update(relevance=sure.to_json())
    job = attempt(candidate)
    assert job.status == Job.Status.FAILED
    assert "its Brier score is" in str(job.error)
    candidate.refresh_from_db()
    told = {check["kind"]: check for check in candidate.verdict["checks"]}
    assert told["calibration"]["passed"] is False
    assert told["nonsense"]["candidate"] == 1
    assert live_index().model_version == live


def test_a_wrecked_candidate_is_refused_and_told_why(live: ModelVersion) -> None:
    candidate = trained(WRECKING)
    job = attempt(candidate)
    assert job.status == Job.Status.FAILED
    assert not job.is_defect
    assert "is not promoted. On 16 test queries its hit rate at 5 is" in str(job.error)
    assert live_index().model_version == live
    assert not ImageEmbedding.objects.of_model(candidate).exists(), "refused before any work"
    with pytest.raises(PromotionRefusedError, match="test queries"):
        versions.request_promotion(candidate, user=None)
    assert Job.objects.filter(kind=Job.Kind.PROMOTE, status=Job.Status.QUEUED).count() == 0


def test_an_override_needs_a_reason_which_is_kept(live: ModelVersion, staff: User) -> None:
    candidate = trained(WRECKING)
    job = versions.request_promotion(candidate, user=staff, override_reason=" A demonstration. ")
    assert job.params == {"model": candidate.pk, "override_reason": "A demonstration."}
    again = versions.request_promotion(candidate, user=staff, override_reason="A demonstration.")
    assert again == job, "one that is under way serves as well"
    with pytest.raises(PromotionRefusedError, match="without this reason"):
        versions.request_promotion(candidate, user=staff, override_reason="Another one.")
    jobs.cancel(job)
    done = promoted(candidate, override_reason="A demonstration.")
    assert done.override_reason == "A demonstration."
    assert not done.verdict["passed"]
    assert live_index().model_version == candidate


def test_a_reason_that_was_not_needed_is_not_kept(live: ModelVersion) -> None:
    assert promoted(trained(), override_reason="To be safe.").override_reason == ""


def test_what_is_live_is_not_promoted_again(live: ModelVersion) -> None:
    with pytest.raises(PromotionRefusedError, match="live already"):
        versions.request_promotion(live, user=None)
    assert "live already" in str(attempt(live).error)


def test_words_alone_go_live_without_a_new_vector(live: ModelVersion) -> None:
    rows = list(ImageEmbedding.objects.order_by("pk").values_list("pk", "vector"))
    before = load_files(live_index())
    candidate = trained(tune="text")
    done = promoted(candidate)
    assert done.job is not None
    assert done.job.result["embedded"] == 0
    assert list(ImageEmbedding.objects.order_by("pk").values_list("pk", "vector")) == rows
    after = load_files(live_index())
    assert after.fingerprint == candidate.fingerprint != before.fingerprint
    assert (after.vectors_of(after.ids) == before.vectors_of(before.ids)).all()
    # The next picture is embedded once, and both models know it.
    picture = add_picture("red", shade=3)
    run(Job.Kind.EMBED)
    assert ImageEmbedding.objects.of_model(live).filter(image=picture).count() == 1
    assert not Image.objects.missing_embeddings(live).exists()


def test_the_model_that_was_compared_with_must_still_be_live(
    live: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate, other = trained(), trained({"epochs": 1, "batch_size": 16})
    build = indexing.build_index

    def overtaken(version: ModelVersion, progress: Any) -> IndexVersion:
        built = build(version, progress)
        if version == candidate:
            promoted(other)
        return built

    monkeypatch.setattr(promotion, "build_index", overtaken)
    job = attempt(candidate)
    assert "Another model was made live meanwhile" in str(job.error)
    assert live_index().model_version == other
    assert not IndexVersion.objects.filter(model_version=candidate).exists()


def test_a_rebuild_of_the_live_index_does_not_stop_a_promotion(
    live: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = trained()
    build = indexing.build_index

    def meanwhile(version: ModelVersion, progress: Any) -> IndexVersion:
        built = build(version, progress)
        run(Job.Kind.INDEX)
        return built

    monkeypatch.setattr(promotion, "build_index", meanwhile)
    done = promoted(candidate)
    assert done.former_index != IndexVersion.objects.earliest("pk")
    assert live_index().model_version == candidate


def test_a_picture_that_comes_in_during_a_promotion_is_found_at_once(
    live: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = trained()
    build = indexing.build_index

    def meanwhile(version: ModelVersion, progress: Any) -> IndexVersion:
        built = build(version, progress)
        add_picture("red", shade=3)
        return built

    monkeypatch.setattr(promotion, "build_index", meanwhile)
    promoted(candidate)
    assert not Image.objects.missing_embeddings(candidate).exists()
    tail = ImageEmbedding.objects.later_than(candidate, live_index().watermark)
    assert [row.image.title for row in tail] == ["red-3"]


def test_a_run_that_was_cut_off_after_the_flip_is_done(live: ModelVersion) -> None:
    candidate = trained()
    done = promoted(candidate)
    assert done.job_id is not None
    Job.objects.filter(pk=done.job_id).update(status=Job.Status.QUEUED, result={}, token=None)
    run_job(done.job_id)
    job = Job.objects.get(pk=done.job_id)
    assert (job.status, job.result["promotion"]) == (Job.Status.SUCCEEDED, done.pk)
    assert Promotion.objects.count() == 1


class TestGeneralSet:
    def test_forgetting_is_noticed(
        self, live: ModelVersion, settings: LazySettings, tmp_path: Path
    ) -> None:
        """Held-out pictures of a narrow collection say nothing; the general set does."""
        general = tmp_path / "general"
        general.mkdir()
        lines = []
        for colour in ("red", "green", "blue", "yellow", "pink", "cyan", "purple", "orange"):
            (general / f"{colour}.jpg").write_bytes(colour_jpeg(colour, shade=12))
            lines.append(f'{{"file_name": "{colour}.jpg", "text": "{colour}"}}')
        (general / "metadata.jsonl").write_text("\n".join(lines))
        settings.CONTEXTVISION_GENERAL_SET = str(general)
        job = run(Job.Kind.TRAIN, tune="all", recipe=WRECKING)
        assert "gate.general_set_failed" in {reason["code"] for reason in job.result["reasons"]}
        assert trained().verdict["passed"]

    def test_one_that_is_not_there_is_noticed_before_any_training(
        self, live: ModelVersion, settings: LazySettings, tmp_path: Path
    ) -> None:
        settings.CONTEXTVISION_GENERAL_SET = str(tmp_path / "nothing")
        job = jobs.run_here(Job.Kind.TRAIN, {"tune": "all"}, watcher=NoProgress())
        assert "there is no such file or folder" in str(job.error)
        assert not job.metrics.exists()


class TestQuerySets:
    def save(self, colour: str, name: str = "Ours", **fields: Any) -> Any:
        relevant = [image.pk for image in Image.objects.filter(title__startswith=colour)]
        draft = [DraftQuery(colour, relevant)]
        return query_sets.save(None, name=name, queries=draft, user=None, **fields)

    def test_a_candidate_is_asked_them_and_refused_where_it_is_worse(
        self, live: ModelVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        candidate = trained(WRECKING)
        for colour in ("red", "green", "blue", "pink"):
            self.save(colour, name=f"Our {colour}")
        # As if the test pictures had told nothing, so that the team's own queries decide.
        monkeypatch.setattr(promotion, "judge", lambda *_: Verdict((self.nothing(),)))
        job = attempt(candidate)
        assert job.status == Job.Status.FAILED
        assert "On the query set “Our " in str(job.error)
        assert live_index().model_version == live
        candidate.refresh_from_db()
        names = {check["name"] for check in candidate.verdict["checks"]}
        assert {"Our red", "Our green", "Our blue", "Our pink"} <= names

    def nothing(self) -> Check:
        return not_checked("test", Message.of("gate.no_general_set"))

    def test_a_candidate_that_is_as_good_passes(self, live: ModelVersion) -> None:
        self.save("red")
        done = promoted(trained())
        [check] = [check for check in done.verdict["checks"] if check["name"] == "Ours"]
        assert check["passed"]
        assert check["live"] == check["candidate"] == 1.0

    def test_a_set_whose_pictures_are_gone_is_not_checked(self, live: ModelVersion) -> None:
        picture = add_picture("red", shade=3)
        run(Job.Kind.EMBED)
        query_sets.save(None, name="Lost", queries=[DraftQuery("red", [picture.pk])], user=None)
        picture.delete()
        done = promoted(trained())
        [check] = [check for check in done.verdict["checks"] if check["name"] == "Lost"]
        assert check["passed"] is None

    @pytest.mark.also_on_postgres
    def test_what_cannot_be_kept_is_refused(self, db: None) -> None:
        captioned_gallery()
        good = [DraftQuery("red", [Image.objects.earliest("pk").pk])]
        kept = query_sets.save(None, name="Ours", queries=good, user=None)
        for change, words in (
            ({"name": " "}, "needs a name"),
            ({"name": "Ours"}, "already"),
            ({"queries": []}, "at least one query"),
            ({"queries": [DraftQuery(" ", [1])]}, "no words"),
            ({"queries": [DraftQuery("red", [])]}, "names no picture"),
            ({"queries": [DraftQuery("red", [10**9])]}, "do not exist: 1000000000"),
            ({"tolerance": 1.5}, "from 0 to 1"),
        ):
            values: dict[str, Any] = {"name": "Others", "queries": good, "user": None, **change}
            with pytest.raises(QuerySetError, match=words):
                query_sets.save(None, **values)
        query_sets.save(kept, name="Ours", tolerance=0.1, queries=good * 2, user=None)
        kept.refresh_from_db()
        assert (kept.tolerance, kept.queries.count()) == (0.1, 2)
        query_sets.delete(kept)


class TestRollback:
    def test_it_goes_back_one_model_at_a_time_and_never_forth(self, live: ModelVersion) -> None:
        with pytest.raises(RollbackError, match="nothing to go back to"):
            versions.rollback(user=None)
        first, second = trained(), trained({"epochs": 1, "batch_size": 16})
        promoted(first)
        assert second.verdict["live"] == live.fingerprint
        promoted(second)
        second.refresh_from_db()
        assert second.verdict["live"] == first.fingerprint, "compared with what is live now"
        for former in (first, live):
            previous = versions.previous_index()
            assert previous is not None
            assert previous.model_version == former
            assert versions.rollback(user=None) == previous == live_index()
        with pytest.raises(RollbackError):
            versions.rollback(user=None)
        kinds = list(Promotion.objects.order_by("pk").values_list("kind", flat=True))
        assert kinds == ["promotion", "promotion", "rollback", "rollback"]

    def test_rebuilds_do_not_push_out_what_it_goes_back_to(
        self, live: ModelVersion, settings: LazySettings
    ) -> None:
        settings.CONTEXTVISION_KEEP_INDEXES = 2
        candidate = trained()
        promoted(candidate)
        for _ in range(3):
            run(Job.Kind.INDEX)
        assert IndexVersion.objects.count() == 2
        assert versions.rollback(user=None).model_version == live

    def test_files_that_are_gone_are_noticed_first(self, live: ModelVersion) -> None:
        promoted(trained())
        previous = versions.previous_index()
        assert previous is not None
        (folder_of(previous) / "ids.npy").unlink()
        with pytest.raises(IndexFileError, match=r"ids\.npy"):
            versions.rollback(user=None)
        assert live_index() != previous


class TestPruning:
    @pytest.mark.also_on_postgres
    def test_vectors_go_with_the_last_index_of_their_model(
        self, live: ModelVersion, settings: LazySettings
    ) -> None:
        settings.CONTEXTVISION_KEEP_INDEXES = 2
        first = trained()
        promoted(first)
        assert ImageEmbedding.objects.of_model(live).exists()
        promoted(trained({"epochs": 1, "batch_size": 16}))
        assert IndexVersion.objects.count() == 2
        assert not ImageEmbedding.objects.of_model(live).exists()
        assert ImageEmbedding.objects.of_model(first).count() == Image.objects.count()
        assert live.state == "known"

    def test_shared_vectors_stay_while_one_model_needs_them(
        self, live: ModelVersion, settings: LazySettings
    ) -> None:
        settings.CONTEXTVISION_KEEP_INDEXES = 2
        words = trained(tune="text")
        promoted(words)
        promoted(trained(tune="text", name="More words"))
        assert not IndexVersion.objects.filter(model_version=live).exists()
        assert ImageEmbedding.objects.of_model(live).count() == Image.objects.count()
