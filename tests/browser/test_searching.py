"""Searching as a person does it: typing, choosing a file, turning pages, and without JavaScript."""

import base64
import re
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from playwright.sync_api import Request, expect

from gallery.models import Image, ModelVersion
from search.engine import engine_holder
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
    expect(page).to_have_title("“something red” – ContextVision")
    assert page.url.endswith("/?q=something%20red")
    expect(page.get_by_role("status")).to_contain_text("Found pictures, 1 to 8.")
    page.go_back()
    expect(page.get_by_role("heading", name="Newest pictures")).to_be_visible()
    page.go_forward()
    expect(page.locator(".tile").first).to_contain_text("all red")


def test_the_headline_is_what_was_asked_and_the_invitation_comes_back(
    door: Door, gallery: dict[str, Image]
) -> None:
    page = door.enter().open("/?q=red")
    headline = page.get_by_role("heading", level=1)
    expect(headline).to_have_text(["“red”"])
    page.get_by_role("link", name="Search without: “red”").click()
    expect(headline).to_have_text(["Find pictures by what they show"])
    page.get_by_role("searchbox").fill("blue")
    page.keyboard.press("Enter")
    expect(headline).to_have_text(["“blue”"])
    page.go_back()
    expect(headline).to_have_text(["Find pictures by what they show"])


def test_the_address_alone_brings_the_same_pictures(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/?q=something+blue&tag=warm")
    expect(page.locator(".tile")).to_have_count(3)
    expect(page.get_by_role("searchbox")).to_have_value("something blue")
    chips = page.get_by_role("list", name="What the search is made of")
    expect(chips.get_by_role("listitem")).to_contain_text(["“something blue”", "tagged warm"])
    page.get_by_role("link", name="Search without: tagged warm").click()
    expect(page.locator(".tile")).to_have_count(8)
    expect(page.locator(".tile").first).to_contain_text("all blue")


def test_filters_are_found_and_used(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/")
    page.get_by_role("searchbox").fill("blue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“blue”")).to_be_visible()
    page.get_by_role("link", name="Filters").click()
    collection = page.get_by_role("region", name="Collection")
    expect(collection.get_by_role("link")).to_have_text(["Paintings 3"])
    collection.get_by_role("link", name="Paintings").click()
    expect(page.locator(".tile")).to_have_count(3)
    expect(page.get_by_role("searchbox")).to_have_value("blue")
    page.get_by_label("From").fill("2020-01-01")
    page.get_by_label("To", exact=True).fill("2020-12-31")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("No pictures match what you narrowed down to")).to_be_visible()
    page.get_by_role("link", name="Search without: 2020").click()
    expect(page.locator(".tile")).to_have_count(3)
    page.get_by_role("link", name="Filters").click()
    expect(collection).to_be_hidden()
    assert page.url.endswith("/?q=blue&collection=Paintings")


def test_a_picture_file_is_chosen_and_its_like_come(
    door: Door, gallery: dict[str, Image], green_file: Path
) -> None:
    page = door.enter().open("/")
    page.get_by_label("Choose an example picture").set_input_files(green_file)
    expect(page.get_by_role("heading", name="Similar pictures")).to_be_visible()
    expect(page.locator(".tile").first).to_contain_text("all green")
    expect(page.locator(".query-chips img")).to_be_visible()
    assert "like=example." in page.url
    address = page.url
    page.get_by_role("searchbox").fill("red")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“red” and a picture")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Similar pictures")).to_be_visible()
    shared = door.enter().open(address.removeprefix(page.url[: page.url.index("/?")]))
    expect(shared.locator(".tile").first).to_contain_text("all green")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(
    door: Door, gallery: dict[str, Image], green_file: Path, way: str
) -> None:
    page = door.enter().open("/")
    page.get_by_role("searchbox").fill("something green")
    content = base64.b64encode(green_file.read_bytes()).decode()
    page.evaluate(
        """([content, way]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "meadow.jpg", { type: "image/jpeg" }));
            const event = way === "drop"
                ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
            document.querySelector("#results").dispatchEvent(event);
        }""",
        [content, way],
    )
    expect(page.get_by_role("heading", name="“something green” and a picture")).to_be_visible()
    expect(page.locator(".tile").first).to_contain_text("all green")


