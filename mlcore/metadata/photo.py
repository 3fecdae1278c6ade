"""The facts about one photograph, wherever they were written."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self, TypeAlias, get_args

TakenFrom: TypeAlias = Literal["", "camera", "digitized", "xmp", "iptc", "text", "name", "listing"]
"""Who says when a picture was taken: EXIF ``DateTimeOriginal`` or ``DateTimeDigitized``, XMP, IPTC,
a PNG's text, the file's name, or what came beside the picture; empty where nobody does."""

MAX_DESCRIPTION = 5000
"""Characters kept of a description; a caption is a sentence, longer text is somebody's notes."""
MAX_KEYWORDS = 200
"""Keywords kept of one picture; agencies write some fifty."""
MAX_KEYWORD = 100
"""Characters kept of one keyword; IPTC allows 64."""
_MOST = {
    "title": 200,
    "description": MAX_DESCRIPTION,
    "creator": 200,
    "credit": 200,
    "copyright": 300,
    "place": 200,
    "camera": 100,
}


@dataclass(frozen=True, slots=True)
class PhotoMetadata:
    """What was found; every text is one line, and empty where nothing is said."""

    title: str = ""
    description: str = ""
    """At most ``MAX_DESCRIPTION`` characters."""
    keywords: tuple[str, ...] = ()
    creator: str = ""
    """Who made the picture; several are separated by commas."""
    credit: str = ""
    """Who wants to be named with it, such as an agency."""
    copyright: str = ""
    place: str = ""
    """In words, from the spot to the country. Coordinates are not read: they tell where people
    live."""
    camera: str = ""
    """Maker and model."""
    taken_at: datetime | None = None
    """With a time zone only where one was written; most cameras know their own clock alone."""
    taken_from: TakenFrom = ""

    def or_else(self, other: "PhotoMetadata") -> "PhotoMetadata":
        """Return the same, with what is missing taken from ``other``; keywords are joined."""
        found = {name: getattr(self, name) or getattr(other, name) for name in _MOST}
        dated = self if self.taken_at else other
        return PhotoMetadata(
            **found,
            keywords=tuple(dict.fromkeys(self.keywords + other.keywords)),
            taken_at=dated.taken_at,
            taken_from=dated.taken_from,
        )

    def as_answer(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        taken_at = self.taken_at.isoformat() if self.taken_at else None
        return {**asdict(self), "keywords": list(self.keywords), "taken_at": taken_at}

    @classmethod
    def from_answer(cls, answer: Any) -> Self:
        """Read what :meth:`as_answer` gave, without believing where it comes from.

        Raises:
            TypeError, ValueError, KeyError: it is something else.
        """
        if not isinstance(answer, dict) or answer.keys() != {field.name for field in fields(cls)}:
            raise ValueError("not the facts of a picture")
        for name, most in _MOST.items():
            _check_text(answer[name], most)
        if not isinstance(answer["keywords"], list) or len(answer["keywords"]) > MAX_KEYWORDS:
            raise ValueError("not a list of keywords")
        for keyword in answer["keywords"]:
            _check_text(keyword, MAX_KEYWORD)
        if answer["taken_from"] not in get_args(TakenFrom):
            raise ValueError("nobody who dates pictures")
        at = answer["taken_at"]
        return cls(
            **{name: answer[name] for name in _MOST},
            keywords=tuple(answer["keywords"]),
            taken_at=None if at is None else datetime.fromisoformat(at),
            taken_from=answer["taken_from"],
        )


def longest(name: str) -> int:
    """Return how many characters of a fact are kept."""
    return _MOST[name]


def _check_text(value: Any, most: int) -> None:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("not a text of this length")
