"""Moments as cameras, programs and people spell them."""

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

FIRST_YEAR = 1826
"""Of the oldest photograph that is left; what claims to be older is a fault."""
FIRST_NAMED_YEAR = 1990
"""In names of files, where eight digits may be anything; earlier ones were not named by cameras."""

# What clocks show that were never set: Unix, DOS and the Mac of old count from these.
_UNSET = frozenset({datetime(1904, 1, 1), datetime(1970, 1, 1), datetime(1980, 1, 1)})

# Exif 2.32 (tag 36867) writes 2019:07:01 10:00:00, XMP writes ISO 8601; the rest is seen in files.
_SPELLED = re.compile(
    r"(\d{4})[:./-] ?(\d{1,2})[:./-] ?(\d{1,2})"
    r"(?:[T ]+ ?(\d{1,2}): ?(\d{1,2})(?:: ?(\d{1,2})(?:[.,](\d+))?)? ?(?:([AP])\.?M\.?)?"
    r" ?(Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?",
    re.IGNORECASE,
)
_ZONE = re.compile(r"([+-])(\d{2}):?(\d{2})")
# Not inside longer numbers or hashes, and not Flickr's names: a number, then ten digits in base 16.
_NAMED = re.compile(
    r"(?<![0-9a-f])((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
    r"(?:(?:[ _-]at[ _-]|[-_ .T])*([01]\d|2[0-3])[-_.:h]?([0-5]\d)[-_.:m]?([0-5]\d)(?!\d{4})"
    r"|(?!\d|[a-f]\d|_[0-9a-f]{10}\b))"
)


def read_moment(
    text: str, *, offset: str = "", fraction: str = "", now: datetime | None = None
) -> datetime | None:
    """Read one moment; None where nothing, or nothing possible, is said.

    Args:
        text: such as "2019:07:01 10:00:00" or "2019-07-01T10:00:00.5+02:00"; a day alone is its
            beginning.
        offset: from UTC, such as "+02:00", where the text has none.
        fraction: digits behind the second, where the text has none.
        now: what counts as the future begins a day later; with a time zone.

    Returns:
        With a time zone where an offset was given.
    """
    match = _SPELLED.fullmatch(" ".join(text.replace("\0", " ").split()))
    if match is None:
        return _possible(_of_mail(text), now)
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if match[8] and 1 <= hour <= 12:
        hour = hour % 12 + (12 if match[8] in "Pp" else 0)
    digits = (match[7] or fraction.strip("\0 ") or "0")[:6]
    try:
        moment = datetime(year, month, day, hour, minute, 59 if second == 60 else second)
        moment += timedelta(seconds=second == 60)  # a leap second
        moment = moment.replace(microsecond=int(digits.ljust(6, "0")) if digits.isdigit() else 0)
        return _possible(moment.replace(tzinfo=_zone(match[9] or offset)), now)
    except (ValueError, OverflowError):
        return None


def moment_in_name(name: str, *, now: datetime | None = None) -> datetime | None:
    """Read the day, and the time if it is there, that a file is named after.

    ``name`` is without its folders: "IMG_20190701_100000.jpg", "2019-07-01 10.00.00.png".
    """
    for match in _NAMED.finditer(name):
        year, month, day, hour, minute, second = (
            int(part or 0) for part in (match[1], *match.groups()[2:])
        )
        try:
            moment = datetime(year, month, day, hour, minute, second)
        except ValueError:
            continue
        if year >= FIRST_NAMED_YEAR and _possible(moment, now):
            return moment
    return None


def _of_mail(text: str) -> datetime | None:
    """Read RFC 1123, as PNG recommends for its creation time (PNG 1.2, section 4.2.3.3)."""
    try:
        return parsedate_to_datetime(text) if len(text) < 64 else None
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _zone(text: str) -> timezone | None:
    text = text.strip("\0 ").upper()
    if text in {"Z", "UTC", "GMT"}:
        return UTC
    match = _ZONE.fullmatch(text)
    if match is None:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    # The furthest that clocks are apart.
    if offset > timedelta(hours=14):
        return None
    return timezone(-offset if match[1] == "-" else offset)


def _possible(moment: datetime | None, now: datetime | None) -> datetime | None:
    if moment is None or moment.year < FIRST_YEAR or moment.replace(tzinfo=None) in _UNSET:
        return None
    latest = (now or datetime.now(UTC)) + timedelta(days=1)
    if moment.year > latest.year + 1:
        return None  # and near the year 9999 a change of time zone overflows
    return moment if (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) <= latest else None
