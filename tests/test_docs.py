"""What the documents say exists, exists; what exists, they say."""

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.core.management import get_commands

import tools
from tests.documented import (
    documents,
    make_targets,
    own_commands,
    settings_defaults,
    settings_variables,
    variables_of_tests,
)
from tests.services import REPOSITORY

SETTINGS_PAGE = REPOSITORY / "docs" / "settings.md"
_ROW = re.compile(r"^\| `(?P<name>[A-Z_0-9]+)` \| (?P<default>[^|]*) \| [^|]+ \|$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def settings_rows() -> dict[str, str]:
    text = documents()[SETTINGS_PAGE]
    return {match["name"]: match["default"] for match in _ROW.finditer(text)}


def test_every_setting_is_documented_and_every_documented_setting_is_read() -> None:
    assert set(settings_rows()) == settings_variables() | variables_of_tests()


def test_documented_defaults_are_those_of_the_code() -> None:
    rows = settings_rows()
    for name, default in settings_defaults().items():
        if isinstance(default, bool):
            default = "on" if default else "off"
        if default is not None and default != "":
            assert f"`{default}`" in rows[name], name


def test_documents_name_no_variable_that_nobody_reads() -> None:
    known = (
        settings_variables() | variables_of_tests() | {"CONTEXTVISION_PORT"}
    )  # the last: Compose
    for page, text in documents().items():
        assert set(re.findall(r"\bCONTEXTVISION_[A-Z_0-9]+", text)) <= known, page.name


def test_compose_reads_its_own_variable() -> None:
    assert "${CONTEXTVISION_PORT:-" in (REPOSITORY / "docker-compose.yml").read_text()


def test_every_command_of_the_project_is_documented() -> None:
    text = documents()[REPOSITORY / "docs" / "commands.md"]
    for name in own_commands():
        assert f"`manage.py {name}" in text, name


def test_documented_commands_exist() -> None:
    for page, text in documents().items():
        for name in re.findall(r"manage\.py ([a-z_]+)", text):
            assert name in get_commands(), f"{page.name}: manage.py {name}"


def test_documented_make_targets_exist() -> None:
    for page, text in documents().items():
        code = re.findall(r"`make ([^`]+)`", text) + re.findall(r"^make (.+)$", text, re.MULTILINE)
        for line in code:
            targets = [word for word in line.split("#")[0].split() if "=" not in word]
            assert targets or "=" in line
            assert set(targets) <= make_targets(), f"{page.name}: make {line}"


def test_documented_module_commands_exist() -> None:
    from mlcore.__main__ import main

    for page, text in documents().items():
        for name in set(re.findall(r"python -m mlcore ([a-z][a-z-]*)", text)):
            with pytest.raises(SystemExit) as ended:
                main([name, "--help"])
            assert ended.value.code == 0, f"{page.name}: python -m mlcore {name}"


def test_documented_programs_of_developers_exist_and_every_tool_is_listed() -> None:
    text = "".join(documents().values())
    for name in set(re.findall(r"python -m ((?:benchmarks|tools)[\w.]*\w)", text)):
        place = REPOSITORY / name.replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), name
    every = {path.stem for path in (REPOSITORY / "tools").glob("[a-z]*")}
    assert set(re.findall(r"^\* ``(\w+)``", tools.__doc__ or "", re.MULTILINE)) == every


def test_every_mark_of_tests_is_explained() -> None:
    marks = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]
    page = documents()[REPOSITORY / "docs" / "developing" / "testing.md"]
    for mark in marks["ini_options"]["markers"]:
        assert f"`{mark.partition(':')[0]}`" in page or mark.startswith("browser:"), mark


def test_messages_that_are_explained_are_those_of_the_program() -> None:
    code = "".join(
        file.read_text(encoding="utf-8")
        for package in ("gallery", "search", "mlcore", "contextvision_site")
        for file in (REPOSITORY / package).rglob("*.py")
    )
    text = documents()[REPOSITORY / "docs" / "troubleshooting.md"]
    quoted = re.findall(r'^\| (?:\d+ )?"([^"]+)"', text, re.MULTILINE)
    assert len(quoted) > 5
    for message in set(quoted) - {"CSRF verification failed"}:  # that one is Django's
        for part in message.split("..."):
            assert part.strip() in code, message


def anchors(text: str) -> set[str]:
    """Names of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for match in _LINK.finditer(documents()[document]):
        target = match["target"]
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (document.parent / unquote(file)).resolve() if file else document
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(documents()[linked]), target


def test_code_names_only_pages_that_exist() -> None:
    for package in ("contextvision_site", "gallery", "search", "mlcore", "templates"):
        for file in (REPOSITORY / package).rglob("*"):
            if file.suffix in {".py", ".html"}:
                for name in re.findall(r"docs/[\w/-]+\.md", file.read_text(encoding="utf-8")):
                    assert (REPOSITORY / name).is_file(), f"{file.name} names {name}"
