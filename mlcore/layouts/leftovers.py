"""What lies in a data set and was not used: nothing is passed over without being counted."""

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass

from mlcore.layouts.files import Files, display_name
from mlcore.layouts.pictures import has_picture_suffix, kind_of

SHOWN = 20
"""Files named that may have held captions."""
_MAY_HOLD_CAPTIONS = (
    ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".token", ".parquet", ".arrow", ".txt", ".xmp",
    ".xml", ".xlsx",
)  # fmt: skip
_NEVER = ("readme", "license", "licence", "dataset_info", "dataset_dict", "state", "requirements")


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Files that were not used."""

    kinds: Mapping[str, int]
    """How many of each kind: "pictures" that no listing names, "texts", "films", "archives"..."""
    captions: tuple[str, ...]
    """The first that may have held captions."""


def left_over(files: Files, used: Container[str]) -> Leftovers:
    """Count what is not in ``used``."""
    kinds: Counter[str] = Counter()
    captions: list[str] = []
    for name in files.walk():
        if name in used:
            continue
        kinds["pictures" if has_picture_suffix(name) else kind_of(name)] += 1
        if len(captions) < SHOWN and _may_hold_captions(name):
            captions.append(display_name(name))
    return Leftovers(dict(sorted(kinds.items())), tuple(captions))


def _may_hold_captions(name: str) -> bool:
    last = name.rpartition("/")[2].casefold()
    return last.endswith(_MAY_HOLD_CAPTIONS) and not last.startswith(_NEVER)
