"""What results can be narrowed down to, and how many pictures there are of each.

Counted are all pictures that somebody may see. In a large gallery that takes seconds, so the
numbers are remembered for a while, and with each name one picture that it stands on: a name is
offered only as long as that picture may still be seen, so what was hidden since is not given away.
Where workers share the cache with the pages, one of them counts anew before the time is over, so
that no page has to.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from django.contrib.auth.models import User
from django.db.models import Count, Max
from django.db.models.functions import TruncMonth
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from gallery.caching import SteadyCache
from gallery.models import Image
from gallery.models.image import (
    MOMENT,
    ORIENTATION,
    Colour,
    ImageQuerySet,
    Orientation,
    Split,
    Visibility,
)
from gallery.selectors import ImageFilter, Person, days_of, whose_uploaders_are_known

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

COUNTED = ("collection", "tag", "month", "orientation", "colour", "split", "uploader")
NAMES = ("collection", "tag", "uploader")
"""Filters of which the answers are names that somebody gave."""


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
    counts = _shown({name: _tallies(name, user) for name in COUNTED}, user)
    collections, tags = counts["collection"], counts["tag"]
    offered = [
        _named("collection", _("Collection"), sorted(collections), counts),
        _named("tag", _("Tag"), sorted(tags, key=lambda name: (-tags[name], name)), counts),
        _dated(where, counts["month"]),
        _fixed("orientation", _("Orientation"), Orientation.choices, counts),
        _fixed("colour", _("Colour"), Colour.choices, counts),
        _fixed("split", _("Part of a data set"), Split.choices, counts),
        _named("uploader", _("Uploaded by"), sorted(counts["uploader"]), counts),
    ]
    return [facet for facet in offered if facet.choices]


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
    """Count anew what is slow to count and half over, for those of whom there are many: the public
    and staff."""
    for user in (None, User(is_staff=True)):
        for name in COUNTED:
            known: Counted | None = _cache.get(_key(name, user))
            if known is None or (known.took >= SLOW and known.age >= 0.5):
                _count_anew(name, user)


def _named(name: str, label: str, values: Iterable[str], counts: Counts) -> Facet:
    choices = [Choice(value, {name: value}, counts[name][value]) for value in values]
    return Facet(name, label, choices[:CHOICES_SHOWN])


def _fixed(name: str, label: str, values: Iterable[tuple[str, object]], counts: Counts) -> Facet:
    found = [
        Choice(str(words), {name: value}, counts[name][value])
        for value, words in values
        if value and counts[name].get(value)
    ]
    return Facet(name, label, found if len(found) > 1 else [])


def _dated(where: ImageFilter, months: Mapping[str, int]) -> Facet:
    """Offer years; below one that was chosen, its months."""
    years: dict[str, int] = {}
    for month, count in months.items():
        years[month[:4]] = years.get(month[:4], 0) + count
    chosen = where.since[:4] if where.since[:4] == where.until[:4] else ""
    choices = []
    for year in sorted(years, reverse=True):
        choices.append(_period(year, year, years[year]))
        if year == chosen:
            inside = sorted(month for month in months if month.startswith(year))
            choices += [_period(month, period_name(month), months[month]) for month in inside]
    return Facet("since", _("Date"), choices)


def _period(value: str, label: str, count: int) -> Choice:
    return Choice(label, {"since": value, "until": value}, count)


def period_name(value: str) -> str:
    """Spell a year, a month or a day as people do."""
    formats = {4: "Y", 7: "F Y", 10: "j F Y"}
    return date_format(days_of(value)[0], formats[len(value)])


def _shown(tallies: Mapping[str, Tallies], user: Person) -> Counts:
    """Keep the numbers, and of the names those that stand on a picture which may still be seen."""
    witnesses = [tally.witness for facet in NAMES for tally in tallies[facet].values()]
    visible = Image.objects.visible_to(user).filter(pk__in=witnesses)
    seen = set(visible.order_by().values_list("pk", flat=True))
    return {
        facet: {
            value: tally.number
            for value, tally in values.items()
            if facet not in NAMES or tally.witness in seen
        }
        for facet, values in tallies.items()
    }


def _tallies(name: str, user: Person) -> Tallies:
    """What a filter offers this person, as it was counted last."""
    known: Counted | None = _cache.get(_key(name, user))
    return known.tallies if known and known.age < 1 else _count_anew(name, user)


def _count_anew(name: str, user: Person) -> Tallies:
    start = time.monotonic()
    tallies = _count(name, user)
    took = time.monotonic() - start
    _cache.set(_key(name, user), Counted(tallies, time.time(), took), KEPT)
    return tallies


def _key(name: str, user: Person) -> str:
    """Name what is counted, and those who see the same pictures."""
    return f"facets:{_audience(user)}:{name}"


def _audience(user: Person) -> str:
    if user is None or not user.is_authenticated:
        return "public"
    return "staff" if user.is_staff else str(user.pk)


def _count(name: str, user: Person) -> Tallies:
    visible = Image.objects.visible_to(user).order_by()
    if name == "uploader":
        return _by(whose_uploaders_are_known(visible, user), "uploader__username")
    if user is None or _audience(user) in ("public", "staff"):
        return _count_of(visible, name)
    # Public pictures are the same for everybody, and counting them is what takes long; the others
    # are found by an index once they are asked for by their owner.
    own = _count_of(visible.filter(owner=user.pk).exclude(visibility=Visibility.PUBLIC), name)
    public = _tallies(name, None)
    return {
        value: _sum(*(found[value] for found in (public, own) if value in found))
        for value in {**public, **own}
    }


def _sum(*tallies: Tally) -> Tally:
    return Tally(sum(tally.number for tally in tallies), max(tally.witness for tally in tallies))


def _count_of(images: ImageQuerySet, name: str) -> Tallies:
    match name:
        case "month":
            months = _by(images.annotate(month=TruncMonth(MOMENT)), "month")
            return {f"{month:%Y-%m}": tally for month, tally in months.items()}
        case "orientation":
            return _by(images.annotate(orientation=ORIENTATION), "orientation")
    field = {"collection": "collection__name", "tag": "tags__name", "colour": "dominant_colour"}
    return _by(images, field.get(name, name))


def _by(images: ImageQuerySet, field: str) -> dict[Any, Tally]:
    rows = images.values_list(field).annotate(count=Count("pk"), witness=Max("pk"))
    best = rows.order_by("-count")[:CHOICES_SHOWN]
    return {value: Tally(count, witness) for value, count, witness in best if value}