def test_parts_are_weighed_turned_and_taken_away(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open(f"/?q=red&like={gallery['green'].pk}")
    page.get_by_text("“red”", exact=True).last.click()
    page.get_by_role("link", name="Strongly").click()
    chips = page.get_by_role("list", name="What the search is made of")
    expect(chips).to_contain_text("×2")
    expect(page.get_by_role("searchbox")).to_have_value("")
    assert "q=red%5E2" in page.url
    summary = page.locator("#query .chip-menu summary").first
    expect(summary).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Leave it out instead").press("Enter")
    expect(chips).to_contain_text("without “red”")
    page.get_by_role("searchbox").fill("blue")
    page.keyboard.press("Enter")
    expect(chips).to_contain_text("“blue”")
    expect(chips).to_contain_text("more like this")
    page.get_by_role("link", name=re.compile("Search without: without “red”")).click()
    expect(chips).not_to_contain_text("“red”")
    page.get_by_role("link", name="Clear all").click()
    expect(page.get_by_role("heading", name="Newest pictures")).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_a_slash_leads_to_the_box_and_esc_out_of_a_menu(
    door: Door, gallery: dict[str, Image]
) -> None:
    page = door.enter().open("/?q=red")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("a/b")
    expect(page.get_by_role("searchbox")).to_have_value("a/b")
    summary = page.locator("#query .chip-menu summary")
    summary.press("Enter")
    expect(page.get_by_role("link", name="Strongly")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Strongly")).to_be_hidden()
    expect(summary).to_be_focused()


def test_a_picture_that_is_too_large_is_told_before_it_is_sent(
    door: Door, gallery: dict[str, Image], green_file: Path, settings: LazySettings
) -> None:
    settings.CONTEXTVISION_QUERY_MAX_BYTES = 100
    page = door.enter().open("/")
    page.get_by_label("Choose an example picture").set_input_files(green_file)
    expect(page.get_by_role("alert").filter(has_text="meadow.jpg is too large")).to_be_visible()
    expect(page.get_by_role("heading", name="Newest pictures")).to_be_visible()


def test_a_file_that_is_no_picture_is_refused_in_words(
    door: Door, gallery: dict[str, Image], broken_file: Path, green_file: Path
) -> None:
    page = door.enter().open("/?q=red")
    picture = page.get_by_label("Choose an example picture")
    picture.set_input_files(broken_file)
    alert = page.get_by_role("alert").filter(has_text="The picture was not accepted")
    expect(alert).to_contain_text("torn.jpg: the file is damaged or incomplete")
    assert page.url.endswith("/?q=red")
    picture.set_input_files(green_file)
    expect(page.get_by_role("heading", name="“red” and a picture")).to_be_visible()


def test_pages_are_turned_and_reading_goes_on_at_the_top(
    door: Door, gallery: dict[str, Image]
) -> None:
    for shade in range(1, 30):
        add_picture("red", shade=shade, captions=(f"red number {shade}",))
    index_everything()
    page = door.enter().open("/?q=red")
    page.goto(f"{page.url}&offset=24")
    expect(page.locator(".results-count")).to_have_text("Pictures 25 to 37, best first")
    page.get_by_role("link", name="Previous").press("Enter")
    expect(page.locator(".results-count")).to_have_text(re.compile("Pictures 1 to"))
    expect(page.get_by_role("heading", name="“red”")).to_be_focused()
    expect(page.get_by_role("heading", name="“red”")).to_be_in_viewport()


def test_more_and_less_like_a_picture(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/?q=red")
    first = page.locator(".tile").first
    first.hover()
    first.get_by_role("link", name="More like this").click()
    expect(page.get_by_role("heading", name="Similar pictures")).to_be_visible()
    expect(page.locator(".tile").first).to_contain_text("all orange")
    page.locator(".tile").first.hover()
    page.locator(".tile").first.get_by_role("link", name="Less like this").click()
    expect(page.locator(".query-chips")).to_contain_text("less like this")
    expect(page.locator(".tile").first).not_to_contain_text("all orange")


def test_the_picture_page_and_its_similar_pictures(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open(gallery["red"].get_absolute_url())
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
    button = page.get_by_role("button", name="Try again")
    expect(button).to_be_visible()
    button.click()
    expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    page.context.set_offline(False)  # it is tried again by itself
    expect(page.locator(".tile").first).to_contain_text("all red")
    expect(page.get_by_text("The server cannot be reached.")).to_be_hidden()
    visitor.complaints.clear()  # htmx says on the console that it could not send


def test_searches_made_before_are_offered_by_this_browser(
    door: Door, gallery: dict[str, Image]
) -> None:
    visitor = door.enter()
    page = visitor.open("/?q=something+red")
    visitor.open("/?q=very+blue&without=cyan")
    visitor.open("/")
    asked: list[str] = []

    def note(request: Request) -> None:
        if request.resource_type in {"document", "fetch", "xhr"}:
            asked.append(request.url)

    page.on("request", note)
    page.keyboard.press("/")
    recent = page.get_by_role("region", name="Recent searches")
    expect(recent.get_by_role("link")).to_have_text(["“very blue”", "“something red”"])
    page.get_by_role("searchbox").press_sequentially("thing")
    expect(recent.get_by_role("link")).to_have_text(["“something red”"])
    assert asked == []
    page.keyboard.press("Escape")
    expect(recent).to_be_hidden()
    page.get_by_role("searchbox").fill("")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“very blue”")).to_be_visible()
    assert "without=cyan" in page.url
    page.get_by_role("searchbox").click()
    recent.get_by_role("button", name="Clear").click()
    expect(recent).to_be_hidden()
    visitor.open("/")
    page.get_by_role("searchbox").click()
    expect(recent).to_be_hidden()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_search_is_saved_renamed_and_deleted(
    door: Door, gallery: dict[str, Image], member: User, scripts: bool
) -> None:
    page = door.enter(member, java_script_enabled=scripts).open("/?q=red&tag=warm")
    page.get_by_text("Save this search").click()
    expect(page.get_by_label("Name")).to_have_value("“red”")
    page.get_by_label("Name").fill("Warm red")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved as “Warm red”.")).to_be_visible()
    page.get_by_role("link", name="ContextVision", exact=True).click()
    page.get_by_role("navigation", name="Saved searches").get_by_text("Warm red").click()
    expect(page.locator(".tile")).to_have_count(3)
    page.get_by_role("link", name="Saved", exact=True).click()
    page.get_by_text("Rename Warm red").click()
    page.get_by_label("New name").fill("Reds")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("link", name="Reds")).to_be_visible()
    page.get_by_role("button", name="Delete Reds").click()
    expect(page.get_by_text("You have not saved a search yet.")).to_be_visible()


def test_a_model_that_is_loading_is_waited_for(
    door: Door, gallery: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.engine.LOADING_PATIENCE", 0.05)
    monkeypatch.setattr("search.views.problems.RETRY_AFTER", 1)
    engine_holder.reset()
    with engine_holder._lock:  # as whoever loads it holds it
        page = door.enter().open("/?q=red")
        expect(page.get_by_role("heading", name="The model is still loading")).to_be_visible()
    expect(page.locator(".tile").first).to_contain_text("all red")


def test_no_index_yet_is_told_with_the_next_step(door: Door, staff: User) -> None:
    add_picture("red")
    page = door.enter().open("/")
    expect(page.get_by_text("The pictures are being prepared")).to_be_visible()
    expect(page.locator(".tile")).to_have_count(1)
    page.get_by_role("searchbox").fill("red")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="There is no index yet")).to_be_visible()
    expect(page.get_by_role("link", name="Go to the jobs")).to_have_count(0)
    page = door.enter(staff).open("/?q=red")
    page.get_by_role("link", name="Go to the jobs").click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()


def test_an_index_and_a_model_at_odds_are_told_to_whom_it_concerns(
    door: Door, staff: User, gallery: dict[str, Image]
) -> None:
    engine_holder.reset()
    ModelVersion.objects.update(fingerprint="ab" * 32)
    page = door.enter().open("/?q=red")
    problem = page.get_by_role("alert")
    title = "The index and the model do not fit together"
    expect(problem.get_by_role("heading", name=title)).to_be_visible()
    expect(problem.get_by_text("Please try again later.")).to_be_visible()
    page = door.enter(staff).open("/?q=red")
    expect(page.get_by_role("alert")).to_contain_text("has changed since its vectors were made")
    page.get_by_role("link", name="Look at the indexes").click()
    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_whoever_searches_too_often_is_told_when_to_come_back(
    door: Door, gallery: dict[str, Image], settings: LazySettings, scripts: bool
) -> None:
    rates = {"anonymous": "1/minute", "user": "1/minute", "login": "1/minute"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    page = door.enter(java_script_enabled=scripts).open("/?q=red")
    expect(page.locator(".tile").first).to_be_visible()
    page.get_by_role("searchbox").fill("blue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Too many searches at once")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"Wait \d+ seconds?, then try"))


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
    page.get_by_role("searchbox").fill("")
    page.locator("#id_image").set_input_files(green_file)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="Similar pictures")).to_be_visible()
    expect(page.locator(".tile").first).to_contain_text("all green")
    page.get_by_role("searchbox").fill("blue")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="“blue” and a picture")).to_be_visible()
    page.locator("#query .chip-menu summary").first.click()
    page.get_by_role("link", name="Strongly").click()
    expect(page.locator(".query-chips")).to_contain_text("×2")
    page.get_by_role("link", name="Search without: your picture").click()
    expect(page.locator(".tile").first).to_contain_text("all blue")
    page.locator("#id_image").set_input_files(broken_file)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("torn.jpg: the file is damaged")).to_be_visible()
    page.get_by_role("link", name="Filters").click()
    page.get_by_role("region", name="Tag").get_by_role("link", name="warm").click()
    expect(page.locator(".tile")).to_have_count(3)
    page.get_by_role("link", name="Clear all").click()
    page.get_by_role("searchbox").fill("green")
    page.keyboard.press("Enter")
    page.locator(".tile").first.click()
    expect(page.get_by_role("heading", name="all green")).to_be_visible()
    page.get_by_role("link", name="See pictures like this one").click()
    expect(page.get_by_role("heading", name="Similar pictures")).to_be_visible()
