"""Files that no picture names: of uploads that were cut off, and of deletions in an outage."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.core.files.storage import default_storage
from django.utils import timezone

from gallery.models import Image

PLACES = ("originals", "renditions")
SPARED = timedelta(days=1)
"""Files are written before the row that names them, so one that is younger may be on its way in."""

_OURS = re.compile(r"(?P<sha256>[0-9a-f]{64})[.-]|\.tmp-")
"""What the gallery calls its files; whatever else lies there is left alone."""
_AT_ONCE = 1_000
"""Names looked up in the database together."""


def leftovers() -> Iterator[str]:
    """Find files that belong to no picture and are older than ``SPARED``; yield their names."""
    oldest_spared = timezone.now() - SPARED
    for place in PLACES:
        for folder in _folders(place):
            names = default_storage.listdir(folder)[1]
            for start in range(0, len(names), _AT_ONCE):
                for name in _without_picture(names[start : start + _AT_ONCE]):
                    path = f"{folder}/{name}"
                    if default_storage.get_modified_time(path) < oldest_spared:
                        yield path


def _folders(place: str) -> list[str]:
    try:
        return [f"{place}/{folder}" for folder in sorted(default_storage.listdir(place)[0])]
    except FileNotFoundError:
        return []  # nothing was ever uploaded


def _without_picture(names: Sequence[str]) -> Iterator[str]:
    ours = {name: match["sha256"] for name in names if (match := _OURS.match(name))}
    digests = {digest for digest in ours.values() if digest}
    known = set(Image.objects.filter(sha256__in=digests).values_list("sha256", flat=True))
    yield from (name for name, digest in ours.items() if digest not in known)
