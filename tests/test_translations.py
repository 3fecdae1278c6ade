"""The catalogues: complete, true to the source, and compiled."""

import gettext
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from django.conf import settings

from tests.services import REPOSITORY

LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
PLACEHOLDER = re.compile(r"%\(\w+\)\w|%[sd]|\{\w*(?:[^}\w]\w*)*\}")


EXTRACT = (
    "makemessages", "--all", "--no-location", "--no-obsolete",
    "--ignore=tests", "--ignore=docs", "--ignore=var", "--verbosity=0",
)  # fmt: skip
"""As `make messages` does."""


def catalogue(folder: Path, language: str) -> Catalog:
    with (folder / language / "LC_MESSAGES/django.po").open("rb") as file:
        return read_po(file, locale=language)


def messages(language: str, folder: Path = REPOSITORY / "locale") -> list[Message]:
    return [message for message in catalogue(folder, language) if message.id]


def forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    """Return singular and plural, or the one form there is."""
    return (text,) if isinstance(text, str) else tuple(text or ())


def named(message: Message) -> tuple[str, tuple[str, ...]]:
    return message.context or "", forms(message.id)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated(language: str) -> None:
    for message in messages(language):
        translated = forms(message.string)
        assert translated, f"Not translated: {message.id}"
        assert all(translated), f"Not translated: {message.id}"
        assert not message.fuzzy, f"Guessed, not translated: {message.id}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_and_markup_survive(language: str) -> None:
    for message in messages(language):
        wanted = [sorted(PLACEHOLDER.findall(form)) for form in forms(message.id)]
        tags = [sorted(re.findall(r"</?\w+", form)) for form in forms(message.id)]
        for form in forms(message.string):
            assert sorted(PLACEHOLDER.findall(form)) in wanted, message.id
            assert sorted(re.findall(r"</?\w+", form)) in tags, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    """The .mo files are kept with the source, so that running it takes no gettext."""
    path = REPOSITORY / "locale" / language / "LC_MESSAGES/django.mo"
    with path.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    held = {key for key in compiled._catalog if key}  # type: ignore[attr-defined]
    written: set[str | tuple[str, int]] = set()
    for message in messages(language):
        context = f"{message.context}\x04" if message.context else ""
        first, *plural = forms(message.id)
        if plural:
            written |= {(context + first, place) for place in range(len(forms(message.string)))}
            for number in (1, 2):
                form = compiled.ngettext(context + first, plural[0], number)
                assert form in forms(message.string), "Run `make messages`."
        else:
            written.add(context + first)
            assert compiled.gettext(context + first) == message.string, "Run `make messages`."
    assert held == written, "Run `make messages`."


@pytest.mark.skipif(not shutil.which("xgettext"), reason="needs GNU gettext (package: gettext)")
def test_every_string_of_the_source_is_in_the_catalogues(tmp_path: Path) -> None:
    for name in ("contextvision_site", "gallery", "search", "mlcore", "templates", "locale"):
        shutil.copytree(
            REPOSITORY / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns("__pycache__", "static", "starter_heads"),
        )
    shutil.copy(REPOSITORY / "manage.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "manage.py", *EXTRACT], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for language in LANGUAGES:
        extracted = {
            (message.context, message.id) for message in messages(language, tmp_path / "locale")
        }
        kept = {(message.context, message.id) for message in messages(language)}
        assert extracted - kept == set(), "Run `make messages` and translate what is new."
        assert kept - extracted == set(), "Run `make messages`; these are gone."
