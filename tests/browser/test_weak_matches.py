"""Strong matches first, weak ones folded, and why a picture was found."""

import pytest
from playwright.sync_api import expect

from gallery.models import Image
from tests.browser.conftest import Door


@pytest.fixture(autouse=True)
def _marked(monkeypatch: pytest.MonkeyPatch, _everything_is_strong: None) -> None:
    monkeypatch.setattr("search.services.STRONG", 0.5)


def test_weak_matches_are_folded_behind_a_line(door: Door, indexed: dict[str, Image]) -> None:
    visitor = door.enter()
    page = visitor.open("/?q=red")
    strong, weak = page.locator(".tile:not(.is-weak)"), page.locator(".tile.is-weak")
    assert strong.count() >= 1
    assert strong.count() + weak.count() == len(indexed)
    expect(strong.first).to_be_visible()
    expect(weak.first).to_be_hidden()
    page.get_by_label("Show weaker matches too").check()
    expect(weak.last).to_be_visible()
    assert visitor.violations() == []


def test_weak_matches_unfold_without_javascript_too(door: Door, indexed: dict[str, Image]) -> None:
    page = door.enter(java_script_enabled=False).open("/?q=red")
    expect(page.locator(".tile.is-weak").first).to_be_hidden()
    page.get_by_label("Show weaker matches too").check()
    expect(page.locator(".tile.is-weak").first).to_be_visible()


def test_where_nothing_fits_this_is_said_and_the_nearest_are_folded(
    door: Door, indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.services.STRONG", 1.1)
    page = door.enter().open("/?q=red")
    expect(page.get_by_text("Nothing fits well")).to_be_visible()
    expect(page.locator(".tile").first).to_be_hidden()
    page.get_by_label("Show what comes nearest").check()
    expect(page.locator(".tile").first).to_be_visible()


def test_the_large_view_tells_why_and_counts_what_is_shown(
    door: Door, indexed: dict[str, Image]
) -> None:
    page = door.enter().open("/?q=red")
    count = page.locator(".tile:not(.is-weak)").count()
    page.locator(".tile-link").first.click()
    box = page.locator("#lightbox")
    expect(box.get_by_role("status")).to_have_text(f"Picture 1 of {count}")
    expect(box.get_by_role("heading", name="Why this picture")).to_be_visible()
    expect(box.locator(".why")).to_contain_text("looks like it")
    expect(box.locator(".why .sum")).to_contain_text("%")
