"""Reads from the syntax tree which codes the program tells people, and with which parameters."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mlcore.i18n import Sentence
from tests.services import REPOSITORY

_ROOT = "ContextVisionError"
_CODE_AT = {"ImageRejectedError": 1}
"""Which argument the code is, of errors that take something before it."""


@dataclass(frozen=True, slots=True)
class Use:
    """One place where something is told."""

    place: str
    """File and line."""
    code: str | None
    """None where it is no literal: handed on from elsewhere, or, with ``is_sentence``, wrong."""
    params: frozenset[str]
    is_open: bool
    """Whether more parameters may come, by ``**``."""
    is_sentence: bool


def uses(package: str) -> Iterator[Use]:
    """Yield every error and message that a package makes."""
    for path, tree in _trees(package):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from _uses_in(node, path)


def told_somewhere(package: str) -> Iterator[str]:
    """Return the codes that a package writes out, and ``stage.`` for all that begin like this.

    A code may stand apart from its message, such as in a table.
    """
    for path, tree in _trees(package):
        if "messages" not in path.parts:
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    yield _family(node)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def placeholders(sentence: Sentence) -> set[str]:
    """Return the parameters that a sentence has places for."""
    if isinstance(sentence, tuple):
        return {"count"}.union(*map(placeholders, sentence))
    return set(re.findall(r"%\((\w+)\)", sentence))


def _uses_in(call: ast.Call, path: Path) -> Iterator[Use]:
    at, keywords = _told(call)
    if at is None or at >= len(call.args):
        return
    given = frozenset(keyword.arg for keyword in keywords if keyword.arg)
    is_open = any(keyword.arg is None for keyword in keywords)
    place = f"{path.relative_to(REPOSITORY)}:{call.lineno}"
    code = call.args[at]
    for choice in (code.body, code.orelse) if isinstance(code, ast.IfExp) else (code,):
        literal = choice.value if isinstance(choice, ast.Constant) else None
        is_sentence = (
            " " in str(literal)
            or isinstance(choice, ast.BinOp)
            or (isinstance(choice, ast.JoinedStr) and not _family(choice))
            or (isinstance(choice, ast.Call) and "gettext" in ast.unparse(choice.func))
        )
        yield Use(place, str(literal) if literal else None, given, is_open, is_sentence)


def _family(joined: ast.JoinedStr) -> str:
    """Return "stage." of a code such as ``f"stage.{name}"``; "" of any other text."""
    start, *rest = joined.values
    is_code = len(rest) == 1 and isinstance(rest[0], ast.FormattedValue)
    found = str(start.value) if isinstance(start, ast.Constant) else ""
    return found if is_code and re.fullmatch(r"[a-z_]+\.([a-z_]+\.)*", found) else ""


def _told(call: ast.Call) -> tuple[int | None, list[ast.keyword]]:
    """Return which argument of a call is a code, if one is, and the parameters."""
    if isinstance(call.func, ast.Attribute):
        if ast.unparse(call.func) == "Message.of":
            return 0, call.keywords
        name = call.func.attr
    else:
        name = getattr(call.func, "id", "")
    if name == "Message":
        values = call.args[1] if len(call.args) > 1 else ast.Dict([], [])
        keys = values.keys if isinstance(values, ast.Dict) else [None]
        return 0, [ast.keyword(getattr(key, "value", None), call) for key in keys]
    return (_CODE_AT.get(name, 0), call.keywords) if name in expected_errors() else (None, [])


@cache
def expected_errors() -> frozenset[str]:
    """Return the names of the classes of errors whose message is for people."""
    bases = {
        node.name: {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        for package in ("mlcore", "gallery", "search", "contextvision_site")
        for _, tree in _trees(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {_ROOT}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return frozenset(found)


@cache
def _trees(package: str) -> tuple[tuple[Path, ast.Module], ...]:
    return tuple(
        (path, ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        if "migrations" not in path.parts
    )
