"""The pages of models: side by side, one by one, going live and back."""

import io
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from gallery.jobs.runner import run_job
from gallery.models import (
    Caption,
    Evaluation,
    Image,
    ImageEmbedding,
    IndexVersion,
    Job,
    ModelVersion,
    Promotion,
)
from gallery.pipelines import exporting
from gallery.views import training as training_views
from gallery.views.model_cards import Figure, VerdictCard
from mlcore.evaluation.gate import Check, Verdict
from mlcore.i18n import Message
from tests.learning import (
    COMPOSITION,
    REASON,
    REASON_WORDS,
    candidate,
    judged,
    measured,
    query_set,
    training,
)
from tests.pages.conftest import HTMX, as_shown
from tests.pictures_of_colours import add_many, add_picture

pytestmark = pytest.mark.django_db

VERSIONS = "/versions/"


@pytest.fixture
def live(indexed: dict[str, Image]) -> ModelVersion:
    """The live model, measured on two queries: one found first, one third."""
    model = ModelVersion.objects.get()
    measured(model, {"red": (indexed["red"], 1), "blue": (indexed["blue"], 3)})
    return model


@pytest.fixture
def tuned(live: ModelVersion, indexed: dict[str, Image]) -> ModelVersion:
    """A candidate that finds both first, and has passed the gate."""
    model = candidate(live, passed=True)
    measured(model, {"red": (indexed["red"], 1), "blue": (indexed["blue"], 1)})
    return model


def page(client: Client, name: str, pk: int, status: int = 200) -> str:
    response = client.get(reverse(name, args=[pk]))
    assert response.status_code == status
    return response.content.decode()


# --- Side by side ----------------------------------------------------------------------------


def test_models_stand_beside_the_live_one(staff_client: Client, tuned: ModelVersion) -> None:
    html = as_shown(staff_client.get(VERSIONS).content.decode())
    row = html.split(f'">{tuned.name}</a>')[1].split("</tr>")[0]
    assert "Candidate" in row
    assert "Passed the gate" in row
    assert '1.000 <span class="difference">+0.500</span>' in row  # hit rate at 1, of two queries
    assert reverse("gallery:model-promote", args=[tuned.pk]) in row
    assert "2 queries among 1,000 pictures" in html
    assert "No model has been promoted yet" in html


def test_a_model_that_was_asked_something_else_is_not_put_beside(
    staff_client: Client, live: ModelVersion, indexed: dict[str, Image]
) -> None:
    other = candidate(live)
    measured(other, {"red": (indexed["red"], 1)}, data_sha256="e" * 64)
    html = staff_client.get(VERSIONS).content.decode()
    row = html.split(f'">{other.name}</a>')[1].split("</tr>")[0]
    assert "Not measured on these queries" in row
    assert "difference" not in row


