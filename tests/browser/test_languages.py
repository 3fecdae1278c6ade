"""No page keeps a word of English, and each holds in longer and in turned languages."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.apps import apps
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from gallery.models import Collection, Failure, Image, ModelVersion, SavedSearch, Tag
from mlcore.i18n import Message
from tests.browser.conftest import Door
from tests.learning import COMPOSITION, candidate, measured, query_set
from tests.services import REPOSITORY

pytestmark = pytest.mark.django_db(transaction=True)

TURNED = "ar"
"""A language from right to left that Django knows. Ours is not in it: the catalogue made here marks
each sentence that was looked up, so that whatever else can be read was not."""

WIDTH = 360
"""Of a small phone, in pixels."""

OWN_NAMES = {
    "ContextVision", "ID", "English", "Deutsch", "SHA-256", "CSV", "JSON", "HTML",
    "MB", "kB", "ms", "px",
    "JPEG", "PNG", "WebP", "GIF", "AVIF", "HEIC",
}  # fmt: skip
"""What is called the same in every language."""

NOT_OURS = re.compile(
    r"Axes|Knox|Auth tokens|Access|authenticat|Enabled|Disabled|relationship|alt of img"
    r"|Control"
)
"""Pages of the admin that come with other packages, as far as those know the language."""

SPOKEN = {"title", "aria-label", "aria-description", "placeholder", "alt", "label"}
"""Attributes that people read or hear; those of data- may hold the words of a script."""
NOT_SPOKEN = {"script", "style", "code", "kbd", "time"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Reader(HTMLParser):
    """Collects what stands on a page outside the marks."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._depth = 0
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        silent = tag in NOT_SPOKEN or values.get("translate") == "no" or self._is_silent
        if not silent:
            for name, value in values.items():
                if name in SPOKEN or (name.startswith("data-") and re.search(r"\w \w", value)):
                    self._look(value, f"{name} of {tag}", depth=0)
            if tag == "input" and values.get("type") in {"submit", "button"}:
                self._look(values.get("value", ""), "a button", depth=0)
        if tag not in VOID:
            self._open.append((tag, silent))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._is_silent:
            where = self._open[-1][0] if self._open else "the page"
            self._depth = self._look(data, where, depth=self._depth)

    @property
    def _is_silent(self) -> bool:
        return bool(self._open) and self._open[-1][1]

    def _look(self, text: str, where: str, *, depth: int) -> int:
        plain = ""
        for letter in text:
            depth += {"⟦": 1, "⟧": -1}.get(letter, 0)
            plain += letter if depth == 0 else " "
        if re.search(r"[A-Za-z]{2}", plain):
            self.found.append((" ".join(plain.split()), where))
        return depth


@pytest.fixture
def turned(settings: LazySettings, tmp_path: Path) -> None:
    """The site also speaks a language in which every sentence of its own carries marks."""
    with (REPOSITORY / "locale/de/LC_MESSAGES/django.po").open("rb") as file:
        catalogue = read_po(file, locale="de")
    for message in catalogue:
        if message.id:
            forms = (message.id,) if isinstance(message.id, str) else message.id
            marked = tuple(f"⟦{form}⟧" for form in forms)
            message.string = marked[0] if isinstance(message.id, str) else marked
    folder = tmp_path / "locale" / TURNED / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "django.mo").open("wb") as file:
        write_mo(file, catalogue)
    settings.LANGUAGES = [*settings.LANGUAGES, (TURNED, "العربية")]
    settings.LOCALE_PATHS = [tmp_path / "locale", *settings.LOCALE_PATHS]


def data() -> list[str]:
    """What the database holds in words, the longest first: shown as somebody wrote it."""
    found: set[str] = set()
    for model in apps.get_models():
        for row in model._default_manager.values():
            for value in row.values():
                found |= set(_words(value))
    return sorted({*found, *OWN_NAMES}, key=len, reverse=True)


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        # Pages set blanks and line ends as they like, and show the last part of a path.
        shown = [" ".join(value.split()), value.rpartition("/")[2]]
        yield from filter(lambda words: len(words) > 1, shown)
    elif isinstance(value, Message):
        # A sentence in the place of a code, as a test writes it, has no translation.
        yield from _words(value.code if " " in value.code else "")
        yield from _words(dict(value.params))
    elif isinstance(value, dict):
        yield from (words for part in (*value, *value.values()) for words in _words(part))
    elif isinstance(value, list | tuple):
        yield from (words for part in value for words in _words(part))


def leftovers(client: Client, address: str, known: list[str]) -> list[str]:
    """What stands on the page unmarked and is no data, with where it stands."""
    html = client.get(address, headers={"Accept-Language": TURNED}).content.decode()
    assert 'dir="rtl"' in html, address
    reader = Reader()
    reader.feed(html)
    asked = re.findall(r"\w\w+", address)
    found = []
    for text, where in reader.found:
        rest = text
        for words in (*known, *asked):
            rest = rest.replace(words, " ")
        cut = [word.strip("“…") for word in rest.split() if word.endswith("…")]
        for word in cut:
            if any(word in words for words in (*known, *asked)):
                rest = rest.replace(word, " ")
        if re.search(r"[A-Za-z]{2}", rest):
            found.append(f"{address}: {text[:120]} ({where})")
    return found


def fits(page: Page, address: str) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= WIDTH, f"{address} is {wide} pixels wide on a screen of {WIDTH}"


