"""What the results part of the search page holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from gallery.models import Image
from mlcore.words import Marker
from search.offers import offers
from search.parameters import MAX_OFFSET, MAX_PARTS, RELEVANCE, SORTS
from search.query import SearchQuery
from search.services import SearchPage
from search.views.reasons import in_a_word, reason_against, reasons
from search.views.tiles import Tile

UrlBuilder = Callable[[SearchQuery], str]
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
class OfferLink:
    """Another way to ask."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class SortLink:
    """The same search in an order."""

    label: str
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Results of a search, or the newest pictures where nothing is asked."""

    query: SearchQuery
    tiles: list[Tile]
    paging: Paging
    page: SearchPage | None = None
    title: str = ""
    """What was asked, in words."""
    offers: Sequence["OfferLink"] = ()
    sorts: Sequence["SortLink"] = ()
    """Other ways to ask."""

    @property
    def marked_url(self) -> str:
        """Query string with what is marked in the large view."""
        phrases = [("phrase", phrase) for phrase in self.query.phrases]
        text = self.query.marked
        return urlencode([("marked", text), *phrases]) if self.page and (text or phrases) else ""

    @property
    def is_best_first(self) -> bool:
        return self.query.sort == RELEVANCE

    @property
    def is_folded(self) -> bool:
        """Whether the first page has weak pictures, which show only once they are unfolded."""
        return self.paging.first == 1 and any(tile.divider for tile in self.tiles)

    @property
    def is_headline(self) -> bool:
        """Whether the title heads the page; that of the newest pictures stands below another."""
        return self.page is not None or self.paging.first > 1

    @property
    def keep_url(self) -> str:
        """Query string with the words and what they found, for those who keep test queries."""
        if len(self.query.parts) != 1 or not self.query.words:
            return ""
        found = [("image", tile.image.pk) for tile in self.tiles]
        return urlencode([("q", self.query.words[0]), *found])


def newest_pictures(query: SearchQuery, images: Sequence[Image], build_url: UrlBuilder) -> Answer:
    """Show a page of the newest pictures; ``images`` holds one more where there is a next page."""
    shown = images[: query.limit]
    return Answer(
        query=query,
        tiles=[Tile(image) for image in shown],
        paging=_paging(query, len(shown), len(images) > query.limit, build_url),
        title=_("Newest pictures"),
    )


def results(query: SearchQuery, page: SearchPage, build_url: UrlBuilder) -> Answer:
    """Show a page of results, each with the ways on from it."""
    start = build_url(replace(query, offset=0)) if len(query.parts) < MAX_PARTS else ""
    divider = _("Show weaker matches too") if page.strong else _("Show what comes nearest")
    marker = Marker(page.words) if page.words else None
    against = reason_against(page.searched, page.mark)
    tiles = [
        Tile(
            result.image,
            result.relevance,
            is_weak=not result.is_strong,
            divider=divider if place == page.strong and query.sort == RELEVANCE else "",
            reason=in_a_word(result.evidence),
            reasons=[*reasons(result.evidence), against],
            less_url=f"{start}&unlike={result.image.pk}" if start else "",
            marker=marker,
        )
        for place, result in enumerate(page.results, start=query.offset)
    ]
    return Answer(
        query=query,
        offers=[OfferLink(str(each.message), build_url(each.query)) for each in offers(query)],
        sorts=[
            SortLink(str(label), build_url(replace(query, sort=sort, offset=0)), sort == query.sort)
            for sort, label in SORTS
        ],
        tiles=tiles,
        paging=_paging(query, len(tiles), page.has_next, build_url),
        page=page,
        title=_title(query),
    )


def _title(query: SearchQuery) -> str:
    words = ", ".join(f"“{text}”" for text in (*query.words, *query.phrases))
    has_picture = any(part.wanted and not part.has_words for part in query.parts)
    if words and has_picture:
        return _("%(words)s and a picture") % {"words": words}
    if words or has_picture:
        return words or _("Similar pictures")
    return ", ".join(label for _name, _value, label in query.where.chips())


def _paging(query: SearchQuery, shown: int, has_next: bool, build_url: UrlBuilder) -> Paging:
    following = query.offset + query.limit
    before = replace(query, offset=max(0, query.offset - query.limit))
    has_next = has_next and following <= MAX_OFFSET
    return Paging(
        first=query.offset + 1,
        last=query.offset + shown,
        previous_url=build_url(before) if query.offset else "",
        next_url=build_url(replace(query, offset=following)) if has_next else "",
    )
