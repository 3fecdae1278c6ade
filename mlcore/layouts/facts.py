"""Which columns or keys of a listing mean what, whatever their spelling."""

import ast
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlcore.i18n import Message
from mlcore.layouts.listing import NOTHING, Split, split_of
from mlcore.metadata.dates import read_moment
from mlcore.metadata.photo import MAX_KEYWORD, MAX_KEYWORDS, PhotoMetadata, longest
from mlcore.metadata.sanitize import clean_line

_FILES = frozenset(
    {
        "file",
        "filename",
        "filepath",
        "image",
        "imagefile",
        "imagefilename",
        "imageid",
        "imagename",
        "imagepath",
        "img",
        "imgpath",
        "path",
        "photo",
        "picture",
    }
)
_CAPTIONS = frozenset(
    {
        "caption",
        "captions",
        "captiontext",
        "comment",
        "description",
        "raw",
        "sentence",
        "sentences",
        "text",
    }
)
_TITLES = frozenset({"title", "headline"})
_SPLITS = frozenset({"split", "subset", "partition"})
_TAGS = frozenset({"tags", "tag", "keywords", "keyword"})
_DATES = frozenset({"date", "datetaken", "datetime", "datetimeoriginal", "taken", "takenat"})
_WORDS = {
    "creator": frozenset({"creator", "author", "photographer", "artist"}),
    "credit": frozenset({"credit"}),
    "copyright": frozenset({"copyright", "rights"}),
    "place": frozenset({"place", "location"}),
    "camera": frozenset({"camera"}),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What somebody said about a data set who knows it; empty where the guess is right."""

    layout: str = ""
    """The name of a layout, as in :data:`mlcore.layouts.LAYOUTS`."""
    file_column: str = ""
    caption_column: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a listing by what they mean, each by its own name."""

    file: str
    captions: tuple[str, ...]
    others: Mapping[str, str]
    """Columns by fact: "split", "title", "tags", "date", "creator"..."""

    @classmethod
    def among(cls, names: Iterable[str], chosen: Chosen) -> "Columns | None":
        """Tell columns by their names; None where none is for the file."""
        meanings = {name: _letters(name) for name in names if name}

        def named(accepted: frozenset[str]) -> list[str]:
            return [name for name, meaning in meanings.items() if meaning in accepted]

        files = [name for name in meanings if _same(name, chosen.file_column)] or (
            []
            if chosen.file_column
            else named(_FILES) or [n for n, m in meanings.items() if m.endswith("filename")]
        )
        if not files:
            return None
        captions = [name for name in meanings if _same(name, chosen.caption_column)]
        titles = named(_TITLES)
        if not captions and not chosen.caption_column:
            captions = named(_CAPTIONS)
            if not captions:  # whoever has no other words means these
                captions, titles = titles, []
        others = {"title": titles, "split": named(_SPLITS), "tags": named(_TAGS)}
        others |= {"date": named(_DATES)}
        others |= {fact: named(words) for fact, words in _WORDS.items()}
        return cls(
            files[0],
            tuple(name for name in captions if name != files[0]),
            {
                fact: found[0]
                for fact, found in others.items()
                if found and found[0] not in captions
            },
        )

    def split(self, row: Mapping[str, Any]) -> Split:
        value = row.get(self.others.get("split", ""))
        return split_of(value) if isinstance(value, str) else ""

    def said(self, row: Mapping[str, Any]) -> PhotoMetadata:
        """What a row says besides captions and split."""
        facts: dict[str, str] = {}
        keywords: tuple[str, ...] = ()
        taken_at = None
        for fact, name in self.others.items():
            value = row.get(name)
            if value is None or fact == "split":
                continue
            if fact == "tags":
                words = (clean_line(word, MAX_KEYWORD) for word in _words(value))
                keywords = tuple(dict.fromkeys(filter(None, words)))[:MAX_KEYWORDS]
            elif fact == "date":
                taken_at = read_moment(str(value))
            elif isinstance(value, str | int | float):
                facts[fact] = clean_line(str(value), longest(fact))
        if not (facts or keywords or taken_at):
            return NOTHING
        return PhotoMetadata(
            **facts,
            keywords=keywords,
            taken_at=taken_at,
            taken_from="listing" if taken_at else "",
        )


def texts(value: Any, on_other: Callable[[], Any]) -> list[str]:
    """Return the captions in a value of JSON: a text, or a list of texts or of COCO's objects.

    Args:
        on_other: is called where the value is something else, and usually raises.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        found = []
        for each in value:
            if isinstance(each, dict):
                each = each.get("raw", each.get("caption", each))
            if isinstance(each, str):
                found.append(each)
            elif each is not None:
                on_other()
        return found
    on_other()
    return []


def cell_texts(cell: str) -> list[str]:
    """Return the captions in a cell of a table, which may hold a list of them."""
    written = cell.strip()
    if written.startswith("[") and written.endswith("]"):
        for read in (json.loads, ast.literal_eval):
            try:
                values = read(written)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(values, list) and values and all(isinstance(v, str) for v in values):
                return values
    return [cell]


def no_caption_keys(listing: str, keys: Iterable[str]) -> Message:
    """Say that no column holds captions, and which there are."""
    return Message.of("listing.no_caption_key", listing=listing, keys=list(keys)[:20])


def _letters(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalpha())


def _same(name: str, wanted: str) -> bool:
    return bool(wanted) and name.strip().casefold() == wanted.strip().casefold()


def _words(value: Any) -> list[str]:
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str)]
    found = cell_texts(str(value))
    return found if len(found) > 1 else re.split(r"[;,|]", found[0])
