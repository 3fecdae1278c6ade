"""What holds on every page: policy, narrow and dark screens, keyboard, and nothing that jumps."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Dialog, Page, expect

from gallery.models import Failure, Image, IndexVersion, Job, Tag
from tests.browser.conftest import Door
from tests.pictures_of_colours import add_picture, run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>"


@pytest.fixture
def addresses(gallery: dict[str, Image], boss: User) -> list[str]:
    """Every page of the site, with something on each."""
    run(Job.Kind.INDEX)
    hostile = add_picture("red", shade=5, captions=(HOSTILE, "x" * 200))
    hostile.tags.add(Tag.objects.create(name=HOSTILE[:60]))
    Image.objects.filter(pk=hostile.pk).update(title=HOSTILE)
    run(Job.Kind.EMBED)
    failed = Job.objects.create(
        kind=Job.Kind.IMPORT,
        status=Job.Status.FAILED,
        error=f"The folder {'long' * 40} holds no pictures. {HOSTILE}",
        params={"path": "/" + "deep/" * 40},
    )
    Failure.objects.record(Failure.Stage.IMPORT, "f" * 250, f"Damaged. {HOSTILE}", job=failed)
    Failure.objects.update(last_seen=timezone.now() - timedelta(days=16))  # a long way to say it
    Job.objects.create(kind=Job.Kind.EMBED, status=Job.Status.FAILED, error="x", is_defect=True)
    Job.objects.create(
        kind=Job.Kind.EMBED, status=Job.Status.RUNNING, done=5, total=10, created_by=boss
    )
    former = IndexVersion.objects.last()
    assert former is not None
    return [
        "/",
        "/?by=image",
        "/?by=both&q=red",
        "/?q=red&collection=Paintings&without=blue",
        f"/?like={hostile.pk}",
        f"/?q={'x' * 301}",
        hostile.get_absolute_url(),
        f"{hostile.get_absolute_url()}edit/",
        f"{hostile.get_absolute_url()}delete/",
        "/upload/",
        "/jobs/",
        f"/jobs/{failed.pk}/",
        "/failures/",
        "/versions/",
        f"/versions/{former.pk}/make-active/",
        "/accounts/login/",
        reverse("password_change"),
        "/no/such/page",
    ]


@pytest.fixture
def admin_addresses(addresses: list[str]) -> list[str]:
    image = Image.objects.latest("pk")
    tables = (
        "image", "caption", "tag", "collection", "imageembedding", "modelversion", "indexversion",
        "job", "failure", "workerpulse",
    )  # fmt: skip
    return [
        "/admin/",
        *(f"/admin/gallery/{name}/" for name in tables),
        "/admin/gallery/image/add/",
        f"/admin/gallery/image/{image.pk}/change/",
        f"/admin/gallery/image/{image.pk}/delete/",
        "/admin/gallery/indexversion/rebuild/",
        f"/admin/gallery/job/{Job.objects.latest('pk').pk}/change/",
        "/admin/auth/user/",
        "/admin/auth/user/add/",
    ]


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss", password="a long password")


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
        fits_narrow_screens(page, address)
        assert visitor.violations() == [], address
    visitor.open(f"/images/{Image.objects.latest('pk').pk}/")
    visitor.page.wait_for_selector(".strip")
    fits_narrow_screens(visitor.page, "a picture's page with its strip")
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


def fits_narrow_screens(page: Page, address: str) -> None:
    for width in (360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{address} is {wide} pixels wide on a screen of {width}"


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
    assert names.count("tile-link") >= 8
    page.locator("#id_q").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("blue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“blue”")).to_be_visible()
    page.locator(".tile-link").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="all blue")).to_be_visible()


def test_nothing_moves_while_pictures_load(door: Door, gallery: dict[str, Image]) -> None:
    visitor = door.enter()
    visitor.page.context.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => { for (const entry of"
        " list.getEntries()) window.shift += entry.value; })"
        ".observe({type: 'layout-shift', buffered: true});"
    )
    for address in ("/?q=red", gallery["red"].get_absolute_url()):
        page = visitor.open(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.shift") < 0.02, address
