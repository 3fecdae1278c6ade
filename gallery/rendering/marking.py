"""``{% load marking %}``: words that were asked for, marked where they stand in a text."""

from django.template import Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from mlcore.words import WordQuery, marked

register = Library()


@register.filter(name="marked")
def with_marks(text: str, query: WordQuery | None) -> SafeString | str:
    """Return a text with ``<mark>`` around each word that was asked for."""
    if not query:
        return text
    pieces = (
        (format_html("<mark>{}</mark>", piece) if is_asked else piece,)
        for piece, is_asked in marked(str(text), query)
    )
    return format_html_join("", "{}", pieces)
