"""What staff do: signing in, uploading, watching jobs, describing and deleting pictures."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from gallery.jobs.runner import run_job
from gallery.models import Image, IndexVersion, Job
from mlcore.i18n import Message
from tests.browser.conftest import Door
from tests.pictures_of_colours import add_picture, colour_jpeg, run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A new picture, one that is there already, and one that is torn."""
    contents = {
        "violet.jpg": colour_jpeg("purple", shade=13),
        "again.jpg": colour_jpeg("red"),
        "torn.jpg": colour_jpeg("green", size=(400, 300))[:600],
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return [tmp_path / name for name in contents]


def test_signing_in_and_out(door: Door, staff: User) -> None:
    page = door.enter().open("/jobs/")
    expect(page.get_by_text("That page is for signed-in people.")).to_be_visible()
    page.get_by_label("Username").fill("staff")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Please enter a correct username")
    page.get_by_label("Username").fill("staff")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.get_by_role("link", name="Upload")).to_be_hidden()


@pytest.mark.parametrize("scripts", [True, False])
def test_an_uploaded_picture_is_embedded_and_found(
    door: Door, staff: User, gallery: dict[str, Image], files: list[Path], scripts: bool
) -> None:
    page = door.enter(staff, java_script_enabled=scripts).open("/upload/")
    expect(page.get_by_text("At most 20 MB and 64 million pixels each")).to_be_visible()
    page.locator("#id_pictures").set_input_files(files)
    if scripts:
        expect(page.get_by_text(re.compile(r"3 chosen, \d kB"))).to_be_visible()
    page.get_by_role("textbox", name="Captions", exact=True).fill("violet.jpg: A violet square")
    page.get_by_label("Tags").fill("fresh")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="1 new, 1 already there, 1 refused")).to_be_visible()
    expect(page.get_by_text("torn.jpg: the file is damaged or incomplete")).to_be_visible()
    expect(page.get_by_role("link", name="again.jpg")).to_have_attribute(
        "href", gallery["red"].get_absolute_url()
    )
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    job = Job.objects.latest("pk")
    run_job(job.pk)
    if scripts:
        outcome = page.get_by_role("paragraph").filter(has_text="1 picture embedded with colours.")
        expect(outcome).to_be_visible()
    page = door.enter().open("/?q=purple&tag=fresh")
    expect(page.locator(".tile").first).to_contain_text("A violet square")


def test_a_job_is_watched_to_its_end(door: Door, staff: User) -> None:
    job = Job.objects.create(
        kind=Job.Kind.EMBED,
        status=Job.Status.RUNNING,
        created_by=staff,
        started_at=timezone.now() - timedelta(seconds=20),
        done=20,
        total=200,
    )
    rows = Job.objects.filter(pk=job.pk)
    page = door.enter(staff).open("/jobs/")
    expect(page.get_by_text("20 of 200 pictures (10 %)")).to_be_visible()
    expect(page.get_by_text("about 3 minutes")).to_be_visible()
    page.get_by_role("link", name="Embed pictures").click()
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("value", "20")
    rows.update(done=150)
    expect(page.get_by_text("150 of 200 pictures (75 %)")).to_be_visible()
    expect(bar).to_have_attribute("value", "150")
    rows.update(
        status=Job.Status.FAILED, error=Message("The disk is full: free some space, then retry.")
    )
    expect(page.locator(".job-error")).to_contain_text("The disk is full: free some space")
    expect(page.locator("#job-news")).to_contain_text(f"Job {job.pk}: Failed.")
    expect(bar).to_be_hidden()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text(f"Started again as job {job.pk + 1}.")).to_be_visible()


