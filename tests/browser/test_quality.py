"""What holds on every page: policy, narrow and dark screens, keyboard, and nothing that jumps."""

import re
import time

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Dialog, Page, Route, expect

from gallery.models import Image
from tests.browser.conftest import Door

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_every_page_is_sound(door: Door, boss: User, addresses: list[str]) -> None:
    """One visit to each, looked at from all sides, since loading is what takes the time."""
    visitor = door.enter(boss)
    dialogs = watch_dialogs(visitor.page)
    for address in addresses:
        page = visitor.open(address)
        page.wait_for_load_state("load")
        has_structure(page, address)
        names_every_control(page, address)
        follows_the_system(page, address)
        fits_every_screen(page, address)
        assert visitor.violations() == [], address
    visitor.open(f"/images/{Image.objects.latest('pk').pk}/")
    visitor.page.wait_for_selector(".strip")
    fits_every_screen(visitor.page, "a picture's page with its strip")
    assert visitor.violations() == []
    assert dialogs == []


def test_the_admin_keeps_the_policy(door: Door, boss: User, admin_addresses: list[str]) -> None:
    visitor = door.enter(boss)
    dialogs = watch_dialogs(visitor.page)
    for address in admin_addresses:
        page = visitor.open(address)
        page.wait_for_load_state("load")
        assert page.locator("#content h1").count() == 1, address
        assert visitor.violations() == [], address
    assert dialogs == []


def watch_dialogs(page: Page) -> list[str]:
    """Collect what opens a dialog: nothing here does, except a script that somebody wrote."""
    seen: list[str] = []

    def note(dialog: Dialog) -> None:
        seen.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    return seen


def has_structure(page: Page, address: str) -> None:
    assert page.locator("h1").count() == 1, address
    assert page.locator("main").count() == 1, address
    assert page.title().endswith("ContextVision"), address
    repeated = page.evaluate(
        """() => {
            const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
            return ids.filter((id, place) => ids.indexOf(id) !== place);
        }"""
    )
    assert repeated == [], address


def names_every_control(page: Page, address: str) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, select, textarea, progress")]
            .filter((node) => node.type !== "hidden" && node.checkVisibility())
            .filter((node) => !(node.labels && node.labels.length))
            .filter((node) => !node.textContent.trim() && !node.getAttribute("aria-label"))
            .filter((node) => !node.querySelector("img[alt]:not([alt=''])"))
            .map((node) => node.outerHTML)"""
    )
    assert nameless == [], address


def follows_the_system(page: Page, address: str) -> None:
    for scheme, is_dark in (("dark", True), ("light", False)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        ground, ink = (brightness(page, what) for what in ("backgroundColor", "color"))
        assert (ground < ink) == is_dark, f"{address} in {scheme}"
        assert abs(ground - ink) > 0.6, f"{address} in {scheme}"


def brightness(page: Page, what: str) -> float:
    """Luminance of a colour of the page's body, 0 to 1 (ITU-R BT.709, gamma left in)."""
    colour = page.evaluate(f"getComputedStyle(document.body).{what}")
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def fits_every_screen(page: Page, address: str) -> None:
    """From a phone to 4K, and in a script that is written from right to left. 640 pixels are what
    a screen of 1280 has at 200 %."""
    for direction in ("rtl", "ltr"):
        page.evaluate("(direction) => { document.documentElement.dir = direction }", direction)
        for width in (360, 640, 768, 1280, 3840):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{address}, {direction}: {wide} pixels on a screen of {width}"


@pytest.mark.parametrize("width", [360, 768])
def test_the_whole_menu_of_staff_is_seen(door: Door, boss: User, width: int) -> None:
    page = door.enter(boss, width=width, locale="de-DE").open("/accounts/password_change/")
    menu = page.locator(".site-nav")
    frame = menu.bounding_box()
    boxes = [link.bounding_box() for link in menu.get_by_role("link").all()]
    assert frame is not None
    assert len(boxes) == 10
    for box in boxes:
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= min(width, frame["x"] + frame["width"] + 1)
        assert box["y"] + box["height"] <= frame["y"] + frame["height"] + 1


def test_the_watch_over_the_policy_sees_a_violation(door: Door, db: None) -> None:
    visitor = door.enter()
    page = visitor.open("/accounts/login/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')")
    page.wait_for_function("window.policyViolations.length > 0")
    assert "style-src" in visitor.violations()[0]
    assert visitor.complaints
    visitor.complaints.clear()


def test_the_keyboard_gets_everywhere(door: Door, gallery: dict[str, Image]) -> None:
    page = door.enter(reduced_motion="reduce").open("/?q=red")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break  # past the last one
        focused = page.evaluate(
            """() => {
                const node = document.activeElement;
                const outlined = (element) => element && getComputedStyle(element).outlineStyle;
                const ring = [node, node.closest(".search-bar"), node.closest(".dropzone")];
                const shown = ring.some((element) => element && outlined(element) !== "none");
                const name = node.id || node.className || node.tagName;
                return [String(name), shown, getComputedStyle(node).opacity];
            }"""
        )
        reached.append(focused)
        assert focused[1], f"{focused[0]} shows no focus"
        assert focused[2] == "1", f"{focused[0]} cannot be seen while it has the focus"
    names = [name for name, _, _ in reached]
    assert "id_q" in names
    assert "search-button primary" in names
    assert names.count("tile-link") == 1  # arrows lead to the others
    page.locator("#id_q").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("blue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“blue”")).to_be_visible()
    page.locator(".tile-link").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="all blue")).to_be_visible()


WATCH_SHIFTS = (
    "window.shift = 0; new PerformanceObserver((list) => { for (const entry of"
    " list.getEntries()) window.shift += entry.value; })"
    ".observe({type: 'layout-shift', buffered: true});"
)


def test_nothing_moves_while_pictures_load(door: Door, gallery: dict[str, Image]) -> None:
    visitor = door.enter()
    visitor.page.context.add_init_script(WATCH_SHIFTS)
    for address in ("/?q=red", gallery["red"].get_absolute_url()):
        page = visitor.open(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.shift") < 0.02, address


def test_nothing_moves_when_scripts_come_late(door: Door, gallery: dict[str, Image]) -> None:
    visitor = door.enter()
    visitor.page.set_viewport_size({"width": 412, "height": 823})
    visitor.page.context.add_init_script(WATCH_SHIFTS)
    visitor.page.route("**/*.js", _come_late)
    # So long that what stands beside it has a line of its own, which just holds the button too.
    page = visitor.open("/?q=two+red+squares+beside+each+other")
    expect(page.locator(".keys-opener").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.shift") < 0.02


def _come_late(route: Route) -> None:
    time.sleep(0.3)
    route.continue_()
