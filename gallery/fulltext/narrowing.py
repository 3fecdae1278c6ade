"""Conditions on what is written: a phrase, a word that must not be there, words in one field."""

from collections.abc import Sequence

from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Concat, Replace

from gallery.fulltext.asking import FIELD_MARKS, all_of, terms_of
from gallery.models import ImageText
from gallery.models.image import ImageQuerySet
from mlcore.words import FIELDS
from mlcore.words.tokens import sequence


def with_phrase(images: ImageQuerySet, phrase: str) -> ImageQuerySet:
    """Keep pictures on which these words are written one after the other; the form of the words
    matters, their case and accents do not."""
    words = sequence(phrase)
    if not words:
        return images.none()
    rows = ImageText.objects.filter(lexemes__holding=all_of(terms_of(phrase)))
    return _of(images, _following(rows, FIELDS, words))


def without_word(images: ImageQuerySet, text: str) -> ImageQuerySet:
    """Keep pictures on which these words are not written, in whatever form; of several words, not
    all of them together."""
    terms = terms_of(text)
    if not terms:
        return images
    rows = ImageText.objects.filter(lexemes__holding=all_of(terms))
    return images.filter(~Exists(rows.filter(image_id=OuterRef("pk"))))


def written_in(images: ImageQuerySet, field: str, text: str) -> ImageQuerySet:
    """Keep pictures whose ``title`` or ``file`` name holds these words: several one after the
    other, one in any form, and a number or a name by its beginning as well."""
    terms, words = terms_of(text), sequence(text)
    if not terms:
        return images.none()
    rows = ImageText.objects.filter(lexemes__holding=all_of(terms, FIELD_MARKS[field]))
    if len(terms) > 1:
        rows = _following(rows, (field,), words)
    return _of(images, rows)


def _of(images: ImageQuerySet, rows: QuerySet[ImageText]) -> ImageQuerySet:
    return images.filter(pk__in=rows.values("image_id"))


def _following(
    rows: QuerySet[ImageText], fields: Sequence[str], words: Sequence[str]
) -> QuerySet[ImageText]:
    """Keep the rows where the words follow one another in one value of these fields."""
    blank, joiner = Value(" ", TextField()), Value("_", TextField())
    matches = Q()
    for name in fields:
        # Words consist of letters and digits, so that nothing in them is a pattern.
        written = Replace(Concat(blank, F(name), blank), joiner, blank)
        rows = rows.alias(**{f"{name}_written": written})
        matches |= Q(**{f"{name}_written__contains": f" {' '.join(words)} "})
    return rows.filter(matches)
