"""WCAG 2.2 AA on every page, as far as a program can tell."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from gallery.models import Image
from tests.browser.conftest import Door, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GRAVE = {"serious", "critical"}


def grave_faults(page: Page) -> list[str]:
    """Run axe over the page as it is now; what it finds serious or critical, with the places."""
    options = {"runOnly": STANDARDS, "resultTypes": ["violations"]}
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in Axe().run(page, options=options).response["violations"]
        if fault["impact"] in GRAVE
        for node in fault["nodes"]
    ]


def faults_by_scheme(visitor: Visitor, addresses: list[str]) -> dict[str, list[str]]:
    found = {}
    for address in addresses:
        page = visitor.open(address)
        page.wait_for_load_state("load")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            faults = grave_faults(page)
            if faults:
                found[f"{address} in {scheme}"] = faults
    return found


# Colours must have arrived when they are measured, so nothing fades.
def test_axe_finds_nothing_grave_on_any_page(door: Door, boss: User, addresses: list[str]) -> None:
    assert faults_by_scheme(door.enter(boss, reduced_motion="reduce"), addresses) == {}


def test_axe_finds_nothing_grave_for_a_guest(door: Door, gallery: dict[str, Image]) -> None:
    addresses = ["/", "/?q=red", gallery["red"].get_absolute_url(), "/accounts/login/"]
    assert faults_by_scheme(door.enter(reduced_motion="reduce"), addresses) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_grave_in_what_opens_over_the_gallery(
    door: Door, boss: User, gallery: dict[str, Image], scheme: Literal["light", "dark"]
) -> None:
    page = door.enter(boss, reduced_motion="reduce", color_scheme=scheme).open("/?q=red")
    page.get_by_label("Show relevance").check()
    page.locator(".tile-link").first.focus()
    assert grave_faults(page) == []
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    assert grave_faults(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Move to collection")).to_be_visible()
    assert grave_faults(page) == []


def test_axe_finds_a_fault_that_is_there(door: Door, db: None) -> None:
    page = door.enter().open("/accounts/login/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<button></button>')")
    assert any(fault.startswith("button-name") for fault in grave_faults(page))


def test_nothing_moves_for_those_who_asked_for_stillness(
    door: Door, gallery: dict[str, Image]
) -> None:
    page = door.enter(reduced_motion="reduce").open("/?q=red")
    tile = page.locator(".tile").first
    tile.hover()
    expect(tile).to_be_visible()
    moving = page.evaluate(
        """() => document.getAnimations()
            .filter((each) => each.effect.getComputedTiming().duration > 10)
            .map((each) => each.transitionProperty || each.animationName)"""
    )
    assert moving == []
