"""Takes the pictures of the documentation from a running product.

    python -m tools.screenshots --site http://127.0.0.1:8000 --username NAME

The demo's photographs may be published; whoever points this at other pictures must see to that
himself. The password is read from CONTEXTVISION_PASSWORD or asked for; without a user name only
the pages for everybody are taken.
"""

import argparse
import getpass
import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.launching import ARGUMENTS
from tests.services import REPOSITORY, chromium_path

WORDS = "a cup of coffee on a table"
DESKTOP = (1280, 860)
PHONE = (360, 740)


@dataclass
class Camera:
    """Opens windows on the site and keeps what they show."""

    browser: Browser
    site: str
    folder: Path
    username: str = ""
    password: str = ""

    def window(self, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Page:
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
        )
        page = context.new_page()
        if self.username:
            page.goto(f"{self.site}/accounts/login/")
            page.get_by_label("Username").fill(self.username)
            page.get_by_label("Password").fill(self.password)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("button", name="Sign out").wait_for()
        return page

    def shoot(self, page: Page, name: str, path: str = "") -> None:
        if path:
            page.goto(self.site + path)
        # The pages of jobs ask for news all the time, so the network is never idle for long.
        page.wait_for_load_state("load")
        page.wait_for_timeout(700)
        with Image.open(io.BytesIO(page.screenshot())) as shot:  # noqa: TID251 - Chromium's own
            shot.convert("RGB").save(self.folder / f"{name}.png", optimize=True)
        print(self.folder / f"{name}.png")  # noqa: T201 - a command


def take_public_pages(camera: Camera, words: str) -> None:
    results = f"/?q={words.replace(' ', '+')}"
    page = camera.window()
    camera.shoot(page, "start", "/")
    camera.shoot(page, "search", results)
    page.locator(".tile-link").first.click()
    page.get_by_role("button", name="Copy link").wait_for()
    camera.shoot(page, "lightbox")
    page.reload()
    page.locator(".strip .tile").first.wait_for()
    camera.shoot(page, "picture")
    camera.shoot(camera.window(scheme="dark"), "search-dark", results)
    page = camera.window(PHONE)
    camera.shoot(page, "phone", results)
    take_both(camera, results)


def take_both(camera: Camera, results: str) -> None:
    """Search with words and a picture: the first result, as if it were somebody's own file."""
    page = camera.window()
    page.goto(camera.site + results)
    source = page.locator(".tile picture img").first.get_attribute("src") or ""
    with tempfile.TemporaryDirectory() as folder:
        example = Path(folder) / "example.webp"
        example.write_bytes(page.request.get(camera.site + source).body())
        page.goto(f"{camera.site}/?q=outdoors")
        page.locator("#id_image").set_input_files(example)
        page.locator(".query-chips img").wait_for()
        camera.shoot(page, "both")


def take_staff_pages(camera: Camera) -> None:
    page = camera.window()
    for name, path in (
        ("upload", "/upload/"),
        ("jobs", "/jobs/"),
        ("models", "/versions/"),
        ("admin", "/admin/gallery/image/"),
    ):
        camera.shoot(page, name, path)


def take_pages_of_teaching(camera: Camera) -> None:
    """Shoot a training and a report, where the site has them; say what it has not."""
    page = camera.window()
    for name, at, words in (
        ("training", "/jobs/", "Train a model"),
        ("evaluation", "/evaluations/", "Report"),
    ):
        page.goto(camera.site + at)
        link = page.get_by_role("link", name=words).first
        if link.count():
            link.click()
            camera.shoot(page, name)
        else:
            print(f"{name}: skipped, {camera.site}{at} has none yet")  # noqa: T201 - a command


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--site", default="http://127.0.0.1:8000", help="where the product runs")
    parser.add_argument("--username", default="", help="staff, for the pages of staff")
    parser.add_argument("--words", default=WORDS, help="what is searched for")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "docs" / "images")
    options = parser.parse_args()
    password = os.environ.get("CONTEXTVISION_PASSWORD", "")
    if options.username and not password:
        password = getpass.getpass()
    options.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        public = Camera(browser, options.site.rstrip("/"), options.folder)
        take_public_pages(public, options.words)
        if options.username:
            inside = Camera(browser, public.site, options.folder, options.username, password)
            take_staff_pages(inside)
            take_pages_of_teaching(inside)
        browser.close()


if __name__ == "__main__":
    main()
