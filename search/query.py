"""What is asked: the parts of a query, and how an address holds them.

An address holds the whole query: ``q`` and ``without`` are words, ``like`` and ``unlike`` pictures,
each as often as there are parts, beside the filters, which say what must and must not be. A weight
stands behind a caret, as in Lucene's query syntax: ``q=two dogs&q=snow^2&unlike=17^0.5``.
"""

import re
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from urllib.parse import urlencode

from gallery.examples import EXAMPLE
from gallery.rendering.addresses import address
from mlcore.errors import InvalidQueryError
from search.filters import ImageFilter
from search.parameters import DEFAULT_PAGE_SIZE, RELEVANCE

MIN_WEIGHT, MAX_WEIGHT = 0.01, 10.0
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

    def as_parameter(self) -> tuple[str, str]:
        """Return name and value in an address."""
        names = ("q", "without") if self.has_words else ("like", "unlike")
        weight = "" if self.weight == 1 else f"^{self.weight:g}"
        return names[0 if self.wanted else 1], f"{_subject_value(self.subject)}{weight}"


def _subject_value(subject: Subject) -> str:
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
    """What is asked: at least one part that is wanted, or words by a filter."""

    parts: tuple[Part, ...] = ()
    where: ImageFilter = field(default_factory=ImageFilter)
    limit: int = DEFAULT_PAGE_SIZE
    offset: int = 0
    sort: str = RELEVANCE
    """One of :data:`search.parameters.SORTS`."""
    min_relevance: float = 0.0
    """Results of less are left out."""

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
        return self.wants_parts or self.where.asks_for_words

    @property
    def wants_parts(self) -> bool:
        """Whether any part is wanted; where none is, the filters say what is looked for."""
        return any(part.wanted for part in self.parts)

    @property
    def words(self) -> list[str]:
        """The words that are wanted."""
        wanted = (part.subject for part in self.parts if part.wanted)
        return [subject.text for subject in wanted if isinstance(subject, Words)]

    @property
    def phrases(self) -> tuple[str, ...]:
        """What must be written as it is."""
        return self.where.values("phrase")

    @property
    def marked(self) -> str:
        """All words that are asked for, wherever they are to be, but the phrases."""
        places = (self.where.values(name) for name in ("title", "file", "tag", "collection"))
        return " ".join([*self.words, *(value for values in places for value in values)])

    def with_parts(self, *parts: Part) -> "SearchQuery":
        """Return the same search by these parts, from its beginning."""
        return replace(self, parts=parts, offset=0)

    def parameters(self) -> list[tuple[str, str]]:
        """Return the names and values of its address, in one order for all that ask the same."""
        parameters = [part.as_parameter() for part in self.parts]
        parameters += self.where.parameters()
        if self.min_relevance:
            parameters.append(("min_relevance", f"{self.min_relevance:g}"))
        if self.sort != RELEVANCE:
            parameters.append(("sort", self.sort))
        if self.limit != DEFAULT_PAGE_SIZE:
            parameters.append(("limit", str(self.limit)))
        if self.offset:
            parameters.append(("offset", str(self.offset)))
        return parameters

    def build_url(self, **more: str) -> str:
        """Return the address of this search."""
        query = urlencode([*self.parameters(), *more.items()])
        home = address("search:home")
        return f"{home}?{query}" if query else home


def split_weight(value: str) -> tuple[str, float]:
    """Take the weight off the end of what an address holds; it is 1 where there is none.

    Raises InvalidQueryError where the weight is out of range.
    """
    match = _WEIGHT.search(value)
    if match is None:
        return value, 1.0
    weight = float(match["weight"])
    if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
        raise InvalidQueryError(
            "search.weight_out_of_range",
            weight=match["weight"],
            least=f"{MIN_WEIGHT:g}",
            most=f"{MAX_WEIGHT:g}",
        )
    return value[: match.start()], weight
