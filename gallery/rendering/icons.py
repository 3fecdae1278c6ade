"""``{% icon "search" %}``: a drawing of ``templates/icons`` within the page.

It becomes text when the template is compiled. A page of results shows dozens of icons, and
``{% include %}`` would look the file of each up again for every page.
"""

from django.template import Context, Engine, Library, TemplateSyntaxError
from django.template.base import Node, Parser, TextNode, Token
from django.utils.safestring import SafeString

register = Library()


@register.tag
def icon(parser: Parser, token: Token) -> Node:
    match token.split_contents():
        case [_, name] if name[0] == name[-1] and name[0] in "\"'" and len(name) > 2:
            return TextNode(icon_svg(name[1:-1]))
    raise TemplateSyntaxError(f'{{% {token.contents} %}}: write {{% icon "name" %}}.')


def icon_svg(name: str) -> SafeString:
    """Return the SVG element of an icon."""
    drawing = Engine.get_default().get_template(f"icons/{name}.svg")
    if not all(isinstance(node, TextNode) for node in drawing.nodelist):
        raise TemplateSyntaxError(
            f"{drawing.name} must be plain text: it is the same on every page."
        )
    return drawing.render(Context())
