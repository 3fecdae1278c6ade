"""What results can be narrowed down to, and how many pictures there are of each.

Counted are all pictures that somebody may see. In a large gallery that takes seconds, so the
numbers are remembered for a while, and with each name one picture that it stands on: a name is
offered only as long as that picture may still be seen, so what was hidden since is not given away.
Where workers share the cache with the pages, one of them counts anew before the time is over, so
that no page has to.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from django.contrib.auth.models import User
from django.db.models import Count, Max
from django.db.models.functions import TruncMonth

from gallery.access import Person, sees_everything
from gallery.caching import SteadyCache
from gallery.models import Image
from gallery.models.choices import Visibility
from gallery.models.image import MOMENT, ORIENTATION, ImageQuerySet
from gallery.selectors import whose_uploaders_are_known
from search.filters import FILTERS, Filter, ImageFilter
from search.periods import period_name

CHOICES_SHOWN = 500
"""Collections or tags offered; a longer list is no help."""
REMEMBERED = 60.0
"""Seconds for which numbers are remembered at least."""
SHARE_OF_TIME = 200
"""They are remembered for so many times as long as it took to count."""
KEPT = 86_400.0
"""Seconds for which it is known how long counting took."""
SLOW = 0.25
"""Seconds; what takes less to count is left to the page that needs it."""

OFFERED = {name: each for name, each in FILTERS.items() if each.facet is not None}
"""Filters that are offered to narrow down by."""
FOR_FEW = (Visibility.GROUPS, Visibility.PRIVATE)
"""Visibilities of pictures that are another choice for each person."""
PERIODS = "since"
"""The one of them that is counted by months."""


class Tally(NamedTuple):
    """Pictures of one kind."""

    number: int
    witness: int
    """Id of the latest of them."""


Tallies: TypeAlias = Mapping[str, Tally]
"""By value of one filter."""
Counts: TypeAlias = Mapping[str, Mapping[str, int]]
"""By filter and value."""


class Counted(NamedTuple):
    """What was counted for one filter, and when."""

    tallies: Tallies
    at: float
    """Seconds since 1970, the same in all processes."""
    took: float
    """Seconds."""

    @property
    def age(self) -> float:
        """1 where it is old enough to be counted anew."""
        return (time.time() - self.at) / max(REMEMBERED, SHARE_OF_TIME * self.took)


_cache = SteadyCache()


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to narrow results down."""

    label: str
    conditions: Mapping[str, str]
    """Filters by name that this one stands for."""
    count: int
    """Pictures of this kind."""


@dataclass(frozen=True, slots=True)
class Facet:
    """One question about a picture, with the answers that occur."""

    name: str
    label: str
    choices: list[Choice]


def facets(user: Person, where: ImageFilter) -> list[Facet]:
    """List what pictures can be narrowed down to; months are offered of the year in ``where``."""
    counts = _shown({name: _tallies(name, user) for name in OFFERED}, user)
    offered = [_facet(each, counts[name], where) for name, each in OFFERED.items()]
    return [facet for facet in offered if facet.choices]


def _facet(offered: Filter, counts: Mapping[str, int], where: ImageFilter) -> Facet:
    if offered.name == PERIODS:
        choices = _periods(where, counts)
    elif offered.choices:
        known = [(value, str(words)) for value, words in offered.choices if counts.get(value)]
        found = [Choice(words, {offered.name: value}, counts[value]) for value, words in known]
        choices = found if len(found) > 1 else []
    else:
        # There may be more tags than anybody reads; the others are looked up by their names.
        by_use = offered.is_many
        values = sorted(counts, key=lambda name: (-counts[name] if by_use else 0, name))
        found = [Choice(value, {offered.name: value}, counts[value]) for value in values]
        choices = found[:CHOICES_SHOWN]
    return Facet(offered.name, str(offered.facet), choices)


@dataclass(frozen=True, slots=True)
class CollectionCard:
    """A collection as it is shown to be chosen."""

    name: str
    count: int
    """Pictures in it that the person may see."""
    cover: Image
    """The latest of them."""


def largest_collections(user: Person, count: int = 12) -> list[CollectionCard]:
    """Choose the collections with the most pictures that this person may see."""
    tallies = _tallies("collection", user)
    largest = sorted(tallies, key=lambda name: (-tallies[name].number, name))[:count]
    visible = Image.objects.visible_to(user)
    covers = visible.in_bulk([tallies[name].witness for name in largest])
    cards = []
    for name in largest:
        cover = covers.get(tallies[name].witness)
        if cover is None:  # it was deleted or hidden since
            cover = visible.filter(collection__name=name).order_by("-pk").first()
        if cover is not None:
            cards.append(CollectionCard(name, tallies[name].number, cover))
    return cards


