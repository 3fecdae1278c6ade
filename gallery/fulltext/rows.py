"""A picture's texts to words and lexemes, and back."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from django.conf import settings

from gallery.models import Caption, Image, ImageText
from mlcore.words import FIELDS, Document, Language
from mlcore.words.documents import SEPARATOR, file_names, pieces
from mlcore.words.tokens import joined, parts

RULES = 1
"""Raised when texts are cut otherwise: all are then cut anew."""

STEM, TITLE, FILE, WHOLE, WORD = "s:", "t:", "f:", "w:", "e:"
"""What lexemes begin with: a stem anywhere; one in the title; one in the file name; the digest of a
whole title, caption, tag...; and in the table of words alone, a word as it is written."""

SIZE = "n:"
"""The lexeme that every picture with words holds, so that they are counted."""

PLAIN = {"title": "title", "creator": "creator", "credit": "credit", "file": "source"}
"""Fields of words that are columns of pictures, where the table has them."""
WATCHED = [name for name in PLAIN.values() if name in {f.name for f in Image._meta.get_fields()}]
"""Columns of pictures whose words are kept."""

MAX_LEXEMES = 4_000
"""Of one picture: ten captions of five thousand characters."""


@lru_cache(maxsize=4)
def _language(name: str) -> Language:
    return Language(name)


def language() -> Language:
    """Return the language of the settings."""
    return _language(settings.CONTEXTVISION_WORDS_LANGUAGE)


def made_by() -> str:
    """Name the language and the rules of today."""
    return f"{settings.CONTEXTVISION_WORDS_LANGUAGE}/{RULES}"


def read_rows(ids: Sequence[int]) -> Iterator[ImageText]:
    """Make the rows of those of these pictures that there are, from their records."""
    captions = _grouped(Caption.objects.filter(image__in=ids).order_by("image_id", "order"), "text")
    links = Image.tags.through.objects.filter(image__in=ids).order_by("image_id", "tag__name")
    tags = _grouped(links, "tag__name")
    columns = ("pk", "collection__name", *WATCHED)
    for values in Image.objects.filter(pk__in=ids).order_by("pk").values(*columns):
        pk = values["pk"]
        texts: dict[str, str | Iterable[str]] = {
            name: values[column] for name, column in PLAIN.items() if column in values
        }
        texts["file"] = file_names(values["source"])
        texts["collection"] = values["collection__name"] or ""
        yield row_of(pk, Document.of(**texts, caption=captions.get(pk, ()), tag=tags.get(pk, ())))


def _grouped(rows: Any, column: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for pk, text in rows.values_list("image_id", column):
        found.setdefault(pk, []).append(text)
    return found


def row_of(image_id: int, document: Document) -> ImageText:
    """Write a document down."""
    lexemes = list(_lexemes(document))[:MAX_LEXEMES]
    return ImageText(
        image_id=image_id, **document.lines, lexemes=" ".join(lexemes), made_by=made_by()
    )


def document_of(lines: Sequence[str]) -> Document:
    """Read a document as it was written down: its fields in the order of :data:`FIELDS`."""
    return Document({name: line for name, line in zip(FIELDS, lines, strict=True) if line})


def whole_lexeme(whole: Sequence[str]) -> str:
    """Return what tells of a title, caption or tag that it is this as a whole."""
    return WHOLE + blake2b(" ".join(whole).encode(), digest_size=6).hexdigest()


def _lexemes(document: Document) -> dict[str, None]:
    """Collect each lexeme once, those of whole values first: no long text pushes them out."""
    keys = language().keys
    found: dict[str, None] = {}
    for name in document.lines:
        found |= dict.fromkeys(whole_lexeme(pieces(value)) for value in document.values(name))
    for name, mark in (("title", TITLE), ("file", FILE)):
        for value in document.values(name):
            found |= {mark + stem: None for token in value for stem in keys(token)}
    return found | {
        STEM + stem: None
        for name in document.lines
        for value in document.values(name)
        for token in value
        for stem in keys(token)
    }


def counted(row: ImageText) -> Counter[str]:
    """Return the words of a row that are counted: stems, and words as they are written.

    Long numbers and names with digits are not: nearly every file has one of its own.
    """
    words: set[str] = set()
    for name in FIELDS:
        for token in getattr(row, name).split():
            words.update((joined(token), *parts(token)))
    words.discard(SEPARATOR)
    stem = language().stem
    lexemes = {WORD + word for word in words if word.isalpha()}
    lexemes |= {STEM + stem(word) for word in words if is_counted(word)}
    return Counter(lexemes | {SIZE})


def is_counted(word: str) -> bool:
    """Tell whether it is counted how many pictures hold a word or stem."""
    return len(word) <= MAX_COUNTED_NUMBER or not any(sign.isdigit() for sign in word)


MAX_COUNTED_NUMBER = 4
"""Characters of what holds digits and is counted: years, and few enough to keep."""
