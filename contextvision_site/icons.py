"""``{% include %}`` of an icon becomes text when the page is compiled.

A page of results shows dozens of icons, and each include would look its file up again.
"""

from django.template import Engine, Library, TemplateSyntaxError
from django.template.base import Node, Parser, TextNode, Token
from django.template.loader_tags import do_include

register = Library()


@register.tag("include")
def include(parser: Parser, token: Token) -> Node:
    name = token.split_contents()[-1].strip("\"'")
    if not name.endswith(".svg"):
        return do_include(parser, token)
    icon = Engine.get_default().get_template(name)
    if not all(isinstance(node, TextNode) for node in icon.nodelist):
        raise TemplateSyntaxError(f"{name} must be plain text: it is the same on every page.")
    return TextNode("".join(node.s for node in icon.nodelist if isinstance(node, TextNode)))
