"""Every code has a sentence, every sentence a code that is used, and both the same parameters."""

import importlib
import textwrap
from pathlib import Path

import pytest

from mlcore.i18n import Message, add_messages, known_messages
from tests import messages
from tests.messages import placeholders, told_somewhere, uses

PRODUCT = ("mlcore", "gallery", "search", "contextvision_site")

for each in ("mlcore", "gallery", "search"):
    importlib.import_module(f"{each}.messages")


@pytest.mark.parametrize("package", PRODUCT)
def test_what_is_told_is_a_code(package: str) -> None:
    assert [use.place for use in uses(package) if use.is_sentence] == []


@pytest.mark.parametrize("package", PRODUCT)
def test_every_code_has_a_sentence(package: str) -> None:
    unknown = [
        (use.place, use.code)
        for use in uses(package)
        if use.code and not use.is_sentence and use.code not in known_messages()
    ]
    assert unknown == []


@pytest.mark.parametrize("package", PRODUCT)
def test_every_code_is_given_the_parameters_of_its_sentence(package: str) -> None:
    wrong = []
    for use in uses(package):
        if use.code is None or use.code not in known_messages():
            continue
        wanted = placeholders(known_messages()[use.code])
        if not (use.params <= wanted if use.is_open else use.params == wanted):
            wrong.append((use.place, use.code, sorted(use.params ^ wanted)))
    assert wrong == []


def test_every_sentence_is_told_somewhere() -> None:
    told = {code for package in PRODUCT for code in told_somewhere(package)}
    families = tuple(code for code in told if code.endswith("."))
    silent = {code for code in known_messages() if not code.startswith(families)} - told
    assert sorted(silent) == []


@pytest.mark.parametrize("code", known_messages())
def test_every_sentence_can_be_filled(code: str) -> None:
    names = placeholders(known_messages()[code])
    told = str(Message(code, dict.fromkeys(names, 2)))
    assert "%(" not in told
    assert "%%" not in told


def test_the_reader_of_the_syntax_tree_finds_each_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text(
        textwrap.dedent(
            """
            raise DatasetError("dataset.empty", source=1)
            raise DatasetError("No picture is there.")
            raise ImageRejectedError(name, f"{size} bytes", limit=1)
            raise ImageRejectedError(name, "image.empty", **values)
            Message.of("a.passed" if passed else "a.failed", k=k)
            Message("a.code", {"path": path})
            Message("a.code", params)
            raise ValueError("not for people")
            raise DatasetError(gettext("No picture"))
            raise DatasetError(error.code)
            raise DatasetError(f"stage.{name}", k=k)
            """
        )
    )
    monkeypatch.setattr(messages, "REPOSITORY", tmp_path)
    found = [
        (int(use.place.rpartition(":")[2]), use.code, set(use.params), use.is_open, use.is_sentence)
        for use in uses("package")
    ]
    assert sorted(found, key=str) == sorted(
        [
            (2, "dataset.empty", {"source"}, False, False),
            (3, "No picture is there.", set(), False, True),
            (4, None, {"limit"}, False, True),
            (5, "image.empty", set(), True, False),
            (6, "a.passed", {"k"}, False, False),
            (6, "a.failed", {"k"}, False, False),
            (7, "a.code", {"path"}, False, False),
            (8, "a.code", set(), True, False),
            (10, None, set(), False, True),
            (11, None, set(), False, False),
            (12, None, {"k"}, False, False),
        ],
        key=str,
    )


def test_a_code_has_one_sentence() -> None:
    add_messages({"file.missing": known_messages()["file.missing"]})
    with pytest.raises(ValueError, match="two sentences"):
        add_messages({"file.missing": "Another sentence."})
