"""A text cut into tokens that can be compared.

A token is spelled in one way however it was written: compatibility forms (NFKC), case and accents
are gone, and names made of several parts hold them joined by a low line. ``IMG_2034``, ``img-2034``
and ``IMG2034`` are all ``img_2034``, of the parts ``img`` and ``2034``; ``e-mail`` is ``e_mail``,
which is found as ``email`` too. Signs of Chinese and Japanese are a token each, since nothing
separates their words.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

MAX_TOKEN = 64
"""Characters of a token that are kept; no word is longer, and an index need not carry what is."""
MAX_CHANGES = 3
"""Stretches of letters and digits by turns that are parts of a name, as of ``20240517T1530``; more
of them, as in ``8eb26cfb60``, are a checksum or an identifier, no part of which means anything."""

# Signs that belong to the letter before them; without them the words of many scripts fall apart.
_MARKS = "".join(
    chr(code) for code in range(0x0300, 0x3100) if unicodedata.category(chr(code))[0] == "M"
)
_IDEOGRAPH = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_LETTER = rf"[^\W_{_IDEOGRAPH}][{_MARKS}]*"
_JOINER = r"[-_'\u2019\u2010\u2011]"
_TOKEN = re.compile(rf"(?:{_LETTER})+(?:{_JOINER}+(?:{_LETTER})+)*|[{_IDEOGRAPH}]")
_PARTS = re.compile(rf"\d+|(?:[^\W\d_][{_MARKS}]*)+")
_RUN = re.compile(rf"(?:[^\W_][{_MARKS}]*)+")
_ACCENTS = dict.fromkeys(range(0x0300, 0x0370))


class Span(NamedTuple):
    """A token, and where it stands in the text."""

    token: str
    start: int
    """Of its first character."""
    end: int
    """Behind its last character."""


def fold(text: str) -> str:
    """Return ``text`` without case, accents, and differences of width: NFKC, case folding."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).casefold()
    bare = unicodedata.normalize("NFKD", text).translate(_ACCENTS)
    return unicodedata.normalize("NFKC", bare)


@lru_cache(maxsize=65_536)
def _spelled(written: str) -> str:
    pieces: list[str] = []
    for run in _RUN.findall(fold(written)):
        found = _PARTS.findall(run)
        pieces += found if len(found) <= MAX_CHANGES else [run]
    return "_".join(pieces)[:MAX_TOKEN].rstrip("_")


def spans(text: str) -> Iterator[Span]:
    """Yield the tokens of a text in order, with their places in it."""
    for match in _TOKEN.finditer(text):
        token = _spelled(match.group())
        if token:
            yield Span(token, match.start(), match.end())


def tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of a text in order."""
    return tuple(span.token for span in spans(text))


def parts(token: str) -> list[str]:
    """Return what a token is made of; a plain word is its own only part."""
    return token.split("_")


def joined(token: str) -> str:
    """Return a token in one piece, as ``img2034``."""
    return token.replace("_", "")


def sequence(text: str) -> tuple[str, ...]:
    """Return the parts of all tokens of a text, in order: what two equal texts have in common."""
    return tuple(part for token in tokens(text) for part in parts(token))
