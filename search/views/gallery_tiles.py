"""The pictures of a gallery, in the one template that Jinja renders: it runs up to a hundred times
for a page, and Django's own engine would take longer for it than all the rest of a search."""

from collections.abc import Sequence

from django import template
from django.template import loader
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from gallery.rendering.addresses import address
from search.views.tiles import Tile

register = template.Library()


@register.simple_tag
def gallery_tiles(tiles: Sequence[Tile], eager: int = 0) -> SafeString:
    """Render the items of a gallery's list; the first ``eager`` pictures are loaded at once."""
    words = {
        "more": gettext("More like this"),
        "less": gettext("Less like this"),
        "relevance": gettext("relevance"),
        "why": gettext("Why this picture"),
        "private": gettext("Not public"),
        "private_hint": gettext("Not everybody sees this picture"),
    }
    context = {
        "tiles": tiles,
        "eager": eager,
        "words": words,
        "home_url": address("search:home"),
    }
    html = loader.render_to_string("tiles.html", context, using="jinja2")
    return mark_safe(html)  # noqa: S308 - Jinja has escaped what is not ours
