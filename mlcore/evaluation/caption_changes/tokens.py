"""A caption as words and signs, and changes to it that keep case and articles right."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from mlcore.evaluation.caption_changes.words import (
    DETERMINERS,
    FUNCTION_WORDS,
    IRREGULAR_PLURALS,
    NOUNS_IN_ING,
)

_TOKEN = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")


class Caption:
    """A caption cut into tokens.

    ``words`` holds the tokens in lower case; a place beyond either end reads as "", so looking at
    neighbours needs no care. A hyphenated word is one token.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._found = list(_TOKEN.finditer(text))
        self.words = [match.group().lower() for match in self._found]

    def __len__(self) -> int:
        return len(self.words)

    def word(self, place: int) -> str:
        return self.words[place] if 0 <= place < len(self.words) else ""

    def starts_sentence(self, place: int) -> bool:
        return place == 0 or self.word(place - 1) in {".", "!", "?"}

    def is_name(self, place: int) -> bool:
        """Tell whether the word is a name: a capital inside a sentence, as in "the White House"."""
        written = self._found[place].group()
        return written.istitle() and not self.starts_sentence(place)

    def ends_phrase(self, place: int) -> bool:
        """Tell whether a noun before ``place`` is the last of its phrase, as "beach" is not in
        "beach ball"."""
        word = self.word(place)
        return not word or not word[0].isalnum() or word in FUNCTION_WORDS or is_participle(word)

    def choose(self, place: int, options: Sequence[str]) -> str | None:
        """Choose one of the options that the caption does not hold already, or None."""
        free = [option for option in options if not set(option.split()) & set(self.words)]
        if not free:
            return None
        key = f"{place}:{self.text}".encode()
        digest = hashlib.blake2b(key, digest_size=8).digest()
        return free[int.from_bytes(digest, "big") % len(free)]

    def replace(self, start: int, end: int, new: str) -> str:
        """Put ``new`` in place of the tokens from ``start`` up to ``end``."""
        first = self._found[start].group()
        if first.isupper() and len(first) > 1:
            new = new.upper()
        elif first[0].isupper():
            new = new[0].upper() + new[1:]
        left = self.text[: self._found[start].start()]
        if start and self.words[start - 1] in {"a", "an"}:
            article = self._found[start - 1]
            left = left[: article.start()] + _article(article.group(), new) + " "
        return left + new + self.text[self._found[end - 1].end() :]

    def swap(self, first: tuple[int, int], second: tuple[int, int]) -> str:
        """Let two runs of tokens, the first one earlier, change places."""
        one, two = self._span(*first), self._span(*second)
        early, late = self.text[slice(*one)], self.text[slice(*two)]
        opening = self._found[first[0]].group()
        if opening[0].isupper() and (len(opening) == 1 or not opening.isupper()):
            early, late = early[0].lower() + early[1:], late[0].upper() + late[1:]
        return self.text[: one[0]] + late + self.text[one[1] : two[0]] + early + self.text[two[1] :]

    def _span(self, start: int, end: int) -> tuple[int, int]:
        return self._found[start].start(), self._found[end - 1].end()


def is_participle(word: str) -> bool:
    """Tell whether a word looks like a verb in -ing, and is not a noun such as "building"."""
    return len(word) > 5 and word.endswith("ing") and word not in NOUNS_IN_ING


def is_plural(noun: str) -> bool:
    """Tell whether a noun is a plural, by its ending or from a list."""
    return noun in IRREGULAR_PLURALS or (
        len(noun) > 3
        and noun.endswith("s")
        and not noun.endswith(("ss", "us", "is"))
        and noun not in DETERMINERS
        and noun not in FUNCTION_WORDS
    )


def _article(written: str, following: str) -> str:
    vowel = following[0].lower() in "aeiou"
    if written in {"A", "AN"} and following.isupper() and len(following) > 1:
        return "AN" if vowel else "A"
    return written[0] + ("n" if vowel else "")
