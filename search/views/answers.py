"""What the results part of the search page holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.http import QueryDict
from django.urls import reverse

from gallery.models import Image
from search.forms import MAX_OFFSET
from search.services import SearchPage, SearchQuery


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a gallery."""

    image: Image
    score: float | None = None
    less_url: str = ""
    """Address of the same search with less of this picture; empty where it has no address."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a query beside its words, shown as a chip."""

    label: str
    remove_url: str
    """Address of the same search without it; empty where the search has no address."""
    image_id: int | None = None


@dataclass(frozen=True, slots=True)
class Paging:
    """Where in the answer this page is, and where its neighbours are."""

    first: int
    """Place of the first picture shown, counted from 1."""
    last: int
    previous_url: str = ""
    next_url: str = ""
    previous_offset: int | None = None
    next_offset: int | None = None
    """For a search with an uploaded picture, which has no address and is sent again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Results of a search, or the newest pictures where nothing is asked."""

    tiles: list[Tile]
    paging: Paging
    parts: list[Part] = field(default_factory=list)
    page: SearchPage | None = None
    query: SearchQuery | None = None


def newest_pictures(params: QueryDict, query: SearchQuery, images: Sequence[Image]) -> Answer:
    """Show a page of the newest pictures; ``images`` holds one more where there is a next page."""
    shown = images[: query.limit]
    return Answer(
        tiles=[Tile(image) for image in shown],
        paging=_paging(params, query, len(shown), has_next=len(images) > query.limit),
        parts=_parts(params, query),
    )


def results(params: QueryDict, query: SearchQuery, page: SearchPage) -> Answer:
    """Show a page of results, each with the ways on from it."""
    tiles = []
    for result in page.results:
        less = address(params, unlike=result.image.pk, offset=None) if not query.image else ""
        tiles.append(Tile(result.image, result.score, less))
    return Answer(
        tiles=tiles,
        paging=_paging(params, query, len(tiles), page.has_next),
        parts=_parts(params, query),
        page=page,
        query=query,
    )


def address(params: QueryDict, **changes: object) -> str:
    """Return the address of the search page with these parameters changed; empty ones go."""
    changed = params.copy()
    for name, value in changes.items():
        changed[name] = "" if value is None else str(value)
    for name in [name for name, value in changed.items() if not value]:
        del changed[name]
    home = reverse("search:home")
    return f"{home}?{changed.urlencode()}" if changed else home


def _paging(params: QueryDict, query: SearchQuery, shown: int, has_next: bool) -> Paging:
    before = max(0, query.offset - query.limit) if query.offset else None
    following = query.offset + query.limit
    after = following if has_next and following <= MAX_OFFSET else None
    first, last = query.offset + 1, query.offset + shown
    if query.image:
        return Paging(first, last, previous_offset=before, next_offset=after)
    return Paging(
        first,
        last,
        previous_url="" if before is None else address(params, offset=before or None),
        next_url="" if after is None else address(params, offset=after),
    )


def _parts(params: QueryDict, query: SearchQuery) -> list[Part]:
    def part(label: str, name: str, image_id: int | None = None) -> Part:
        without = "" if query.image else address(params, **{name: None, "offset": None})
        return Part(label, without, image_id)

    parts = [part("more like", "like", pk) for pk in query.like]
    parts += [part("less like", "unlike", pk) for pk in query.unlike]
    words = {
        "without": ("without", query.without),
        "collection": ("in", query.where.collection),
        "tag": ("tagged", query.where.tag),
        "split": ("split", query.where.split),
    }
    parts += [part(f"{word} {value}", name) for name, (word, value) in words.items() if value]
    return parts
