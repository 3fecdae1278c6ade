"""Sending pictures: looked at before they go, paused and taken up again, folders and archives."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from gallery.jobs.runner import run_job
from gallery.models import Image, Job, ResumableUpload
from tests.browser.conftest import Door
from tests.pages.test_upload_api import archive
from tests.pictures_of_colours import colour_jpeg

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two new pictures, one that is there already, one that is there twice, and other things."""
    root = tmp_path / "holiday"
    (root / "beach").mkdir(parents=True)
    (root / "violet.jpg").write_bytes(colour_jpeg("purple", shade=13))
    (root / "beach" / "sky.jpg").write_bytes(colour_jpeg("blue", shade=13))
    (root / "beach" / "twin.jpg").write_bytes(colour_jpeg("blue", shade=13))
    (root / "again.jpg").write_bytes(colour_jpeg("red"))
    (root / "notes.txt").write_text("Bring a towel")
    (root / ".hidden.jpg").write_bytes(b"what a system keeps for itself")
    return root


@pytest.fixture
def page(door: Door, staff: User, gallery: dict[str, Image]) -> Iterator[Page]:
    page = door.enter(staff).open("/upload/")
    expect(page.get_by_role("button", name="Choose a folder")).to_be_visible()
    yield page
    page.goto("about:blank")  # so that no request of the page outlives the test


def test_a_folder_is_looked_at_and_sent(
    page: Page, folder: Path, gallery: dict[str, Image]
) -> None:
    page.locator("#folder").set_input_files(folder)
    rows = page.locator(".transfers li")
    expect(rows).to_have_count(5)
    notes = rows.filter(has_text="notes.txt")
    expect(notes).to_contain_text("neither a picture nor a zip or tar")
    expect(rows.filter(has_text="again.jpg")).to_contain_text("Already there. Its bytes are not")
    expect(rows.filter(has_text="The same picture as")).to_have_count(1)
    assert Image.objects.count() == len(gallery)
    page.get_by_label("Tags").fill("holiday")
    sizes: list[int] = []
    page.on("request", lambda request: sizes.append(len(request.post_data_buffer or b"")))
    page.get_by_role("button", name="Upload").click()
    expect(
        page.get_by_role("heading", name="2 new, 2 already there, 1 refused", exact=True)
    ).to_be_focused()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    job = Job.objects.get(params__has_key="images")
    assert len(job.params["images"]) == 2
    assert set(Image.objects.filter(tags__name="holiday").values_list("title", flat=True)) >= {
        "violet",
        gallery["red"].title,
    }
    run_job(job.pk)
    outcome = page.get_by_role("paragraph").filter(has_text="2 pictures embedded with colours.")
    expect(outcome).to_be_visible()


def test_dropped_files_are_taken(page: Page) -> None:
    data = list(colour_jpeg("purple", shade=13))
    transfer = page.evaluate_handle(
        """(bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "violet.jpg"));
            return transfer;
        }""",
        data,
    )
    page.dispatch_event(".dropzone", "drop", {"dataTransfer": transfer})
    expect(page.locator(".transfers li")).to_contain_text("Ready")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="1 new")).to_be_visible()


def test_limits_are_told_before_anything_is_sent(
    door: Door, staff: User, tmp_path: Path, settings: LazySettings
) -> None:
    settings.CONTEXTVISION_UPLOAD_MAX_BYTES = settings.MEGABYTE
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    (tmp_path / "large.jpg").write_bytes(b"x" * (settings.MEGABYTE + 1))
    (tmp_path / "empty.jpg").touch()
    for colour in ("red", "green", "blue"):
        (tmp_path / f"{colour}.jpg").write_bytes(colour_jpeg(colour))
    page = door.enter(staff).open("/upload/")
    page.locator("#id_pictures").set_input_files(
        [tmp_path / f"{name}.jpg" for name in ("large", "empty", "red", "green", "blue")]
    )
    rows = page.locator(".transfers li")
    expect(rows.nth(0)).to_contain_text("This file holds 1.0 MB; at most 1.0 MB are accepted.")
    expect(rows.nth(1)).to_contain_text("This file is empty.")
    expect(rows.nth(4)).to_contain_text("More than 2 files at once.")
    expect(page.get_by_role("heading", name="3 refused, 2 ready to send")).to_be_visible()
    rows.nth(3).get_by_role("button", name="Remove").click()
    expect(rows).to_have_count(4)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="1 new, 3 refused")).to_be_visible()
    assert [image.title for image in Image.objects.all()] == ["red"]