def test_nothing_is_left_in_english(
    client: Client, boss: User, addresses: list[str], turned: None
) -> None:
    client.force_login(boss)
    known = data()
    missed = [found for address in addresses for found in leftovers(client, address, known)]
    assert not missed, "\n".join(missed)


def test_nothing_of_the_admin_is_left_in_english(
    client: Client, boss: User, admin_addresses: list[str], turned: None
) -> None:
    client.force_login(boss)
    known = data()
    missed = [found for address in admin_addresses for found in leftovers(client, address, known)]
    missed = [found for found in missed if not NOT_OURS.search(found)]
    assert not missed, "\n".join(missed)


def test_no_script_speaks_for_itself() -> None:
    """Modules take their words from what a template has written."""
    scripts = [path for app in ("gallery", "search") for path in (REPOSITORY / app).rglob("*.js")]
    assert scripts
    for path in scripts:
        code = re.sub(r"/\*.*?\*/|^\s*//.*$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
        assert not re.search(r"""["'`][A-Z][a-z]+ [a-z]""", code), path.name


@pytest.mark.browser
def test_every_page_turns_around(
    door: Door, boss: User, addresses: list[str], turned: None
) -> None:
    visitor = door.enter(boss, width=WIDTH, locale=TURNED)
    for address in addresses:
        page = visitor.open(address)
        assert page.locator("html").get_attribute("dir") == "rtl"
        fits(page, address)


@pytest.mark.browser
def test_german_fits_a_narrow_screen(door: Door, boss: User, addresses: list[str]) -> None:
    visitor = door.enter(boss, width=WIDTH, locale="de-DE")
    for address in addresses:
        page = visitor.open(address)
        page.wait_for_load_state("load")
        assert page.locator("html").get_attribute("lang") == "de"
        fits(page, address)


@pytest.mark.browser
def test_a_language_is_chosen_without_scripts(door: Door, boss: User) -> None:
    page = door.enter(java_script_enabled=False).open("/accounts/login/?next=/jobs/")
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()
    assert page.url.endswith("/accounts/login/?next=/jobs/")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


OTHER_WORDS = "שלום (עולם)!"
"""From right to left: its last sign stands leftmost where it reads right."""

READS_WRONG = """
() => {
  const wrong = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let found = 0;
  while (walker.nextNode()) {
    const place = walker.currentNode.parentElement;
    const unseen = place.closest("script, select, textarea, .visually-hidden");
    if (unseen || !/^\\s*[\\u0590-\\u05ff]/.test(walker.currentNode.data)) continue;
    found += 1;
    if (getComputedStyle(place).direction !== "rtl") wrong.push(place.outerHTML.slice(0, 120));
  }
  for (const field of document.querySelectorAll("input:not([type=hidden]), textarea")) {
    if (!/^[\\u0590-\\u05ff]/.test(field.value)) continue;
    found += 1;
    if (getComputedStyle(field).unicodeBidi !== "plaintext") wrong.push(field.outerHTML);
  }
  return [found, wrong];
}
"""


@pytest.mark.browser
def test_words_from_right_to_left_read_so_on_a_page_from_left_to_right(
    door: Door, boss: User, gallery: dict[str, Image]
) -> None:
    picture = gallery["red"]
    picture.captions.update(text=OTHER_WORDS)
    picture.captions.create(text=OTHER_WORDS, order=7)
    picture.tags.add(Tag.objects.create(name=OTHER_WORDS))
    picture.title = OTHER_WORDS
    picture.collection = Collection.objects.create(name=OTHER_WORDS)
    picture.save()
    SavedSearch.objects.create(owner=boss, name=OTHER_WORDS, query="q=red")
    live = ModelVersion.objects.get()
    report = measured(live, {OTHER_WORDS: (picture, 3)}, composition=COMPOSITION)
    other = measured(live, {OTHER_WORDS: (picture, 1)})
    kept = query_set({OTHER_WORDS: [picture]}, name=OTHER_WORDS)
    Failure.objects.record(Failure.Stage.IMPORT, OTHER_WORDS, Message("Damaged."))
    Failure.objects.record(Failure.Stage.EMBED, OTHER_WORDS, Message("Damaged."), image=picture)

    page = door.enter(boss).open("/")
    for address in (
        "/",
        f"/?q={OTHER_WORDS}&filters=1",
        picture.get_absolute_url(),
        f"{picture.get_absolute_url()}edit/",
        f"{picture.get_absolute_url()}delete/",
        "/manage/",
        "/saved/",
        "/failures/",
        "/query-sets/",
        f"/query-sets/{kept.pk}/",
        f"/models/{candidate(live).pk}/promote/",
        f"/evaluations/{report.pk}/",
        f"/evaluations/compare/?live={report.pk}&candidate={other.pk}",
    ):
        page.goto(door.site + address)
        found, wrong = page.evaluate(READS_WRONG)
        assert found, address
        assert not wrong, address

    page.goto(f"{door.site}/?q=red")
    page.locator(".tile-link", has_text=OTHER_WORDS).click()
    expect(page.get_by_role("dialog").get_by_role("link", name=OTHER_WORDS).first).to_be_visible()
    assert page.evaluate(READS_WRONG)[1] == []
    page.keyboard.press("Escape")
    page.get_by_role("searchbox").fill("")
    expect(page.get_by_role("link", name=OTHER_WORDS).first).to_be_visible()
    assert page.evaluate(READS_WRONG)[1] == []
