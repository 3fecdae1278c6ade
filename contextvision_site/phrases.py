"""``{% load i18n %}`` as Django has it, except that a phrase is looked up once per language.

A page of results holds fifty phrases that are the same on every page, and Django resolves, looks up
and escapes each of them every time: a seventh of the time that the page takes.
"""

from django.template import Context, Library, Node
from django.template.base import Parser, Token
from django.templatetags import i18n
from django.utils.translation import get_language

register = Library()
register.tags.update(i18n.register.tags)
register.filters.update(i18n.register.filters)


class PhraseNode(Node):
    """A translation that depends on the language alone."""

    def __init__(self, translation: i18n.TranslateNode) -> None:
        self._translation = translation
        self._known: dict[str | None, str] = {}

    def render(self, context: Context) -> str:
        language = get_language()
        if language not in self._known:
            self._known[language] = self._translation.render(context)
        return self._known[language]


@register.tag("translate")
@register.tag("trans")
def translate(parser: Parser, token: Token) -> Node:
    translation = i18n.do_translate(parser, token)
    _, phrase, *options = token.split_contents()
    # {% translate "phrase" %}, perhaps with the context "of it": no variable, filter or "as name".
    texts = [phrase, *options[1::2]]
    if options[::2] in ([], ["context"]) and all(_is_text(text) for text in texts):
        return PhraseNode(translation)
    return translation


def _is_text(argument: str) -> bool:
    quote = argument[0]
    return quote in "\"'" and argument.find(quote, 1) == len(argument) - 1