def test_a_transfer_is_paused_broken_and_tried_again(page: Page, tmp_path: Path) -> None:
    (tmp_path / "violet.jpg").write_bytes(colour_jpeg("purple", shade=13))
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.abort("connectionfailed")
        held.append(route)

    page.route("**/upload/file/", hold_the_first)
    page.locator("#id_pictures").set_input_files(tmp_path / "violet.jpg")
    line = page.locator(".transfers li")
    expect(line).to_contain_text("Ready")
    page.get_by_role("button", name="Upload").click()
    line.get_by_role("button", name="Pause").click()
    expect(line).to_contain_text("Paused")
    line.get_by_role("button", name="Resume").click()
    expect(line).to_contain_text("The connection broke. What has arrived is kept; try again.")
    expect(page.get_by_role("heading", name="1 not sent")).to_be_visible()
    page.unroute("**/upload/file/")
    page.get_by_role("button", name="Try all again").click()
    expect(page.get_by_role("heading", name="1 new")).to_be_visible()


def test_a_server_that_is_asked_too_often_is_tried_again_later(page: Page, tmp_path: Path) -> None:
    """A proxy may say so; the waiting time is its own."""
    (tmp_path / "violet.jpg").write_bytes(colour_jpeg("purple", shade=13))

    def refuse(route: Route) -> None:
        route.fulfill(status=429, headers={"Retry-After": "30"}, body="<h1>Too many requests</h1>")

    page.route("**/upload/file/", refuse)
    page.locator("#id_pictures").set_input_files(tmp_path / "violet.jpg")
    line = page.locator(".transfers li")
    expect(line).to_contain_text("Ready")
    page.get_by_role("button", name="Upload").click()
    expect(line).to_contain_text("Too much was sent at once. Wait 30 seconds, then try again.")
    expect(page.get_by_role("heading", name="1 not sent")).to_be_visible()
    page.unroute("**/upload/file/")
    line.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="1 new")).to_be_visible()


def test_an_archive_goes_in_parts_and_on_after_the_page_was_closed(
    page: Page, tmp_path: Path, gallery: dict[str, Image]
) -> None:
    data = archive("red", "green")
    path = tmp_path / "holiday.zip"
    path.write_bytes(data)
    sent: list[int] = []

    page.route("**/upload/file/", lambda route: route.abort())
    page.locator("#id_pictures").set_input_files(path)
    page.get_by_role("button", name="Upload").click()
    line = page.locator(".transfers li")
    expect(line).to_contain_text("Not sent")  # the bytes are there, the question was lost
    assert ResumableUpload.objects.get().is_complete
    page.unroute("**/upload/file/")
    page.reload()
    page.on("request", lambda request: sent.append(1) if request.method == "PATCH" else None)
    page.locator("#id_pictures").set_input_files(path)
    page.get_by_role("button", name="Upload").click()
    expect(line).to_contain_text("Being imported")
    assert sent == []  # not a byte went twice
    line.get_by_role("link", name="Watch the import").click()
    expect(page.get_by_role("heading", name=re.compile("Import pictures")).first).to_be_visible()
    run_job(Job.objects.get(kind=Job.Kind.IMPORT).pk)
    expect(page.locator(".job-outcome").first).to_contain_text(
        "0 pictures added, 2 already there, 2 captions read."
    )
