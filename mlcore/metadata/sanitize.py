"""Text that strangers wrote, made fit for a database, a page and a log."""

import unicodedata

# Marks that reorder the text around them: a caption could make the page beside it read backwards.
_BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
# Control characters, lone surrogates, and what is assigned to nobody or to private use.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Cn", "Co"})


def clean_line(text: str, limit: int) -> str:
    """Return ``text`` as one line of at most ``limit`` characters.

    White space is collapsed; control characters, lone surrogates and marks that change the
    direction of text become spaces; the result is in Unicode normal form C. Joiners stay: Persian
    words and many emoji need them.
    """
    text = text[: 4 * limit]  # a little more than can reach the result, and never a book
    if not (text.isascii() and text.isprintable()):
        text = "".join(
            " " if c in _BIDI_CONTROLS or unicodedata.category(c) in _UNPRINTABLE else c
            for c in text
        )
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())[:limit].rstrip()
