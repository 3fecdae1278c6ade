"""Word lists that captions are changed by; the words themselves are in words.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LISTS: Mapping[str, Any] = tomllib.loads(
    Path(__file__).with_name("words.toml").read_text(encoding="utf-8")
)


def words_of(group: str, name: str) -> list[str]:
    """Return the entries of a list in their order."""
    return [entry.replace("_", " ") for entry in LISTS[group][name].split()]


def word_set(group: str, name: str) -> frozenset[str]:
    """Return the entries of a list."""
    return frozenset(words_of(group, name))


def options(group: str) -> dict[str, list[str]]:
    """Return a group of lists, each by the words that it is for."""
    return {name.replace("_", " "): words_of(group, name) for name in LISTS[group]}


ARTICLES = word_set("words", "articles")
NUMBERS = words_of("words", "numbers")
POSSESSIVES = word_set("words", "possessives")
DETERMINERS = ARTICLES | POSSESSIVES | set(NUMBERS) | word_set("words", "other_determiners")
DIRECTIONS = word_set("words", "directions")
PREPOSITIONS = DIRECTIONS | word_set("words", "other_prepositions")
FUNCTION_WORDS = PREPOSITIONS | DETERMINERS | word_set("words", "other_function_words")
PEOPLE = word_set("words", "people")
ANIMALS = word_set("words", "animals")
IRREGULAR_PLURALS = word_set("words", "irregular_plurals")
NOUNS_IN_ING = word_set("words", "nouns_in_ing")