def test_the_list_costs_as_much_for_many_models(
    staff_client: Client, live: ModelVersion, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with CaptureQueriesContext(connection) as few:
        staff_client.get(VERSIONS)
    for number in range(4):
        candidate(live, f"tuned {number}")
    with django_assert_num_queries(len(few)):
        staff_client.get(VERSIONS)


def test_a_verdict_on_a_former_live_model_is_not_told_as_todays(
    staff_client: Client, live: ModelVersion
) -> None:
    former = candidate(live, "former")
    outdated = candidate(live, "outdated", verdict=judged(former, passed=False))
    html = staff_client.get(VERSIONS).content.decode()
    row = html.split(f'">{outdated.name}</a>')[1].split("</tr>")[0]
    assert "Judged before" in row
    assert "Refused" not in row


# --- One model -------------------------------------------------------------------------------


def test_the_page_of_a_model_tells_where_it_comes_from(
    staff_client: Client, live: ModelVersion, indexed: dict[str, Image]
) -> None:
    job = training(Job.Status.SUCCEEDED)
    model = candidate(live, job=job, passed=False)
    measured(model, {"red": (indexed["red"], 1)}, composition=COMPOSITION)
    html = as_shown(page(staff_client, "gallery:model", model.pk))
    assert f'<a href="{reverse("gallery:model", args=[live.pk])}">{live.name}</a>' in html
    assert reverse("gallery:job", args=[job.pk]) in html
    assert "<dt>Pictures</dt><dd" in html  # what it learned from
    assert "<dt>What is trained</dt>" in html
    assert "1 queries among 1,000 pictures." in html
    assert "On 90 test queries its hit rate at 5 is 0.120, less than 0.550: " in html
    assert "Not checked: general set" in html
    assert html.count("<svg") - html.count('<svg class="icon') >= 5  # curves and composition
    assert "Colour (10 pairs)" in html
    assert 'aria-label="Loss"' in html


def test_a_model_that_only_learned_words_says_whose_vectors_it_uses(
    staff_client: Client, live: ModelVersion
) -> None:
    model = candidate(live, vectors_from=live)
    html = page(staff_client, "gallery:model", model.pk)
    assert "8 of 8 pictures" in html
    assert "since only words were trained" in html
    html = page(staff_client, "gallery:model-promote", model.pk)
    assert "every picture keeps its vector" in html


def test_the_page_of_an_unmeasured_model_offers_to_measure_it(
    staff_client: Client, indexed: dict[str, Image]
) -> None:
    html = page(staff_client, "gallery:model", ModelVersion.objects.get().pk)
    assert "It has not been measured yet." in html
    assert "Not judged yet" in html


def test_an_evaluation_is_asked_for(staff_client: Client, tuned: ModelVersion) -> None:
    captioned(add_many(100))
    url = reverse("gallery:model-evaluate", args=[tuned.pk])
    form = {"protocol": "reference-100", "gallery": "indexed", "split": "", "composition": "on"}
    response = staff_client.post(url, form)
    job = Job.objects.get(kind=Job.Kind.EVALUATE)
    assert response["Location"] == reverse("gallery:job", args=[job.pk])
    assert job.params == {
        "model": tuned.pk, "protocol": "reference-100", "gallery": "indexed", "split": "",
        "collection": "", "composition": True,
    }  # fmt: skip
    assert staff_client.post(url, {"protocol": "none"}).status_code == 422


def test_a_draw_from_too_few_pictures_is_refused_in_the_form(
    staff_client: Client, tuned: ModelVersion
) -> None:
    captioned(add_many(60))
    url = reverse("gallery:model-evaluate", args=[tuned.pk])
    form = {"protocol": "reference-100", "gallery": "queried", "split": "train"}
    response = staff_client.post(url, form)
    assert response.status_code == 422
    html = as_shown(response.content.decode())
    assert "reference-100 draws 100 captioned pictures, and there are only" in html
    assert "(the train pictures of the gallery). Choose another part, a larger collection" in html
    assert not Job.objects.filter(kind=Job.Kind.EVALUATE).exists()


def captioned(images: list[Image]) -> None:
    captions = (Caption(image=image, text="A square", order=0) for image in images)
    Caption.objects.bulk_create(captions, ignore_conflicts=True)  # some have one


def test_an_export_is_a_job_whose_file_is_downloaded(
    staff_client: Client, live: ModelVersion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ModelVersion, "load_encoder", lambda self: None)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text("{}")
    monkeypatch.setattr(exporting, "find_model", lambda name: SimpleNamespace(directory=tmp_path))
    url = reverse("gallery:model-export", args=[live.pk])
    response = staff_client.post(url)
    job = Job.objects.get(kind=Job.Kind.EXPORT)
    assert response["Location"] == reverse("gallery:job", args=[job.pk])
    assert staff_client.post(url)["Location"] == response["Location"]  # one is enough
    run_job(job.pk)
    html = staff_client.get(response["Location"]).content.decode()
    download = reverse("gallery:job-download", args=[job.pk])
    assert f'<a href="{download}">Download it</a>' in html
    answer = staff_client.get(download)
    assert answer["Content-Disposition"].startswith('attachment; filename="colours-')
    assert zipfile.is_zipfile(io.BytesIO(b"".join(answer.streaming_content)))  # type: ignore[attr-defined]
    job.refresh_from_db()
    shutil.rmtree(settings.TRANSFER_DIR)
    answer = staff_client.get(download, follow=True)
    assert "That file is not kept any more." in answer.content.decode()


def test_an_export_that_cannot_be_made_says_why(staff_client: Client, tuned: ModelVersion) -> None:
    staff_client.post(reverse("gallery:model-export", args=[tuned.pk]))
    job = Job.objects.get(kind=Job.Kind.EXPORT)
    run_job(job.pk)
    html = page(staff_client, "gallery:job", job.pk)
    assert "tuned has no index to export. Promote it first." in html
    assert list(Path(settings.TRANSFER_DIR).iterdir()) == []


# --- Deleting --------------------------------------------------------------------------------


def test_a_candidate_is_deleted_with_all_that_is_its(
    staff_client: Client, tuned: ModelVersion, indexed: dict[str, Image]
) -> None:
    folder = Path(settings.MODELS_DIR) / "tuned"
    folder.mkdir(parents=True)
    ModelVersion.objects.filter(pk=tuned.pk).update(reference=str(folder))
    ImageEmbedding.objects.create(
        image=indexed["red"], model_version=tuned, vector=ImageEmbedding.objects.all()[0].vector
    )
    url = reverse("gallery:model-delete", args=[tuned.pk])
    assert url in page(staff_client, "gallery:model", tuned.pk)
    assert "its vectors (1), its evaluations (1)" in staff_client.get(url).content.decode()
    response = staff_client.post(url, follow=True)
    assert "tuned was deleted." in response.content.decode()
    assert not ModelVersion.objects.filter(pk=tuned.pk).exists()
    assert not ImageEmbedding.objects.filter(model_version=tuned.pk).exists()
    assert not folder.exists()


def test_what_is_live_or_was_or_is_needed_is_not_deleted(
    staff_client: Client, tuned: ModelVersion, live: ModelVersion, indexed: dict[str, Image]
) -> None:
    def refused(model: ModelVersion) -> str:
        url = reverse("gallery:model-delete", args=[model.pk])
        assert "It cannot be deleted." in staff_client.get(url).content.decode()
        html = staff_client.post(url, follow=True).content.decode()
        assert "Nothing was deleted." in html
        assert ModelVersion.objects.filter(pk=model.pk).exists()
        return html

    assert "colours is live." in refused(live)
    job = Job.objects.create(kind=Job.Kind.TRAIN, params={"base": tuned.pk})
    assert f"{job} uses tuned." in refused(tuned)
    job.cancel()
    child = candidate(tuned, "child")
    assert "Other models were trained from tuned" in refused(tuned)
    child.delete()
    first = IndexVersion.objects.get()
    assert twin_of(first, tuned).activate(instead_of=first)
    assert "colours was live before" in refused(live)


# --- Going live ------------------------------------------------------------------------------


def test_promoting_tells_first_what_will_happen(
    staff_client: Client, tuned: ModelVersion, indexed: dict[str, Image]
) -> None:
    query_set({"red": [indexed["red"]]}, name="Weekly")
    html = page(staff_client, "gallery:model-promote", tuned.pk)
    assert "its hit rate at 5 is 0.610, at least 0.550" in html
    assert "8 pictures are embedded with it" in html
    assert "Both models are run on" in html
    assert "Weekly" in html
    assert "That takes about" not in html  # nothing was timed yet
    assert not Job.objects.filter(kind=Job.Kind.PROMOTE).exists()


def test_promoting_tells_how_long_each_of_its_steps_takes(
    staff_client: Client, tuned: ModelVersion
) -> None:
    def took(seconds: int, kind: Job.Kind, **result: int) -> None:
        end = timezone.now()
        Job.objects.create(
            kind=kind,
            status=Job.Status.SUCCEEDED,
            started_at=end - timedelta(seconds=seconds),
            finished_at=end,
            result=result,
        )

    took(60, Job.Kind.EMBED, embedded=16)
    took(20, Job.Kind.INDEX, pictures=16)
    took(99, Job.Kind.INDEX, pictures=3)  # too few to tell
    html = as_shown(page(staff_client, "gallery:model-promote", tuned.pk))
    embedding, index, change = (
        html.index(words)
        for words in (
            "8 pictures are embedded with it. That takes about 30 seconds.",
            "It is built beside the live one. Searches go on all the while. That takes about 10",
            "takes the place of the live one, in under a second.",
        )
    )
    assert embedding < index < change


def test_what_passed_the_gate_is_promoted_without_a_reason(
    staff_client: Client, tuned: ModelVersion
) -> None:
    response = staff_client.post(reverse("gallery:model-promote", args=[tuned.pk]))
    job = Job.objects.get(kind=Job.Kind.PROMOTE)
    assert response["Location"] == reverse("gallery:job", args=[job.pk])
    assert job.params == {"model": tuned.pk, "override_reason": ""}


def test_what_the_gate_refused_needs_a_reason(
    staff_client: Client, staff: User, live: ModelVersion
) -> None:
    refused = candidate(live, passed=False)
    url = reverse("gallery:model-promote", args=[refused.pk])
    assert "Promote it all the same" in page(staff_client, "gallery:model-promote", refused.pk)
    response = staff_client.post(url, {"reason": " "})
    assert response.status_code == 422
    assert "Say why it goes live." in response.content.decode()
    assert not Job.objects.filter(kind=Job.Kind.PROMOTE).exists()
    staff_client.post(url, {"reason": "For a test in the hall."})
    job = Job.objects.get(kind=Job.Kind.PROMOTE)
    assert job.params["override_reason"] == "For a test in the hall."
    assert job.created_by == staff


def test_the_live_model_cannot_be_promoted_again(staff_client: Client, live: ModelVersion) -> None:
    assert "It is live already." in page(staff_client, "gallery:model-promote", live.pk)
    response = staff_client.post(reverse("gallery:model-promote", args=[live.pk]))
    assert response.status_code in {200, 422}
    assert not Job.objects.filter(kind=Job.Kind.PROMOTE).exists()


def test_history_tells_who_passed_over_the_gate_and_why(
    staff_client: Client, staff: User, tuned: ModelVersion, live: ModelVersion
) -> None:
    Promotion.objects.create(
        model_version=tuned, former_model=live, override_reason="It must.", created_by=staff
    )
    Promotion.objects.create(
        kind=Promotion.Kind.ROLLBACK, model_version=live, former_model=tuned, created_by=staff
    )
    for html in (
        staff_client.get(VERSIONS).content.decode(),
        page(staff_client, "gallery:model", tuned.pk),
    ):
        assert "It must." in html
        assert "Passed over" in html
        assert ">staff<" in html
    assert "Rollback" in staff_client.get(VERSIONS).content.decode()


def test_rolling_back_is_one_click(
    staff_client: Client, live: ModelVersion, indexed: dict[str, Image]
) -> None:
    """What was live before comes back, at once, and it is written down."""
    first = IndexVersion.objects.get()
    html = staff_client.get(VERSIONS).content.decode()
    assert "Roll back to" not in html
    response = staff_client.post(reverse("gallery:roll-back"), follow=True)
    assert "There is nothing to go back to" in response.content.decode()
    second = twin_of(first, candidate(live))
    assert second.activate(instead_of=first)
    html = staff_client.get(VERSIONS).content.decode()
    assert f"Roll back to {live.name}, index {first.pk}" in html
    response = staff_client.post(reverse("gallery:roll-back"), follow=True)
    assert f"Rolled back: index {first.pk} with {live.name} is live now." in (
        response.content.decode()
    )
    assert IndexVersion.objects.get(is_active=True) == first
    assert Promotion.objects.get().kind == Promotion.Kind.ROLLBACK


def test_a_rollback_says_what_follows_and_how_long_it_takes(
    staff_client: Client, live: ModelVersion, indexed: dict[str, Image]
) -> None:
    first = IndexVersion.objects.get()
    assert twin_of(first, candidate(live)).activate(instead_of=first)
    html = staff_client.get(VERSIONS).content.decode()
    assert "takes effect at once" in html
    assert "without a vector" not in html
    add_picture("red", shade=7)
    start = timezone.now() - timedelta(hours=1)
    Job.objects.create(
        kind=Job.Kind.EMBED,
        status=Job.Status.SUCCEEDED,
        result={"embedded": 20},
        started_at=start,
        finished_at=start + timedelta(seconds=60),
    )
    html = as_shown(staff_client.get(VERSIONS).content.decode())
    assert (
        "1 picture without a vector of it is embedded after that and found then; about 3 s" in html
    )


def test_a_second_promotion_does_not_swallow_its_reason(
    staff_client: Client, live: ModelVersion
) -> None:
    worse = candidate(live, passed=True)
    url = reverse("gallery:model-promote", args=[worse.pk])
    first = staff_client.post(url, {"reason": ""})
    assert first.status_code == 302
    assert staff_client.post(url, {"reason": ""})["Location"] == first["Location"]
    again = staff_client.post(url, {"reason": "It must."})
    assert again.status_code == 422
    assert "promotes tuned already, without this reason." in again.content.decode()


def test_differences_come_with_their_interval(
    staff_client: Client, live: ModelVersion, indexed: dict[str, Image]
) -> None:
    Evaluation.objects.all().delete()
    pictures = list(indexed.values())
    measured(live, {f"q{n}": (image, 1 + n % 3) for n, image in enumerate(pictures)})
    model = candidate(live)
    measured(model, {f"q{n}": (image, 1) for n, image in enumerate(pictures)})
    html = staff_client.get(VERSIONS).content.decode()
    row = html.split(f'">{model.name}</a>')[1].split("</tr>")[0]
    assert "Δ +0." in row
    assert 'class="difference better"' in row


@pytest.mark.parametrize(
    ("difference", "span", "direction"),
    [
        (0.2, (0.1, 0.3), "better"),
        (-0.2, (-0.3, -0.1), "worse"),
        (0.2, (-0.1, 0.5), ""),
        (-0.2, (-0.4, 0.0), ""),
        (0.2, None, "better"),  # older evaluations did not keep what each query found
    ],
)
def test_a_difference_that_may_be_chance_has_no_colour(
    difference: float, span: tuple[float, float] | None, direction: str
) -> None:
    figure = Figure("mrr", 0.5, difference=difference, difference_span=span)
    assert figure.direction == direction


def twin_of(index: IndexVersion, model: ModelVersion) -> IndexVersion:
    """The same pictures, as an index of another model."""
    return IndexVersion.objects.create(
        model_version=model,
        store="files",
        location="twin",
        count=index.count,
        watermark=index.watermark,
        manifest=index.manifest,
    )


# --- A training on its job page --------------------------------------------------------------


def test_a_running_training_shows_its_curves(staff_client: Client) -> None:
    job = training()
    html = as_shown(page(staff_client, "gallery:job", job.pk))
    news = reverse("gallery:job-training", args=[job.pk])
    assert f'hx-get="{news}" hx-trigger="every 3s"' in html
    for words in ("20 of 40", "0.150", "0.0500", "1.00e-04", "120", "about 1 minute 30 s"):
        assert f"<dd>{words}</dd>" in html
    assert "<dt>Best epoch</dt><dd>2</dd>" in html
    assert "<dt>Hit rate at 5</dt><dd>0.700</dd>" in html
    assert 'aria-label="Loss"' in html


def test_the_fragment_stops_asking_when_the_training_has_ended(staff_client: Client) -> None:
    job = training()
    url = reverse("gallery:job-training", args=[job.pk])
    part = staff_client.get(url, headers=HTMX).content.decode()
    assert "<html" not in part
    assert "hx-trigger" in part
    Job.objects.filter(pk=job.pk).update(status=Job.Status.SUCCEEDED)
    part = staff_client.get(url, headers=HTMX).content.decode()
    assert "hx-trigger" not in part
    assert "Time left" not in part
    assert staff_client.get(url)["Location"] == reverse("gallery:job", args=[job.pk])


def test_of_a_long_run_an_even_choice_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_views, "POINTS_READ", 5)
    points = training_views.measured_points(training())
    steps = [point["step"] for point in points if point["kind"] == "step"]
    assert 3 <= len(steps) <= 6
    assert steps == sorted(steps)
    assert [point["step"] for point in points if point["kind"] == "epoch"] == [10, 20]
    assert points[-1]["step"] == 20


