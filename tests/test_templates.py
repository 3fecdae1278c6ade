"""Templates and style sheets are short enough to be read."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"
WIDEST_LINE = 120  # columns
LONGEST_TEMPLATE = 400  # lines
LONGEST_STYLE_SHEET = 300
LONGEST_SCRIPT = 400


def templates() -> list[Path]:
    found = sorted(TEMPLATES.rglob("*.html"))
    assert found
    return found


def test_no_line_of_a_template_is_too_wide() -> None:
    assert [
        f"{path.relative_to(TEMPLATES)}:{number}"
        for path in templates()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > WIDEST_LINE
    ] == []


def test_no_file_is_too_long() -> None:
    static = [path for app in ("gallery", "search") for path in (ROOT / app / "static").rglob("*")]
    styles = [path for path in static if path.suffix == ".css"]
    scripts = [path for path in static if path.suffix == ".js"]
    assert styles
    assert scripts
    assert [
        str(path.relative_to(ROOT))
        for paths, most in (
            (templates(), LONGEST_TEMPLATE),
            (styles, LONGEST_STYLE_SHEET),
            (scripts, LONGEST_SCRIPT),
        )
        for path in paths
        if len(path.read_text(encoding="utf-8").splitlines()) > most
    ] == []


def test_no_template_holds_what_has_to_keep_its_line_breaks() -> None:
    """They are made compact; see gallery/rendering/compact.py."""
    kept = re.compile(r"<(?:pre|textarea|listing)\b|\{% verbatim\b")
    untrimmed = re.compile(
        r"\{% blocktrans(?:late)?\b(?![^%]*\btrimmed\b)[^%]*%\}"
        r"(?:(?!\{% endblocktrans)[\s\S])*?\n[\s\S]*?\{% endblocktrans"
    )
    assert [
        f"{path.relative_to(TEMPLATES)}: {match.group()[:60]}"
        for path in templates()
        for pattern in (kept, untrimmed)
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ] == []
