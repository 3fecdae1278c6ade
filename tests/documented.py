"""What the code really offers, read from the code, for tests that hold documents against it."""

import ast
import re
from functools import cache
from pathlib import Path

from django.core.management import get_commands

from tests.services import REPOSITORY

OWN_APPS = ("gallery", "search")


def _calls(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


@cache
def settings_defaults() -> dict[str, object]:
    """Every variable that the settings read, with its default where that is written out."""
    found: dict[str, object] = {}
    files = ("__init__.py", "logs.py")
    folder = REPOSITORY / "contextvision_site/settings"
    for call in (call for file in files for call in _calls(folder / file)):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env")),
                args=[ast.Constant(value=str(name)), default, *_],
            ):
                found[name] = default.value if isinstance(default, ast.Constant) else None
    return found


def settings_variables() -> set[str]:
    return set(settings_defaults())


@cache
def variables_of_tests() -> set[str]:
    """Variables that only the tests read."""
    found = set()
    for call in _calls(REPOSITORY / "tests/services.py"):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                found.add(name)
    return found


def own_commands() -> set[str]:
    """Management commands of this project."""
    return {name for name, app in get_commands().items() if app in OWN_APPS}


@cache
def make_targets() -> set[str]:
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", text, re.MULTILINE))


@cache
def documents() -> dict[Path, str]:
    """Every page that people read, by path."""
    pages = [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").rglob("*.md"),
    ]
    return {page: page.read_text(encoding="utf-8") for page in sorted(pages)}