def test_the_log_of_a_job_is_read_while_it_runs(door: Door, staff: User, colours: object) -> None:
    picture = add_picture("red")
    job = Job.objects.create(kind=Job.Kind.EMBED, params={"images": [picture.pk]}, created_by=staff)
    page = door.enter(staff).open(f"/jobs/{job.pk}/")
    log = page.get_by_role("listitem").filter(has=page.get_by_role("time"))
    expect(page.get_by_text("Starts when a worker is free")).to_be_visible()
    expect(page.get_by_role("heading", name="Log")).to_have_count(0)
    run_job(job.pk)
    expect(page.get_by_role("heading", name="Log")).to_be_visible()
    expect(log.last).to_contain_text("Succeeded.")
    # The source of the page has white space around the words.
    first = " ".join(log.first.inner_text().split())
    assert re.fullmatch(r"\d\d:\d\d:\d\d Started\.", first)
    assert log.last.inner_text().endswith("Succeeded.")
    page.get_by_role("link", name="See the pictures").click()
    expect(page.get_by_role("listitem", name="red-0")).to_be_visible()


def test_a_defect_does_not_look_like_a_failure(door: Door, staff: User) -> None:
    for defect in (False, True):
        Job.objects.create(
            kind=Job.Kind.EMBED,
            status=Job.Status.FAILED,
            error=Message("It ended."),
            is_defect=defect,
        )
    page = door.enter(staff).open("/jobs/")
    colours = [
        page.get_by_text(words, exact=True).evaluate("node => getComputedStyle(node).color")
        for words in ("Failed", "Stopped by a defect")
    ]
    assert colours[0] != colours[1]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_job_is_started_and_cancelled(door: Door, staff: User, scripts: bool) -> None:
    page = door.enter(staff, java_script_enabled=scripts).open("/jobs/")
    page.get_by_role("button", name="Rebuild index").click()
    expect(page.get_by_role("heading", name="Build the index").first).to_be_visible()
    expect(page.get_by_text("No worker has been seen lately")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("is being stopped")).to_be_visible()
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()


def test_a_picture_is_described_and_deleted(
    door: Door, staff: User, gallery: dict[str, Image]
) -> None:
    page = door.enter(staff).open(gallery["red"].get_absolute_url())
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("textbox", name="Captions", exact=True).fill("A tomato\nRed all over")
    page.get_by_label("Tags").fill("warm, food")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="A tomato")).to_be_visible()
    expect(page.get_by_role("link", name="food")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Original").click()
    assert download.value.suggested_filename == f"picture-{gallery['red'].pk}.jpg"
    assert download.value.path().read_bytes() == colour_jpeg("red")
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("link", name="Keep it").click()
    expect(page.get_by_role("heading", name="A tomato")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("“red-0” was deleted.")).to_be_visible()
    page.goto(f"{door.site}/?q=red")
    expect(page.locator(".tile")).to_have_count(len(gallery) - 1)
    expect(page.get_by_text("A tomato")).to_be_hidden()


def test_going_back_to_a_former_index(door: Door, staff: User, gallery: dict[str, Image]) -> None:
    run(Job.Kind.INDEX)
    former = IndexVersion.objects.last()
    assert former is not None
    page = door.enter(staff).open("/versions/")
    page.get_by_role("link", name=f"Make active: index {former.pk}").click()
    page.get_by_role("button", name="Make it live").click()
    expect(page.get_by_text(f"Index {former.pk} is live now.")).to_be_visible()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=str(former.pk)))
    expect(row.get_by_text("Live", exact=True)).to_be_visible()


def test_many_pictures_through_the_admin(
    door: Door, gallery: dict[str, Image], files: list[Path]
) -> None:
    boss = User.objects.create_superuser("boss", password="a long password")
    page = door.enter(boss).open("/admin/gallery/image/")
    page.get_by_role("link", name="Upload pictures").click()
    page.get_by_label("Pictures:").set_input_files(files)
    page.get_by_label("Captions:").fill("Through the admin")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="1 new, 1 already there, 1 refused")).to_be_visible()
    page.get_by_role("link", name="job", exact=False).last.click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    page.goto(f"{door.site}/admin/gallery/image/")
    expect(page.get_by_text("Through the admin").first).to_be_visible()
