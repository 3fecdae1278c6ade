"""IPTC-IIM records (version 4.2), as agencies and programs for photographs write them."""

from collections.abc import Mapping
from typing import Any

from mlcore.metadata.dates import read_moment
from mlcore.metadata.photo import MAX_KEYWORD, MAX_KEYWORDS, PhotoMetadata, longest
from mlcore.metadata.sanitize import clean_line
from mlcore.metadata.text import decode_text
from mlcore.metadata.xmp import join_place

# Dataset 1:90 names the character set by an escape sequence of ISO 2022.
_CHARACTER_SETS = {b"\x1b%G": "utf-8", b"\x1b.A": "latin-1", b"\x1b-A": "latin-1"}

_TITLE, _KEYWORDS, _DATE, _TIME, _CREATOR = 5, 25, 55, 60, 80
_CITY, _SPOT, _STATE, _COUNTRY = 90, 92, 95, 101
_HEADLINE, _CREDIT, _COPYRIGHT, _CAPTION = 105, 110, 116, 120


def read_iptc(records: Mapping[tuple[int, int], Any]) -> PhotoMetadata:
    """Read the datasets of a picture, by record and number: bytes, or a list of them."""
    charset = _CHARACTER_SETS.get(next(iter(_bytes(records, (1, 90))), b""))

    def texts(number: int) -> list[str]:
        return [_decode(value, charset) for value in _bytes(records, (2, number))]

    def line(fact: str, *numbers: int) -> str:
        found = (clean_line(text, longest(fact)) for number in numbers for text in texts(number))
        return next(filter(None, found), "")

    day, time = "".join(texts(_DATE)[:1]), "".join(texts(_TIME)[:1])
    taken_at = _moment(day.strip(), time.strip())
    keywords = (clean_line(text, MAX_KEYWORD) for text in texts(_KEYWORDS))
    return PhotoMetadata(
        title=line("title", _TITLE, _HEADLINE),
        description=line("description", _CAPTION),
        keywords=tuple(dict.fromkeys(filter(None, keywords)))[:MAX_KEYWORDS],
        creator=clean_line(", ".join(texts(_CREATOR)), longest("creator")),
        credit=line("credit", _CREDIT),
        copyright=line("copyright", _COPYRIGHT),
        place=join_place([line("place", part) for part in (_SPOT, _CITY, _STATE, _COUNTRY)]),
        taken_at=taken_at,
        taken_from="iptc" if taken_at else "",
    )


def _bytes(records: Mapping[tuple[int, int], Any], at: tuple[int, int]) -> list[bytes]:
    value = records.get(at, [])
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, bytes)]


def _decode(value: bytes, charset: str | None) -> str:
    if charset:
        try:
            return value.decode(charset)
        except UnicodeDecodeError:
            pass  # programs that change the text and not what is said of it
    return decode_text(value)


def _moment(day: str, time: str) -> Any:
    """Read CCYYMMDD and HHMMSS±HHMM."""
    if len(day) != 8 or not day.isdecimal():
        return None
    clock = f" {time[:2]}:{time[2:4]}:{time[4:6]}{time[6:]}" if len(time) >= 6 else ""
    return read_moment(f"{day[:4]}-{day[4:6]}-{day[6:]}{clock}")
