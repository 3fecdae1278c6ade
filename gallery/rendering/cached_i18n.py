"""``{% load cached_i18n %}``: Django's ``i18n``, with each phrase looked up once per language.

A page of results holds fifty phrases that are the same on every page, and Django resolves, looks
up and escapes each of them every time: a seventh of the time that the page takes.

The tags keep Django's names, since ``makemessages``, editors and formatters know phrases by them.
That they are not quite Django's is said by the name of the library, which each template loads; see
docs/adr/0024-tags-of-their-own-names.md.
"""

from django.template import Context, Library, Node
from django.template.base import Parser, Token, TokenType
from django.templatetags import i18n
from django.utils.translation import get_language

register = Library()
register.tags.update(i18n.register.tags)
register.filters.update(i18n.register.filters)


class PhraseNode(Node):
    """A translation that depends on the language alone."""

    def __init__(self, translation: Node) -> None:
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


@register.tag("blocktranslate")
@register.tag("blocktrans")
def blocktranslate(parser: Parser, token: Token) -> Node:
    translation = i18n.do_block_translate(parser, token)
    # {% blocktranslate trimmed %} of a long phrase: no option that brings a value, and none in it.
    has_options = set(token.split_contents()[1:]) - {"trimmed"}
    has_values = any(part.token_type != TokenType.TEXT for part in translation.singular)
    return translation if has_options or has_values else PhraseNode(translation)


def _is_text(argument: str) -> bool:
    quote = argument[0]
    return quote in "\"'" and argument.find(quote, 1) == len(argument) - 1
