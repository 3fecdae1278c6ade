"""The search box and what stands under it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.conf import settings
from django.http import QueryDict

from gallery.access import Person
from gallery.uploads.ingest import query_limits
from mlcore.imaging.formats import ACCEPTED_OF_STRANGERS
from search.facets import Facet, facets
from search.periods import days_of
from search.query import KeptExample, Part, SearchQuery, Words
from search.views.answers import UrlBuilder
from search.views.chips import Chip, filter_chips, narrowed, part_chips

OPEN = "filters"
"""Parameter of an address at which the filters are spread out."""
SHOWN = 12
"""Options of a filter that are seen at once."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What the search form shows and sends beside what is typed into it."""

    text: str
    """Words in the box."""
    chips: Sequence[Chip] = ()
    filters: Sequence[Chip] = ()
    kept: Sequence[tuple[str, str]] = ()
    """Names and values of all that is asked beside the words in the box."""
    query: str = ""
    """What stands behind the question mark of the address, where the search can be kept."""
    clear_url: str = ""
    """Address of the search without anything asked, where there are several parts."""
    toggle_url: str = ""
    """Address of this search with the filters spread out, or folded up where they are."""
    drawer: "Drawer | None" = None
    """The filters, where they are spread out."""

    @property
    def accepted(self) -> str:
        """Formats of example pictures."""
        return ACCEPTED_OF_STRANGERS

    @property
    def max_bytes(self) -> int:
        """Size that an example picture may have."""
        return query_limits().max_bytes

    @property
    def hours(self) -> int:
        """How long an example picture is kept."""
        return int(settings.CONTEXTVISION_EXAMPLE_HOURS)


@dataclass(frozen=True, slots=True)
class Option:
    """One way to narrow down, or to undo it where it is chosen."""

    label: str
    value: str
    url: str
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The options of one filter."""

    name: str
    label: str
    options: Sequence[Option]
    more: Sequence[Option]
    """Those shown only when asked for."""


@dataclass(frozen=True, slots=True)
class Drawer:
    """All filters."""

    groups: Sequence[Group]
    since: str
    """First day of the pictures let through, in ISO 8601; empty where there is none."""
    until: str


def is_open(params: QueryDict) -> bool:
    return bool(params.get(OPEN))


def url_builder(params: QueryDict) -> UrlBuilder:
    """Return what turns searches into addresses that leave the filters as they are: open or not."""
    return _open if is_open(params) else SearchQuery.build_url


def make_panel(query: SearchQuery, params: QueryDict, user: Person) -> Panel:
    """Describe a search for the form; the filters are counted only where they are spread out."""
    build_url, opened = url_builder(params), is_open(params)
    in_box = _in_box(query)
    others = [part for part in query.parts if part is not in_box]
    rest = SearchQuery(tuple(others), query.where, query.limit)
    kept = [*rest.parameters(), (OPEN, "1")] if opened else rest.parameters()
    chips, filters = part_chips(query, build_url), filter_chips(query, build_url)
    start = replace(query, offset=0)
    return Panel(
        text=in_box.subject.text if in_box and isinstance(in_box.subject, Words) else "",
        chips=chips,
        filters=filters,
        # The fields of the drawer send the days themselves.
        kept=[pair for pair in kept if not (opened and pair[0] in {"since", "until"})],
        query=_lasting(start),
        clear_url=build_url(SearchQuery()) if len(chips) + len(filters) > 1 else "",
        toggle_url=start.build_url() if opened else _open(start),
        drawer=_drawer(start, user) if opened else None,
    )


def _lasting(query: SearchQuery) -> str:
    """Write down a search that can be asked next year too; nothing where an example is in it."""
    if any(isinstance(part.subject, KeptExample) for part in query.parts):
        return ""
    return urlencode(query.parameters())


def _open(query: SearchQuery) -> str:
    return query.build_url(**{OPEN: "1"})


def _drawer(query: SearchQuery, user: Person) -> Drawer:
    since, until = query.where["since"], query.where["until"]
    return Drawer(
        groups=[_group(facet, query) for facet in facets(user, query.where)],
        since=since and days_of(since)[0].isoformat(),
        until=until and days_of(until)[1].isoformat(),
    )


def _group(facet: Facet, query: SearchQuery) -> Group:
    asked = set(query.where.parameters())
    options = []
    for choice in facet.choices:
        is_chosen = set(choice.conditions.items()) <= asked
        conditions = dict.fromkeys(choice.conditions, "") if is_chosen else choice.conditions
        url = _open(narrowed(query, conditions))
        value = choice.conditions[facet.name]
        options.append(Option(choice.label, value, url, choice.count, is_chosen))
    # What is chosen can always be seen.
    chosen = [option for option in options[SHOWN:] if option.is_chosen]
    more = [option for option in options[SHOWN:] if not option.is_chosen]
    return Group(facet.name, facet.label, [*options[:SHOWN], *chosen], more)


def _in_box(query: SearchQuery) -> Part | None:
    """Choose the words that can be changed in the box: the first that have no weight to lose."""
    plain = (part for part in query.parts if part.has_words and part.wanted and part.weight == 1)
    return next(plain, None)
