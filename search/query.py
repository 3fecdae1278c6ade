"""What is asked: the parts of a query, and how an address spells them.

An address holds the whole query: ``q`` and ``without`` are words, ``like`` and ``unlike`` pictures,
each as often as there are parts. A weight stands behind a caret, as in Lucene's query syntax:
``q=two dogs&q=snow^2&unlike=17^0.5``.
"""

import re
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from urllib.parse import urlencode

from gallery.addresses import address
from gallery.examples import EXAMPLE
from gallery.selectors import ImageFilter

MIN_WEIGHT, MAX_WEIGHT = 0.01, 10.0
MAX_PARTS = 12
"""Parts of one query; each may cost as much as a search of its own."""
DEFAULT_PAGE_SIZE = 24
LESS = -0.5
"""Weight of what is to be avoided: it steers away without becoming the query itself."""

_WEIGHT = re.compile(r"\^(?P<weight>\d{1,3}(?:\.\d{1,6})?)\s*$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Words:
    text: str


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """A picture of the gallery, by id."""

    pk: int


@dataclass(frozen=True, slots=True)
class KeptExample:
    """An example picture that was sent before, by its key; see ``gallery.examples``."""

    key: str


@dataclass(frozen=True, slots=True)
class QueryImage:
    """The bytes of an example picture, as they arrived."""

    name: str
    data: bytes


Subject: TypeAlias = Words | GalleryPicture | KeptExample | QueryImage


@dataclass(frozen=True, slots=True)
class Part:
    """One thing asked for, or asked to be absent."""

    subject: Subject
    weight: float = 1.0
    """Beside the other parts, 0.01 to 10."""
    wanted: bool = True

    @property
    def factor(self) -> float:
        """What the part's vector is multiplied with."""
        return self.weight if self.wanted else LESS * self.weight

    @property
    def has_words(self) -> bool:
        return isinstance(self.subject, Words)

    def spelled(self) -> tuple[str, str]:
        """Return name and value in an address."""
        names = ("q", "without") if self.has_words else ("like", "unlike")
        weight = "" if self.weight == 1 else f"^{self.weight:g}"
        return names[0 if self.wanted else 1], f"{_spelled(self.subject)}{weight}"


def _spelled(subject: Subject) -> str:
    match subject:
        case Words(text):
            return text
        case GalleryPicture(pk):
            return str(pk)
        case KeptExample(key):
            return f"{EXAMPLE}{key}"
    raise ValueError("A picture that is not kept has no address.")


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is asked. At least one part must be wanted."""

    parts: tuple[Part, ...] = ()
    where: ImageFilter = field(default_factory=ImageFilter)
    limit: int = DEFAULT_PAGE_SIZE
    offset: int = 0

    @classmethod
    def of(
        cls,
        *subjects: str | Subject,
        where: ImageFilter | None = None,
        limit: int = DEFAULT_PAGE_SIZE,
        offset: int = 0,
    ) -> "SearchQuery":
        """Ask for all of these alike; a string is words."""
        parts = (Part(Words(each) if isinstance(each, str) else each) for each in subjects)
        return cls(tuple(parts), where=where or ImageFilter(), limit=limit, offset=offset)

    def __bool__(self) -> bool:
        return any(part.wanted for part in self.parts)

    @property
    def words(self) -> list[str]:
        """The words that are wanted."""
        wanted = (part.subject for part in self.parts if part.wanted)
        return [subject.text for subject in wanted if isinstance(subject, Words)]

    def with_parts(self, *parts: Part) -> "SearchQuery":
        """Return the same search by these parts, from its beginning."""
        return replace(self, parts=parts, offset=0)

    def parameters(self) -> list[tuple[str, str]]:
        """Return names and values that spell this query, in one order for all that ask the same."""
        spelled = [part.spelled() for part in self.parts]
        spelled += self.where.parameters()
        if self.limit != DEFAULT_PAGE_SIZE:
            spelled.append(("limit", str(self.limit)))
        if self.offset:
            spelled.append(("offset", str(self.offset)))
        return spelled

    def address(self, **more: str) -> str:
        """Return the address of this search."""
        query = urlencode([*self.parameters(), *more.items()])
        home = address("search:home")
        return f"{home}?{query}" if query else home


def split_weight(value: str) -> tuple[str, float]:
    """Take the weight off the end of what an address holds; it is 1 where there is none.

    Raises ValueError, with words for whoever wrote it, where the weight is out of range.
    """
    match = _WEIGHT.search(value)
    if match is None:
        return value, 1.0
    weight = float(match["weight"])
    if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
        raise ValueError(
            f"The weight {match['weight']} is not between {MIN_WEIGHT:g} and {MAX_WEIGHT:g}."
        )
    return value[: match.start()], weight
