"""What is written on one picture, as words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TypeAlias

from mlcore.words.tokens import parts, tokens

FIELDS = ("title", "caption", "tag", "file", "collection", "creator", "credit")
"""Where words stand, in the order in which they are told of."""

SEPARATOR = "/"
"""Stands between the values of a field, as a word of its own: no token holds it."""

Value: TypeAlias = tuple[str, ...]
"""The tokens of one title, one caption, one tag."""


@dataclass(frozen=True, slots=True)
class Document:
    """The words of one picture, by field; a field may have several values, as captions have.

    They are kept as one line each and cut when they are asked for: a search compares dozens of
    documents, of which it reads few to their end.
    """

    lines: Mapping[str, str]
    """By field: tokens separated by a space, values by :data:`SEPARATOR`; nothing without words."""

    @classmethod
    def of(cls, **texts: str | Iterable[str]) -> "Document":
        """Cut texts into tokens: ``Document.of(title="Rex", caption=["A dog.", "It runs."])``.

        Raises TypeError where a name is not one of :data:`FIELDS`.
        """
        unknown = texts.keys() - set(FIELDS)
        if unknown:
            raise TypeError(f"There is no field {', '.join(sorted(unknown))}.")
        lines: dict[str, str] = {}
        for name in FIELDS:
            given = texts.get(name, ())
            values = (tokens(text) for text in ([given] if isinstance(given, str) else given))
            if line := f" {SEPARATOR} ".join(" ".join(value) for value in values if value):
                lines[name] = line
        return cls(MappingProxyType(lines))

    @property
    def tokens(self) -> set[str]:
        """All tokens of all fields, each once."""
        found = set().union(*self.by_field.values())
        found.discard(SEPARATOR)
        return found

    @property
    def by_field(self) -> dict[str, set[str]]:
        """The tokens of each field, each once, and :data:`SEPARATOR` if it has several values."""
        return {name: set(line.split()) for name, line in self.lines.items()}

    def values(self, name: str) -> list[Value]:
        """Return the values of a field, each with its tokens in order."""
        line = self.lines.get(name)
        return [tuple(value.split()) for value in line.split(SEPARATOR)] if line else []


def file_names(source: str) -> list[str]:
    """Return how a file may be called: its name without folders, with and without its ending."""
    path = PurePosixPath(source.replace("\\", "/"))
    return list(dict.fromkeys(name for name in (path.name, path.stem) if name))


def pieces(value: Value) -> tuple[str, ...]:
    """Return the parts of a value's tokens, in order."""
    return tuple(part for token in value for part in parts(token))
