"""The gallery of results: how it lies, what is loaded, how it goes on, and the keys."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from gallery.models import Image
from tests.browser.conftest import Door
from tests.pictures_of_colours import add_many, add_picture, index_everything

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SHAPES = [(900, 600), (600, 900), (800, 800), (1200, 500), (640, 480)]


@pytest.fixture
def many(gallery: dict[str, Image]) -> int:
    """More pictures than three pages hold; their number, with those of the gallery."""
    for shade in range(1, 110):
        add_picture("red", shade=shade, captions=(f"red number {shade}",))
    index_everything()
    return Image.objects.count()  # some shades make the same bytes


@pytest.fixture
def shapes(gallery: dict[str, Image]) -> None:
    for size in SHAPES:
        add_many(4, size=size)


def boxes(page: Page) -> list[dict[str, float]]:
    found = page.locator(".gallery .tile-link").evaluate_all(
        "links => links.map(link => link.getBoundingClientRect().toJSON())"
    )
    return list(found)


@pytest.mark.parametrize("width", [360, 1440, 3840])
@pytest.mark.parametrize("scripts", [True, False])
def test_rows_fill_the_width_and_pictures_keep_their_shape(
    door: Door, shapes: None, width: int, scripts: bool
) -> None:
    page = door.enter(width=width, java_script_enabled=scripts).open("/?limit=28")
    gallery = page.locator(".gallery").bounding_box()
    assert gallery is not None
    rows: dict[int, list[dict[str, float]]] = {}
    for box in boxes(page):
        rows.setdefault(round(box["top"]), []).append(box)
        ratio = box["width"] / box["height"]
        assert min(abs(ratio - w / h) for w, h in [*SHAPES, (48, 40)]) < 0.06
    *full, _ = rows.values()
    assert full or width == 3840
    for row in full:
        assert row[-1]["right"] == pytest.approx(gallery["x"] + gallery["width"], abs=1.5)
        assert max(box["height"] for box in row) - min(box["height"] for box in row) < 1


def test_a_picture_comes_in_a_size_and_format_that_fits(door: Door, shapes: None) -> None:
    visitor = door.enter(width=1440)
    page = visitor.open("/?limit=20")
    first = page.locator(".tile picture img").first
    expect(first).to_be_visible()
    page.wait_for_function("() => document.querySelector('.tile picture img').complete")
    assert first.evaluate("image => image.currentSrc").endswith("480.avif")
    blur = page.locator(".tile-blur").first
    assert blur.evaluate("image => image.complete && image.naturalWidth") == 16
    assert visitor.violations() == []


def test_scores_are_shown_on_demand_and_this_is_remembered(
    door: Door, gallery: dict[str, Image]
) -> None:
    page = door.enter().open("/?q=red")
    score = page.locator(".tile .score").first
    expect(score).to_be_hidden()
    page.get_by_label("Show relevance").check()
    expect(score).to_have_text("relevance 100 %")
    expect(score).to_be_visible()
    page.get_by_role("searchbox").fill("blue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“blue”")).to_be_visible()
    expect(page.get_by_label("Show relevance")).to_be_checked()
    page.reload()
    expect(score).to_be_visible()
    page.get_by_label("Show relevance").uncheck()
    page.reload()
    expect(score).to_be_hidden()


def test_scores_are_shown_without_javascript_too(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter(java_script_enabled=False).open("/?q=red")
    expect(page.locator(".score").first).to_be_hidden()
    page.get_by_label("Show relevance").check()
    expect(page.locator(".score").first).to_be_visible()


def test_pictures_come_while_one_scrolls_and_the_address_follows(door: Door, many: int) -> None:
    page = door.enter().open("/?q=red&limit=24")
    tiles = page.locator(".tile")
    first = page.locator(".tile-link").first.get_attribute("href")
    page.mouse.move(600, 500)
    scroll_until(page, lambda: tiles.count() == many)
    expect(page.locator(".results-count")).to_have_text(f"Pictures 1 to {many}, best first")
    expect(page.get_by_role("status")).to_contain_text(f"to {many} were added.")
    expect(page.get_by_role("link", name="Next pictures")).to_have_count(0)
    assert page.locator(".tile-link").first.get_attribute("href") == first
    hrefs = page.locator(".tile-link").evaluate_all("links => links.map(link => link.href)")
    assert len(set(hrefs)) == many
    scroll_until(page, lambda: "offset=72" in page.url or "offset=96" in page.url)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_url("**/?q=red&limit=24")


def scroll_until(page: Page, done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, page.url
        page.mouse.wheel(0, 600)
        page.wait_for_timeout(50)


def test_what_is_near_comes_also_where_the_page_is_slow_to_be_whole(
    door: Door, gallery: dict[str, Image]
) -> None:
    visitor = door.enter(width=400)

    def late(route: Route) -> None:
        visitor.page.wait_for_timeout(1500)
        route.continue_()

    visitor.page.route("**/js/copying*.js", late)  # the last one
    page = visitor.open("/?q=red&limit=2")
    expect(page.locator(".tile").nth(2)).to_be_attached()


NOTED = """() => {
    const tiles = [...document.querySelectorAll("#pictures .tile-link")];
    const top = tiles.find((tile) => tile.getBoundingClientRect().bottom > 60);
    return top && history.state?.at === top.dataset.picture;
}"""


def test_one_comes_back_to_where_one_was(door: Door, many: int) -> None:
    page = door.enter().open("/?q=red&limit=24")
    page.mouse.move(600, 500)
    scroll_until(page, lambda: "offset=48" in page.url)
    page.wait_for_function(NOTED)
    # As it is left, since a turn of the wheel may still be on its way.
    page.evaluate("addEventListener('pagehide', () => { sessionStorage.at = history.state.at; })")
    page.evaluate("location = '/accounts/login/'")
    expect(page.get_by_label("Username")).to_be_visible()
    at = page.evaluate("sessionStorage.at")
    page.go_back()
    tile = page.locator(f'[data-picture="{at}"]')
    expect(tile).to_be_in_viewport()
    expect(page.get_by_role("link", name="Previous pictures")).to_be_attached()
    assert "offset=" in page.url


def test_after_some_pages_more_come_only_when_asked_for(door: Door, many: int) -> None:
    page = door.enter().open("/?q=red&limit=8")
    tiles = page.locator(".tile")
    page.mouse.move(600, 500)
    scroll_until(page, lambda: tiles.count() == 8 + 6 * 8)
    more = page.get_by_role("link", name="Next pictures")
    more.scroll_into_view_if_needed()
    page.mouse.wheel(0, 2000)
    expect(page.locator("footer")).to_be_in_viewport()
    assert tiles.count() == 56
    more.press("Enter")
    expect(tiles.nth(56).locator(".tile-link")).to_be_focused()


def test_a_page_that_cannot_come_is_told_and_asked_for_again(
    door: Door, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = door.enter()
    page = visitor.open("/")
    page.route("**/?*offset=*", lambda route: route.fulfill(status=503, body=BUSY))
    page.goto(f"{visitor.site}/?q=red")
    alert = page.locator("#pager").get_by_role("alert")
    page.mouse.move(600, 500)
    page.mouse.wheel(0, 3000)
    expect(alert).to_have_text("The search is busy; try again.")
    expect(page.locator(".tile")).to_have_count(24)
    page.unroute("**/?*offset=*")
    page.get_by_role("link", name="Next pictures").click()
    expect(page.locator(".tile").nth(47)).to_be_attached()
    expect(alert).to_have_count(0)


BUSY = '<div id="problem"><p>The search is busy; try again.</p></div>'


def test_arrows_move_through_the_gallery(door: Door, shapes: None) -> None:
    page = door.enter(width=1000).open("/?limit=28")
    links = page.locator(".tile-link")
    links.first.focus()
    page.keyboard.press("ArrowRight")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    tops = [round(box["top"]) for box in boxes(page)]
    second_row = next(n for n, top in enumerate(tops) if abs(top - tops[0]) > 2)
    expect(links.nth(second_row)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("End")
    expect(links.last).to_be_focused()
    expect(links.last).to_be_in_viewport()
    page.keyboard.press("Home")
    expect(links.first).to_be_focused()
    # One stop for Tab, and what can be done with that picture.
    page.keyboard.press("Tab")
    expect(page.locator(".tile-more").first).to_be_focused()
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.closest('.gallery')")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(links.first).to_be_focused()


def test_arrow_down_leads_from_the_search_box_to_the_pictures(
    door: Door, gallery: dict[str, Image]
) -> None:
    page = door.enter().open("/")
    box = page.get_by_role("searchbox")
    box.fill("red")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“red”")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".tile-link").first).to_be_focused()
    box.fill("blue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“blue”")).to_be_visible()
    box.fill("re")  # which is offered again, and comes first
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="“red”", exact=True)).to_be_focused()


def test_the_keys_are_explained(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter().open("/?q=red")
    link = page.locator(".tile-link").first
    link.focus()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard")
    expect(keys).to_be_visible()
    expect(keys.get_by_text("Go from picture to picture")).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(link).to_be_focused()
    page.get_by_role("button", name="Keyboard").click()
    expect(keys).to_be_visible()
    keys.get_by_role("button", name="Close").click()
    page.get_by_role("searchbox").press_sequentially("?")
    expect(keys).to_be_hidden()
    expect(page.get_by_role("searchbox")).to_have_value("?red")