def count_ahead() -> None:
    """Count anew what is slow to count and half over, for the public and for those who see
    every picture: each of them is offered the same."""
    for user in (None, User(is_superuser=True)):
        for name in OFFERED:
            key = _key(name, user)
            known = _known(key)
            if known is None or (known.took >= SLOW and known.age >= 0.5):
                _count_anew(key, partial(_count, name, user))


def _periods(where: ImageFilter, months: Mapping[str, int]) -> list[Choice]:
    """Offer years; below one that was chosen, its months."""
    years: dict[str, int] = {}
    for month, count in months.items():
        years[month[:4]] = years.get(month[:4], 0) + count
    since, until = where["since"], where["until"]
    chosen = since[:4] if since[:4] == until[:4] else ""
    choices = []
    for year in sorted(years, reverse=True):
        choices.append(_period(year, year, years[year]))
        if year == chosen:
            inside = sorted(month for month in months if month.startswith(year))
            choices += [_period(month, period_name(month), months[month]) for month in inside]
    return choices


def _period(value: str, label: str, count: int) -> Choice:
    return Choice(label, {"since": value, "until": value}, count)


def _shown(tallies: Mapping[str, Tallies], user: Person) -> Counts:
    """Keep the numbers, and of the names those that stand on a picture which may still be seen."""
    witnesses = [
        tally.witness
        for name, values in tallies.items()
        if FILTERS[name].is_name
        for tally in values.values()
    ]
    visible = Image.objects.visible_to(user).filter(pk__in=witnesses)
    seen = set(visible.order_by().values_list("pk", flat=True))
    return {
        facet: {
            value: tally.number
            for value, tally in values.items()
            if not FILTERS[facet].is_name or tally.witness in seen
        }
        for facet, values in tallies.items()
    }


def _tallies(name: str, user: Person) -> Tallies:
    """What a filter offers this person, as it was counted last."""
    return _kept(_key(name, user), lambda: _count(name, user))


def _kept(key: str, count: Callable[[], Tallies]) -> Tallies:
    known = _known(key)
    return known.tallies if known and known.age < 1 else _count_anew(key, count)


def _known(key: str) -> Counted | None:
    kept = _cache.get(key)
    if kept is None:
        return None
    tallies, at, took = kept  # lists, where they come from the shared cache
    return Counted({value: Tally(*tally) for value, tally in tallies.items()}, at, took)


def _count_anew(key: str, count: Callable[[], Tallies]) -> Tallies:
    start = time.monotonic()
    tallies = count()
    took = time.monotonic() - start
    _cache.set(key, Counted(tallies, time.time(), took), KEPT)
    return tallies


def _key(name: str, user: Person) -> str:
    """Name what is counted, and those who see the same pictures."""
    return f"facets:{_audience(user)}:{name}"


def _audience(user: Person) -> str:
    if user is None or not user.is_authenticated:
        return "public"
    return "everything" if sees_everything(user) else str(user.pk)


def _count(name: str, user: Person) -> Tallies:
    visible = Image.objects.visible_to(user).order_by()
    if name == "uploader":
        return _by(whose_uploaders_are_known(visible, user), FILTERS[name].counted)
    if user is None or _audience(user) in ("public", "everything"):
        return _count_of(visible, name)
    # What many see is the same for all of them, and counting it is what takes long; the others are
    # found by the index of visibilities.
    own = _count_of(visible.filter(visibility__in=FOR_FEW), name)
    parts = (_tallies(name, None), _of_the_signed_in(name), own)
    return {
        value: _sum(*(part[value] for part in parts if value in part))
        for value in {**parts[0], **parts[1], **parts[2]}
    }


def _of_the_signed_in(name: str) -> Tallies:
    """What a filter offers of the pictures that are for everybody who is signed in."""
    return _kept(
        f"facets:signed-in:{name}",
        lambda: _count_of(Image.objects.filter(visibility=Visibility.SIGNED_IN).order_by(), name),
    )


def _sum(*tallies: Tally) -> Tally:
    return Tally(sum(tally.number for tally in tallies), max(tally.witness for tally in tallies))


def _count_of(images: ImageQuerySet, name: str) -> Tallies:
    if name == PERIODS:
        months = _by(images.annotate(month=TruncMonth(MOMENT)), "month")
        return {f"{month:%Y-%m}": tally for month, tally in months.items()}
    if name == "orientation":
        return _by(images.annotate(orientation=ORIENTATION), "orientation")
    return _by(images, FILTERS[name].counted)


def _by(images: ImageQuerySet, field: str) -> dict[Any, Tally]:
    rows = images.values_list(field).annotate(count=Count("pk"), witness=Max("pk"))
    best = rows.order_by("-count")[:CHOICES_SHOWN]
    return {value: Tally(count, witness) for value, count, witness in best if value}
