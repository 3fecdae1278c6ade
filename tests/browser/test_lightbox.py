"""A picture in large, over the gallery: opened, walked through, shared, closed."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from gallery.models import Collection, Image
from tests.browser.conftest import Door
from tests.pictures_of_colours import add_many

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def opened(page: Page, name: str) -> None:
    expect(page.get_by_role("dialog", name=name)).to_be_visible()


def test_enter_opens_arrows_go_on_and_esc_goes_back(door: Door, gallery: dict[str, Image]) -> None:
    visitor = door.enter()
    page = visitor.open("/?q=red")
    links = page.locator(".tile-link")
    first, second = (links.nth(n).get_attribute("href") for n in range(2))
    words = links.nth(1).inner_text().split("\n")[0]
    links.first.focus()
    page.keyboard.press("Enter")
    opened(page, "all red")
    box = page.locator("#lightbox")
    expect(box.get_by_text("A square without anything on it")).to_be_visible()
    expect(box.get_by_role("status").filter(has_text="Picture 1 of 8")).to_be_visible()
    expect(box.get_by_role("img", name="all red")).to_be_visible()
    page.wait_for_url(f"**{first}")
    page.keyboard.press("ArrowLeft")  # there is none before the first
    opened(page, "all red")
    page.keyboard.press("ArrowRight")
    opened(page, words)
    page.wait_for_url(f"**{second}")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(links.nth(1)).to_be_focused()
    page.wait_for_url("**/?q=red")
    assert visitor.violations() == []


def test_the_words_that_were_asked_for_are_marked_in_it(
    door: Door, gallery: dict[str, Image]
) -> None:
    visitor = door.enter()
    page = visitor.open('/?q="all red"')
    expect(page.locator(".tile-link mark")).to_have_text(["all", "red"])
    page.locator(".tile-link").first.click()
    expect(page.locator("#lightbox-heading mark")).to_have_text(["all", "red"])
    assert visitor.violations() == []


@pytest.mark.parametrize("way", ["key", "back"])
def test_who_closes_it_stays_at_the_picture_seen_last(
    door: Door, gallery: dict[str, Image], way: str
) -> None:
    add_many(30, size=(900, 600))
    page = door.enter(width=400).open("/?limit=30")
    links = page.locator(".tile-link")
    links.first.click()
    for place in range(2, 26):
        page.keyboard.press("ArrowRight")
        expect(page.locator(".lightbox-place")).to_contain_text(f"Picture {place} of")
    if way == "key":
        page.keyboard.press("Escape")
    else:
        page.go_back()
    expect(page.locator("#lightbox")).to_be_hidden()
    page.wait_for_url("**/?limit=30")
    page.wait_for_timeout(300)  # for a browser that scrolls on its own
    expect(links.nth(24)).to_be_focused()
    expect(links.nth(24)).to_be_in_viewport(ratio=0.9)


def test_the_focus_stays_inside(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/?q=red")
    page.locator(".tile-link").first.click()
    opened(page, "all red")
    expect(page.get_by_role("button", name="Copy link")).to_be_visible()
    for _ in range(14):
        page.keyboard.press("Tab")
        outside = (
            "document.activeElement.closest('main') && !document.activeElement.closest('dialog')"
        )
        assert not page.evaluate(outside)


def test_back_closes_it_and_forward_opens_it(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/")
    page.get_by_role("searchbox").fill("red")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“red”")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    page.locator(".tile-link").first.click()
    opened(page, "all red")
    page.go_back()
    expect(page.locator("#lightbox")).to_be_hidden()
    expect(page.get_by_role("heading", name="“red”")).to_be_visible()
    page.go_forward()
    opened(page, "all red")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#lightbox")).to_be_hidden()
    page.wait_for_url("**/?q=red")
    assert page.evaluate("window.sameDocument")
    page.go_back()  # and the search before is found again
    expect(page.get_by_role("heading", name="Newest pictures")).to_be_visible()


def test_its_address_is_that_of_the_page(door: Door, gallery: dict[str, Image]) -> None:
    visitor = door.enter(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.open("/?q=red")
    page.locator(".tile-link").first.click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    address = visitor.site + gallery["red"].get_absolute_url()
    assert page.evaluate("navigator.clipboard.readText()") == address
    page.reload()
    expect(page.locator("h1")).to_have_text("all red")


def test_more_and_less_from_there(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/?q=red")
    page.locator(".tile-link").first.click()
    box = page.locator("#lightbox")
    box.get_by_role("link", name="Less like this").click()
    page.wait_for_url(re.compile("unlike="))
    expect(page.locator(".tile").first).not_to_contain_text("all red")
    page.go_back()
    expect(page.locator("h1")).to_have_text("all red")
    page.go_back()
    expect(page.get_by_role("heading", name="“red”")).to_be_visible()
    assert page.url.endswith("/?q=red")
    page.locator(".tile-link").first.click()
    box.get_by_role("link", name="More like this").click()
    expect(page.locator(".tile").first).to_contain_text("all orange")


def test_the_large_one_is_sharper_than_the_tile(door: Door, gallery: dict[str, Image]) -> None:
    add_many(3, size=(1500, 1000))
    page = door.enter(width=1440).open("/")
    page.locator(".tile-link").first.click()
    large = page.locator(".lightbox-picture picture img")
    expect(large).to_be_visible()
    page.wait_for_function(
        "() => document.querySelector('.lightbox-picture picture img').currentSrc.match(/0.avif$/)"
    )
    frame, room = large.bounding_box(), page.locator(".lightbox-picture").bounding_box()
    assert frame is not None
    assert room is not None
    assert frame["width"] == pytest.approx(room["width"], abs=1)


def test_the_next_page_comes_at_the_end(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter(width=400).open("/?q=red&limit=2")
    page.locator(".tile-link").first.click()
    box = page.locator("#lightbox")
    for place in range(1, 8):
        expect(box.locator(".lightbox-place")).to_contain_text(f"Picture {place} of")
        expect(page.locator(".tile").nth(place)).to_be_attached()
        box.get_by_role("button", name="Next picture").click()
    expect(box.locator(".lightbox-place")).to_have_text("Picture 8 of 8")
    expect(box.get_by_role("button", name="Next picture")).to_have_attribute(
        "aria-disabled", "true"
    )


def test_staff_put_it_into_a_collection(door: Door, gallery: dict[str, Image], staff: User) -> None:
    page = door.enter(staff).open("/?q=blue")
    page.locator(".tile-link").first.click()
    box = page.locator("#lightbox")
    box.get_by_label("Collection").fill("Waters")
    page.keyboard.press("ArrowLeft")  # moves the cursor, not the picture
    box.get_by_role("button", name="Add to collection").click()
    expect(box.get_by_text("It is in “Waters” now.")).to_be_visible()
    gallery["blue"].refresh_from_db()
    assert gallery["blue"].collection == Collection.objects.get(name="Waters")


def test_others_are_not_offered_what_they_may_not(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/?q=blue")
    page.locator(".tile-link").first.click()
    box = page.locator("#lightbox")
    expect(box.get_by_role("link", name="Download")).to_have_attribute(
        "href", re.compile(r"display\.webp$")
    )
    expect(box.get_by_role("button", name="Add to collection")).to_have_count(0)
    expect(box.get_by_role("link", name="Original")).to_have_count(0)


def test_on_a_phone_it_fits(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter(width=360, has_touch=True).open("/?q=red")
    page.locator(".tile-link").first.tap()
    opened(page, "all red")
    expect(page.get_by_role("button", name="Copy link")).to_be_visible()
    wide = "document.getElementById('lightbox').scrollWidth"
    assert page.evaluate(wide) <= 360


@pytest.mark.parametrize("scripts", [True, False])
def test_without_javascript_or_with_ctrl_it_is_a_link(
    door: Door, gallery: dict[str, Image], scripts: bool
) -> None:
    page = door.enter(java_script_enabled=scripts).open("/?q=red")
    link = page.locator(".tile-link").first
    if scripts:
        with page.context.expect_page() as another:
            link.click(modifiers=["ControlOrMeta"])
        page = another.value
    else:
        link.click()
        expect(page.get_by_role("button", name="Copy link")).to_be_hidden()
    expect(page.locator("h1")).to_have_text("all red")
    expect(page.get_by_role("link", name="Download")).to_be_visible()
