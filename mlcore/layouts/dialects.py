"""Rows of tables as spreadsheets, databases and people write them.

Python's ``csv`` believes every quote: one at the beginning of a caption swallows the rows behind
it. Here a quote opens a cell only where it is closed before a line that begins like a row.
"""

import csv
import functools
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

_ENDS = re.compile("\r\n|\n|\r")
_SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)
DELIMITERS = ",;\t|"
_ESCAPED = re.compile(r'\\(["\\])|"(")')
_SAMPLE = 10_000
"""Lines looked at to see how quotes are used."""
_MOST_LINES = 100
"""Lines that a quoted cell may stretch over."""


@dataclass(slots=True)
class Table:
    """The lines of a table, and how they are cut into cells."""

    lines: list[str]
    delimiter: str
    first: int
    """Index of the first line that is a row."""
    unclosed: list[int] = field(default_factory=list)
    """Lines, from 1, in which a quote is opened and never closed; complete after :meth:`rows`."""
    quoting: bool = True
    """Whether quotes hold cells together; in tables with tabs or bars they are characters, unless
    all of them are written as spreadsheets do."""
    escapes: bool = True
    """Whether a backslash before a quote makes it a character, as databases write it."""

    def rows(self, is_row: Callable[[list[str]], bool]) -> Iterator[tuple[int, list[str]]]:
        """Yield the cells of each row that holds something, with its line, from 1.

        Args:
            is_row: tells whether cells begin a row of their own, and are no part of a caption.
        """
        at = self.first
        while at < len(self.lines):
            line, number = self.lines[at], at + 1
            at += 1
            if not line.strip():
                continue
            cells, is_open = self._cut(line)
            if is_open:
                joined, end = self._join(at - 1, is_row)
                if joined is None:
                    self.unclosed.append(number)
                else:
                    cells, at = joined, end
            yield number, [cell.strip() for cell in cells]

    def _join(
        self, start: int, is_row: Callable[[list[str]], bool]
    ) -> tuple[list[str] | None, int]:
        """Add lines until the quote is closed; None where one of them is a row of its own."""
        text = self.lines[start]
        for at in range(start + 1, min(start + _MOST_LINES, len(self.lines))):
            text += "\n" + self.lines[at]
            cells, is_open = self._cut(text)
            if not is_open:
                return cells, at + 1
            if is_row(self._cut(self.lines[at])[0]):
                break
        return None, start

    def _cut(self, text: str) -> tuple[list[str], bool]:
        """Cut one row into cells; and tell whether a quote in it is still open."""
        if '"' not in text or not self.quoting:
            return text.split(self.delimiter), False
        cells: list[str] = []
        is_open = False
        at = 0
        while True:
            quoted = _quoted(text, at, self.delimiter, escapes=self.escapes)
            if quoted is not None:
                cell, at = quoted
                cells.append(cell)
            else:
                end = text.find(self.delimiter, at)
                end = len(text) if end < 0 else end
                cell = text[at:end]
                is_open = is_open or (cell.lstrip().startswith('"') and not _closes(cell))
                cells.append(cell)
                at = end
            if at >= len(text):
                return cells, is_open
            at += 1


def read_table(text: str, score: Callable[[Sequence[str]], int]) -> Table:
    """Tell how a table is written.

    Args:
        text: the whole of it.
        score: says how well the cells of the first row fit; the best delimiter wins.
    """
    lines = _ENDS.split(text)
    first = 0
    hint = _SEPARATOR.fullmatch(lines[0].strip(" \ufeff")) if lines else None
    if hint is not None:
        first = 1
    while first < len(lines) and not lines[first].strip():
        first += 1
    candidates = hint[1] if hint else DELIMITERS
    head = lines[first] if first < len(lines) else ""

    def fit(delimiter: str) -> tuple[int, int]:
        table = Table([head], delimiter, 0)
        cells = next((cells for _, cells in table.rows(lambda _: False)), [])
        return score(cells), head.count(delimiter)

    delimiter = max(candidates, key=fit)
    header = [cell.strip() for cell in head.split(delimiter)]
    all_quoted = len(header) > 1 and all(cell[:1] == '"' == cell[-1:] for cell in header)
    return Table(
        lines,
        delimiter,
        first,
        quoting=delimiter not in "\t|" or all_quoted or _is_quoted(lines, delimiter),
        escapes=not ('\\"' in text and _is_by_the_standard(text, delimiter)),
    )


def _is_by_the_standard(text: str, delimiter: str) -> bool:
    """Tell whether rows of one width come out where quotes are doubled only (RFC 4180, section 2);
    backslashes before them are then characters of their own."""
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        return len({len(row) for row in rows if row}) == 1
    except csv.Error:
        return False


def _is_quoted(lines: Sequence[str], delimiter: str) -> bool:
    """Tell a table with tabs or bars as spreadsheets write it, where quotes within are doubled.

    One cell whose quotes are otherwise says that they are characters.
    """
    doubled = _cells(delimiter)[0]
    is_proven = False
    for line in lines[:_SAMPLE]:
        at = 0
        while 0 <= at < len(line) and '"' in line:
            if line[at] == '"':
                found = doubled.match(line, at)
                if found is None:
                    return False
                is_proven = is_proven or '""' in found[1] or delimiter in found[1]
                at = found.end()
            at = line.find(delimiter, at) + 1 or len(line)
    return is_proven


def _quoted(text: str, at: int, delimiter: str, *, escapes: bool) -> tuple[str, int] | None:
    """Read a quoted cell; return what is in it and where it ends, or None where there is none."""
    doubled, escaped = _cells(delimiter)
    match = doubled.match(text, at)
    if match is not None:
        return match[1].replace('""', '"'), match.end()
    match = escaped.match(text, at) if escapes else None
    return (
        None
        if match is None
        else (_ESCAPED.sub(lambda found: found[1] or found[2], match[1]), match.end())
    )


@functools.cache
def _cells(delimiter: str) -> list[re.Pattern[str]]:
    """Match a quoted cell; a quote within is doubled, or databases write a backslash before it."""
    end = rf" *(?={re.escape(delimiter)}|\Z)"
    return [
        re.compile(rf' *"((?:[^"]|"")*)"{end}'),
        re.compile(rf' *"((?:[^"\\]|""|\\.)*)"{end}', re.DOTALL),
    ]


def _closes(cell: str) -> bool:
    """Tell whether a quote that begins a cell also ends within it: "Stop" says a sign."""
    return cell.count('"') % 2 == 0
