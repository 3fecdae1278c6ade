"""What the results part of the search page holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from gallery.models import Image
from search.forms import MAX_OFFSET
from search.query import MAX_PARTS, SearchQuery
from search.services import SearchPage
from search.views.tiles import Tile

Spell = Callable[[SearchQuery], str]
"""Turns a search into its address."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Where in the answer this page is, and where its neighbours are."""

    first: int
    """Place of the first picture shown, counted from 1."""
    last: int
    previous_url: str = ""
    next_url: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Results of a search, or the newest pictures where nothing is asked."""

    query: SearchQuery
    tiles: list[Tile]
    paging: Paging
    page: SearchPage | None = None
    title: str = ""
    """What was asked, in words."""

    @property
    def keep_url(self) -> str:
        """Query string with the words and what they found, for those who keep test queries."""
        if len(self.query.parts) != 1 or not self.query.words:
            return ""
        found = [("image", tile.image.pk) for tile in self.tiles]
        return urlencode([("q", self.query.words[0]), *found])


def newest_pictures(query: SearchQuery, images: Sequence[Image], spell: Spell) -> Answer:
    """Show a page of the newest pictures; ``images`` holds one more where there is a next page."""
    shown = images[: query.limit]
    return Answer(
        query=query,
        tiles=[Tile(image) for image in shown],
        paging=_paging(query, len(shown), len(images) > query.limit, spell),
        title=_("Newest pictures"),
    )


def results(query: SearchQuery, page: SearchPage, spell: Spell) -> Answer:
    """Show a page of results, each with the ways on from it."""
    start = spell(replace(query, offset=0)) if len(query.parts) < MAX_PARTS else ""
    tiles = [
        Tile(result.image, result.score, f"{start}&unlike={result.image.pk}" if start else "")
        for result in page.results
    ]
    return Answer(
        query=query,
        tiles=tiles,
        paging=_paging(query, len(tiles), page.has_next, spell),
        page=page,
        title=_title(query),
    )


def _title(query: SearchQuery) -> str:
    words = ", ".join(f"“{text}”" for text in query.words)
    has_picture = any(part.wanted and not part.has_words for part in query.parts)
    if words and has_picture:
        return _("%(words)s and a picture") % {"words": words}
    return words or _("Similar pictures")


def _paging(query: SearchQuery, shown: int, has_next: bool, spell: Spell) -> Paging:
    following = query.offset + query.limit
    before = replace(query, offset=max(0, query.offset - query.limit))
    has_next = has_next and following <= MAX_OFFSET
    return Paging(
        first=query.offset + 1,
        last=query.offset + shown,
        previous_url=spell(before) if query.offset else "",
        next_url=spell(replace(query, offset=following)) if has_next else "",
    )