def test_other_jobs_have_nothing_to_watch(staff_client: Client) -> None:
    job = Job.objects.create(kind=Job.Kind.EMBED)
    assert "Measured" not in page(staff_client, "gallery:job", job.pk)
    page(staff_client, "gallery:job-training", job.pk, status=404)


def test_what_came_of_a_training_is_one_click_away(
    staff_client: Client, tuned: ModelVersion
) -> None:
    result = {
        "model": tuned.pk, "name": "tuned", "pictures": 90, "captions": 450, "left_out": 2,
        "test": 10, "best_epoch": 3, "gate": "failed", "reasons": [REASON],
    }  # fmt: skip
    job = training(Job.Status.SUCCEEDED, result=result)
    html = page(staff_client, "gallery:job", job.pk)
    assert "tuned was trained on 90 pictures with 450 captions. 2 were left out" in html
    assert f"The best epoch was 3. The gate refuses it. {REASON_WORDS}" in html
    assert f'<a href="{reverse("gallery:model", args=[tuned.pk])}">See the new model</a>' in html


def test_a_training_that_waits_says_for_what(staff_client: Client) -> None:
    first = training()
    second = Job.objects.create(kind=Job.Kind.TRAIN)
    html = page(staff_client, "gallery:job", second.pk)
    assert f"Starts when job {first.pk} has ended" in html


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (0.55, "Passed the gate: not worse, nothing better"),
        (0.56, "Passed the gate: not worse, nothing better"),
        (0.57, "Passed the gate"),
    ],
)
def test_a_verdict_says_better_only_where_something_is(candidate: float, words: str) -> None:
    message = Message("gate.no_general_set")
    check = Check("test", "test", True, 0.56, candidate, 0.54, message)
    card = VerdictCard({**Verdict((check,)).as_dict(), "live": "aa"}, "aa")
    assert card.words == words
    assert VerdictCard({"checks": [{"passed": True, "message": message.as_json()}]}).last_words == (
        "Passed the gate"
    )
