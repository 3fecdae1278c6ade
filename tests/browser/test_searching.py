"""Searching as a person does it: typing, choosing a file, turning pages, and without JavaScript."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from gallery.models import Image
from tests.browser.conftest import Door
from tests.pictures_of_colours import add_picture, colour_jpeg, index_everything

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def green_file(tmp_path: Path) -> Path:
    path = tmp_path / "meadow.jpg"
    path.write_bytes(colour_jpeg("green", shade=11, size=(300, 200)))
    return path


@pytest.fixture
def broken_file(tmp_path: Path) -> Path:
    path = tmp_path / "torn.jpg"
    path.write_bytes(colour_jpeg("green", size=(400, 300))[:600])
    return path


def test_words_are_typed_and_pictures_come(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/")
    expect(page.get_by_role("heading", name="Find pictures by what they show")).to_be_visible()
    page.get_by_role("searchbox", name="What the pictures should show").fill("something red")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“something red”")).to_be_visible()
    first = page.locator(".tile").first
    expect(first).to_contain_text("all red")
    expect(first.locator(".score")).to_be_visible()
    expect(page).to_have_title("something red – ContextVision")
    assert page.url.endswith("/?q=something%20red")
    expect(page.get_by_role("status")).to_contain_text("Found pictures, 1 to 8.")
    page.go_back()
    expect(page.get_by_role("heading", name="Newest pictures")).to_be_visible()
    page.go_forward()
    expect(page.locator(".tile").first).to_contain_text("all red")


def test_the_address_alone_brings_the_same_pictures(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/?q=something+blue&tag=warm")
    expect(page.locator(".tile")).to_have_count(3)
    expect(page.get_by_role("searchbox")).to_have_value("something blue")
    page.get_by_role("link", name="Search without: tagged warm").click()
    expect(page.locator(".tile")).to_have_count(8)
    expect(page.locator(".tile").first).to_contain_text("all blue")


def test_filters_are_found_and_used(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/")
    page.get_by_role("searchbox").fill("blue")
    page.get_by_text("Narrow it down").click()
    page.get_by_label("Collection").select_option("Paintings")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".tile")).to_have_count(3)
    assert page.url.endswith("/?q=blue&collection=Paintings")


def test_a_picture_file_is_chosen_and_its_like_come(
    door: Door, gallery: dict[str, Image], green_file: Path
) -> None:
    page = door.enter().open("/")
    page.get_by_role("link", name="Image", exact=True).click()
    page.get_by_label("Choose a picture").set_input_files(green_file)
    expect(page.get_by_text(re.compile(r"meadow\.jpg, \d kB"))).to_be_visible()
    expect(page.locator(".dropzone img")).to_be_visible()
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="Pictures like meadow.jpg")).to_be_visible()
    expect(page.locator(".tile").first).to_contain_text("all green")


def test_words_and_a_picture_and_what_counts_more(
    door: Door, gallery: dict[str, Image], green_file: Path
) -> None:
    page = door.enter().open("/")
    page.get_by_role("link", name="Both").click()
    page.get_by_role("searchbox").fill("red")
    page.get_by_label("Choose a picture").set_input_files(green_file)
    for weight, caption in (("1", "all red"), ("0", "all green")):
        page.get_by_label("What counts more").fill(weight)
        page.get_by_role("button", name="Search").click()
        expect(page.locator(".tile").first).to_contain_text(caption)


def test_a_file_that_is_no_picture_is_refused_in_words(
    door: Door, gallery: dict[str, Image], broken_file: Path, green_file: Path
) -> None:
    page = door.enter().open("/?by=image")
    page.get_by_label("Choose a picture").set_input_files(broken_file)
    page.get_by_role("button", name="Search").click()
    alert = page.get_by_role("alert").filter(has_text="The picture was not accepted")
    expect(alert).to_contain_text("torn.jpg: the file is damaged or incomplete")
    page.locator("#id_image").set_input_files(green_file)
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".tile").first).to_contain_text("all green")


def test_pages_are_turned_and_reading_goes_on_at_the_top(
    door: Door, gallery: dict[str, Image]
) -> None:
    for shade in range(1, 30):
        add_picture("red", shade=shade, captions=(f"red number {shade}",))
    index_everything()
    page = door.enter().open("/?q=red")
    expect(page.locator(".results-count")).to_have_text("Pictures 1 to 24, best first")
    page.get_by_role("link", name="Next").press("Enter")
    expect(page.locator(".results-count")).to_have_text("Pictures 25 to 37, best first")
    expect(page.get_by_role("heading", name="“red”")).to_be_focused()
    expect(page.get_by_role("heading", name="“red”")).to_be_in_viewport()
    page.get_by_role("link", name="Previous").click()
    expect(page.locator(".results-count")).to_have_text("Pictures 1 to 24, best first")


def test_more_and_less_like_a_picture(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/?q=red")
    first = page.locator(".tile").first
    first.hover()
    first.get_by_role("link", name="More like this").click()
    expect(page.get_by_role("heading", name="Similar pictures")).to_be_visible()
    expect(page.locator(".tile").first).to_contain_text("all orange")
    page.locator(".tile").first.hover()
    page.locator(".tile").first.get_by_role("link", name="Less like this").click()
    expect(page.locator(".chips").get_by_text("less like")).to_be_visible()
    expect(page.locator(".tile").first).not_to_contain_text("all orange")


def test_the_picture_page_and_its_similar_pictures(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/?q=red")
    page.locator(".tile").first.click()
    expect(page.get_by_role("heading", name="all red")).to_be_visible()
    expect(page.get_by_text("A square without anything on it")).to_be_visible()
    expect(page.get_by_role("img", name="all red")).to_be_visible()
    strip = page.get_by_role("region", name="More like this")
    expect(strip.locator(".tile").first).to_contain_text("all orange")
    page.get_by_role("link", name="warm").click()
    expect(page.locator(".tile")).to_have_count(3)


def test_an_example_is_one_click(door: Door, gallery: dict[str, Image]) -> None:
    add_picture("blue", shade=9, captions=("A wide and very blue sea",))
    page = door.enter().open("/")
    page.locator(".examples").get_by_role("link", name="A wide and very blue sea").click()
    expect(page.locator(".tile").first).to_contain_text("blue")


def test_an_unreachable_server_is_told(door: Door, gallery: dict[str, Image]) -> None:
    visitor = door.enter()
    page = visitor.open("/")
    page.context.set_offline(True)
    page.get_by_role("searchbox").fill("red")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    page.context.set_offline(False)
    page.keyboard.press("Enter")
    expect(page.locator(".tile").first).to_contain_text("all red")
    expect(page.get_by_text("The server cannot be reached.")).to_be_hidden()
    visitor.complaints.clear()  # htmx says on the console that it could not send


def test_all_of_it_works_without_javascript(
    door: Door, gallery: dict[str, Image], green_file: Path, broken_file: Path
) -> None:
    for shade in range(1, 30):
        add_picture("red", shade=shade)
    index_everything()
    page = door.enter(java_script_enabled=False).open("/")
    page.get_by_role("searchbox").fill("red")
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(24)
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".tile")).to_have_count(13)
    page.get_by_role("link", name="Image", exact=True).click()
    page.locator("#id_image").set_input_files(green_file)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="Pictures like meadow.jpg")).to_be_visible()
    expect(page.locator(".tile").first).to_contain_text("all green")
    page.get_by_role("link", name="Both").click()
    page.get_by_role("searchbox").fill("blue")
    page.locator("#id_image").set_input_files(green_file)
    page.get_by_label("What counts more").fill("1")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".tile").first).to_contain_text("all blue")
    page.locator("#id_image").set_input_files(broken_file)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("torn.jpg: the file is damaged")).to_be_visible()
    page.get_by_role("link", name="Text", exact=True).click()
    page.get_by_role("searchbox").fill("green")
    page.keyboard.press("Enter")
    page.locator(".tile").first.click()
    expect(page.get_by_role("heading", name="all green")).to_be_visible()
    page.get_by_role("link", name="See pictures like this one").click()
    expect(page.get_by_role("heading", name="Similar pictures")).to_be_visible()
