"""A real Chromium in front of a real server, and a watch over everything it complains about."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from gallery.models import Collection, Image, Tag
from tests.browser.every_page import addresses, admin_addresses, boss
from tests.browser.launching import ARGUMENTS
from tests.services import chromium_path

__all__ = ["addresses", "admin_addresses", "boss"]

_NOTICE_VIOLATIONS = """
window.policyViolations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.policyViolations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Chromium, for all tests of this folder.

    Playwright keeps an event loop in this thread, in which Django would refuse to touch the
    database; nothing here is in fact asynchronous.
    """
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield chromium
        chromium.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(autouse=True)
def _everything_is_strong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Galleries are tested with all their pictures; a test of weak matches sets the mark itself."""
    monkeypatch.setattr("search.services.STRONG", 0.0)


@dataclass
class Visitor:
    """Somebody at a browser window."""

    page: Page
    site: str
    complaints: list[str] = field(default_factory=list)
    """What the console said and what threw; expected answers of 4xx and 5xx are not in it."""
    foreign: list[str] = field(default_factory=list)
    """Requests to any other host."""

    def open(self, path: str) -> Page:
        self.page.goto(self.site + path)
        return self.page

    def violations(self) -> list[str]:
        """What the page did against its Content-Security-Policy."""
        return list(self.page.evaluate("window.policyViolations"))


@dataclass
class Door:
    """Lets people in."""

    browser: Browser
    site: str
    contexts: list[BrowserContext] = field(default_factory=list)
    visitors: list[Visitor] = field(default_factory=list)

    def enter(self, user: User | None = None, *, width: int = 1280, **options: Any) -> Visitor:
        context = self.browser.new_context(viewport={"width": width, "height": 800}, **options)
        self.contexts.append(context)
        context.set_default_timeout(10_000)
        if user is not None:
            client = Client()
            client.force_login(user)
            session = client.cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": session, "url": self.site}])
        if options.get("java_script_enabled", True):
            context.add_init_script(_NOTICE_VIOLATIONS)
        visitor = Visitor(context.new_page(), self.site)
        visitor.page.on("console", lambda message: _note(visitor, message.type, message.text))
        visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        visitor.page.on("request", lambda request: _note_host(visitor, request.url))
        self.visitors.append(visitor)
        return visitor


def _note(visitor: Visitor, kind: str, text: str) -> None:
    # A page that answers 404 or 422 in words is also reported as a resource that failed to load.
    expected = "Failed to load resource" in text or "Response Status Error Code" in text
    if kind in {"error", "warning"} and not expected:
        visitor.complaints.append(text)


def _note_host(visitor: Visitor, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme in {"http", "https"} and f"{parts.scheme}://{parts.netloc}" != visitor.site:
        visitor.foreign.append(url)


@pytest.fixture
def door(chromium: Browser, live_server: LiveServer) -> Iterator[Door]:
    door = Door(chromium, live_server.url)
    yield door
    for context in door.contexts:
        context.close()
    for visitor in door.visitors:
        assert visitor.complaints == []
        assert visitor.foreign == []


@pytest.fixture
def gallery(indexed: dict[str, Image]) -> dict[str, Image]:
    """One picture of each colour; some in a collection, with a tag and more captions."""
    paintings = Collection.objects.create(name="Paintings")
    warm = Tag.objects.create(name="warm")
    for colour in ("red", "orange", "yellow"):
        Image.objects.filter(pk=indexed[colour].pk).update(collection=paintings)
        indexed[colour].tags.add(warm)
    indexed["red"].captions.create(text="A square without anything on it", order=1)
    return indexed
