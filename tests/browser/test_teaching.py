"""What staff do with models: training, watching, promoting, going back, comparing, keeping."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from gallery.jobs.runner import run_job
from gallery.models import Image, IndexVersion, Job, JobMetric, ModelVersion, SavedQuerySet
from tests.browser.conftest import Door
from tests.index_files import folder_of
from tests.learning import candidate, measured, training
from tests.pictures_of_colours import add_picture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def lesson(gallery: dict[str, Image]) -> ModelVersion:
    """Enough captioned pictures to learn from, and a model to start with."""
    for number in range(100):
        colour = ("red", "green", "blue", "yellow")[number % 4]
        image = add_picture(colour, shade=30 + number // 4, captions=(f"{colour} {number}",))
        Image.objects.filter(pk=image.pk).update(split="test" if number < 12 else "train")
    return ModelVersion.objects.create(
        name="starter", reference="starter", fingerprint="5" * 64, dim=512, image_size=260
    )


@pytest.mark.parametrize("scripts", [True, False])
def test_a_training_is_asked_for(
    door: Door, staff: User, lesson: ModelVersion, scripts: bool
) -> None:
    page = door.enter(staff, java_script_enabled=scripts).open("/versions/")
    page.get_by_role("link", name="Fine-tune", exact=True).first.click()
    expect(page.get_by_text("to learn from (train),")).to_be_visible()
    page.locator("#id_tune").get_by_text("The words only").click()
    page.get_by_label("Start from").select_option(label=str(lesson))
    page.get_by_label("Name").fill("our words")
    expect(page.get_by_label("Epochs")).to_be_hidden()
    page.get_by_text("Advanced").click()
    page.get_by_label("Epochs").fill("0")
    page.locator("form.card").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("greater than or equal to 1")).to_be_visible()
    page.get_by_label("Epochs").fill("3")
    page.get_by_label("Hard negatives").check()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("heading", name="Train a model").first).to_be_visible()
    expect(page.get_by_text("The curves begin with the first step")).to_be_visible()
    params = Job.objects.latest("pk").params
    assert params["tune"] == "text"
    assert params["recipe"] == {"epochs": 3, "hard_negatives": True}


def test_a_training_is_watched_to_its_end(door: Door, staff: User, lesson: ModelVersion) -> None:
    job = training(created_by=staff, started_at=timezone.now())
    page = door.enter(staff).open(f"/jobs/{job.pk}/")
    expect(fact(page, "Step")).to_have_text("20 of 40")
    expect(fact(page, "Best epoch")).to_have_text("2")
    expect(page.get_by_role("img", name="Loss")).to_be_visible()
    drawn = page.get_by_role("img", name="Loss").inner_html()
    values = {
        "kind": "epoch", "step": 30, "steps": 40, "epoch": 3, "loss": 0.05, "hit_rate@5": 0.9,
        "temperature": 0.05, "learning_rate": 1e-5, "best": 1,
    }  # fmt: skip
    JobMetric.objects.create(job=job, step=29, epoch=3, values={**values, "kind": "step"})
    JobMetric.objects.create(job=job, step=30, epoch=3, values=values)
    expect(fact(page, "Step")).to_have_text("30 of 40")
    expect(fact(page, "Best epoch")).to_have_text("3")
    assert page.get_by_role("img", name="Loss").inner_html() != drawn
    made = candidate(ModelVersion.objects.earliest("pk"), "our words", passed=True, job=job)
    Job.objects.filter(pk=job.pk).update(
        status=Job.Status.SUCCEEDED,
        finished_at=timezone.now(),
        result={
            "model": made.pk, "name": "our words", "pictures": 88, "captions": 88,
            "test": 12, "best_epoch": 3, "gate": "passed", "reasons": [],
        },
    )  # fmt: skip
    page.get_by_role("link", name="See the new model").click()
    expect(page.get_by_role("heading", name="our words")).to_be_visible()
    expect(page.get_by_text("Passed the gate")).to_be_visible()


def fact(page: Page, name: str) -> Locator:
    return page.locator("dl.figures div").filter(has_text=name).locator("dd").first


@pytest.mark.parametrize("scripts", [True, False])
def test_a_refused_model_goes_live_only_with_a_reason(
    door: Door, staff: User, gallery: dict[str, Image], scripts: bool
) -> None:
    live = ModelVersion.objects.get()
    refused = candidate(live, "hasty", passed=False)
    page = door.enter(staff, java_script_enabled=scripts).open("/versions/")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="hasty", exact=True))
    expect(row.get_by_text("Refused by the gate")).to_be_visible()
    row.get_by_role("link", name="Promote").click()
    expect(page.get_by_text("its hit rate at 5 is 0.120, less than 0.550")).to_be_visible()
    page.get_by_label("Reason to pass over the gate").fill("For an hour, in the hall.")
    page.get_by_role("button", name="Promote it all the same").click()
    expect(page.get_by_role("heading", name="Promote a model").first).to_be_visible()
    job = Job.objects.latest("pk")
    assert job.params == {"model": refused.pk, "override_reason": "For an hour, in the hall."}


def test_one_click_goes_back(door: Door, staff: User, gallery: dict[str, Image]) -> None:
    first = IndexVersion.objects.get()
    tuned = candidate(first.model_version, "newer")
    shutil.copytree(folder_of(first), folder_of(first).with_name("twin"))
    second = IndexVersion.objects.create(
        model_version=tuned, store="files", location="twin",
        count=first.count, watermark=first.watermark,
        manifest=first.manifest,
    )  # fmt: skip
    assert second.activate(instead_of=first)
    page = door.enter(staff).open("/versions/")
    page.get_by_role("button", name=f"Roll back to colours, index {first.pk}").click()
    expect(page.get_by_text(f"Rolled back: index {first.pk} with colours is live")).to_be_visible()
    expect(page.get_by_role("rowheader", name="Rollback")).to_be_visible()
    assert IndexVersion.objects.get(is_active=True) == first


def test_a_model_is_exported_by_a_job_and_downloaded(
    door: Door, staff: User, gallery: dict[str, Image], tmp_path: Path
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
    ModelVersion.objects.update(reference=str(folder))
    page = door.enter(staff).open(f"/models/{ModelVersion.objects.get().pk}/")
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_role("heading", name="Export a model").first).to_be_visible()
    expect(page.get_by_text("Starts when a worker is free")).to_be_visible()
    run_job(Job.objects.latest("pk").pk)
    outcome = page.locator(".job-outcome")
    expect(outcome).to_contain_text("colours with its index of 8 pictures was written into a file")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it").click()
    assert download.value.suggested_filename.startswith("colours-")
    assert "model/config.json" in zipfile.ZipFile(download.value.path()).namelist()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_candidate_is_deleted_once_it_is_confirmed(
    door: Door, staff: User, gallery: dict[str, Image], scripts: bool
) -> None:
    live = ModelVersion.objects.get()
    tuned = candidate(live, "hasty")
    page = door.enter(staff, java_script_enabled=scripts).open(f"/models/{live.pk}/delete/")
    expect(page.get_by_text("It cannot be deleted. colours is live.")).to_be_visible()
    page.goto(f"{door.site}/models/{tuned.pk}/")
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete hasty?")).to_be_visible()
    page.get_by_role("link", name="Keep it").click()
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("hasty was deleted.")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="hasty")).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text="colours").first).to_be_visible()


def test_two_models_are_compared(door: Door, staff: User, gallery: dict[str, Image]) -> None:
    live = ModelVersion.objects.get()
    ranks = {"a red one": (gallery["red"], 1), "a blue one": (gallery["blue"], 7)}
    before = measured(live, ranks, top=[gallery["red"]])
    ranks |= {"a blue one": (gallery["blue"], 2)}
    after = measured(candidate(live), ranks, top=[gallery["green"], gallery["blue"]])
    page = door.enter(staff).open("/evaluations/")
    page.get_by_label(f"Report {before.pk} before").check()
    page.get_by_label(f"Report {after.pk} after").check()
    page.get_by_role("button", name="Compare the two chosen").click()
    expect(page.get_by_role("heading", name="tuned against colours")).to_be_visible()
    expect(page.get_by_role("heading", name="1 query got better")).to_be_visible()
    card = page.locator(".query-cards li")
    expect(card).to_contain_text("From rank 7 to 2")
    expect(card.get_by_role("img", name="all blue (the right one)")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="MRR"))
    expect(row).to_contain_text("0.750")
    page.get_by_role("link", name=f"report {after.pk}").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="As one HTML file").click()
    assert "Evaluation of tuned" in download.value.path().read_text(encoding="utf-8")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_search_becomes_a_test_query(
    door: Door, staff: User, gallery: dict[str, Image], scripts: bool
) -> None:
    page = door.enter(staff, java_script_enabled=scripts).open("/?q=red")
    page.get_by_role("link", name="Keep as a test query").click()
    page.locator(f'[name=ticked][value="{gallery["red"].pk}"]').check()
    page.get_by_label("Name of the new one").fill("Colours")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("Added to “Colours”.")).to_be_visible()
    page.get_by_label("Query", exact=True).last.fill("the sky")
    page.get_by_label("Pictures by id").last.fill(str(gallery["blue"].pk))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("“Colours” is saved.")).to_be_visible()
    saved = SavedQuerySet.objects.get()
    assert [query.text for query in saved.queries.all()] == ["red", "the sky"]
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("“Colours” was deleted.")).to_be_visible()
