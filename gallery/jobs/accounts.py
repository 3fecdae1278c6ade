"""The account of an import, as the shell and the pages tell it; the API has the same as data."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mlcore.i18n import Message

Row: TypeAlias = tuple[Message, Any]
"""What is told of, and what: a number, a message, names, or facts with their counts."""

_COUNTS = ("found", "added", "already_there", "updated", "failed", "captions", "tags")
_COUNTED_BY: Mapping[str, Callable[[str], Message]] = {
    "splits": lambda code: Message(f"split.{code}"),
    "differs": lambda code: Message(f"fact.{code}"),
    "passed_over": lambda code: Message(f"kind.{code}"),
}
"""What counts by a code, and the words for it."""
_LISTS = ("contradicting_splits", "not_used", "odd_rows", "examples", "notes")


def import_account(result: Mapping[str, Any]) -> list[Row]:
    """Tell what became of an import, or what it would read; empty of a release that kept less."""
    if "recognised" not in result:
        return []
    taken_for = Message.of("account.taken_for", layout=result["layout"], why=result["recognised"])
    rows: list[Row] = [(Message("account.layout"), taken_for)]
    rows += [(Message(f"account.{name}"), result[name]) for name in _COUNTS if name in result]
    for name, words in _COUNTED_BY.items():
        if counts := result.get(name):
            facts = [
                Message.of("account.fact", name=words(code), count=count)
                for code, count in counts.items()
            ]
            rows.append((Message(f"account.{name}"), facts))
    rows += [(Message(f"account.{name}"), result[name]) for name in _LISTS if result.get(name)]
    return rows


def in_words(value: Any) -> str:
    """Put what is told into words, one thing after the other."""
    if isinstance(value, list):
        return "; ".join(map(in_words, value))
    return str(Message.of("text.as_written", text=value))
