"""The imagefolder of Hugging Face: ``metadata.jsonl``, ``.csv`` or ``.parquet`` by the pictures."""

import json
from collections.abc import Iterable
from typing import Any

from mlcore.errors import ImageRejectedError
from mlcore.i18n import Message
from mlcore.layouts import parquet
from mlcore.layouts.facts import Chosen, Columns, no_caption_keys, texts
from mlcore.layouts.files import Files, SourceLimits
from mlcore.layouts.listing import Listing, PictureList, combine, read_told, split_of
from mlcore.layouts.table import list_rows

LISTINGS = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_DEPTH = 2
"""Folders down to which listings are looked for: ``data/train/``."""


class _OddRowError(Exception):
    def __init__(self, reason: Message) -> None:
        super().__init__(reason.code)
        self.reason = reason


def read(files: Files, base: str, limits: SourceLimits, chosen: Chosen) -> Listing | None:
    """One listing at the top, or one in each folder such as ``train`` and ``data/validation``."""
    folders = list(_folders(files, base, _DEPTH))
    listings = [
        folder + name for folder in folders for name in LISTINGS if files.find(folder + name)
    ]
    below = [name for name in listings if name.rpartition("/")[0] != base.rstrip("/")]
    at_top = [name for name in listings if name not in below]
    if not below and all(name.endswith(".csv") for name in at_top):
        return None  # the table that it is
    return read_listings(files, listings, limits, chosen) if listings else None


def read_lines(files: Files, base: str, limits: SourceLimits, chosen: Chosen) -> Listing | None:
    """JSON lines of another name at ``base``, of which the first names a file and a caption."""
    listings = [
        base + entry.name
        for entry in files.entries(base.rstrip("/"))
        if not entry.is_folder
        and entry.name.lower().endswith((".jsonl", ".ndjson"))
        and _names_captions(files, base + entry.name, chosen)
    ]
    return read_listings(files, listings, limits, chosen) if listings else None


def read_listings(
    files: Files,
    listings: Iterable[str],
    limits: SourceLimits,
    chosen: Chosen = Chosen(),  # noqa: B008
) -> Listing:
    """Read listings; each names pictures in its own folder.

    Raises DatasetError where most rows of one are odd; with file and line of the first.
    """
    listings = list(listings)
    lists = [_list(files, listing, limits, chosen) for listing in listings]
    why = Message.of("why.listings", listings=listings)
    return combine(Message.of("layout.imagefolder"), lists, why, listings)


def _list(files: Files, listing: str, limits: SourceLimits, chosen: Chosen) -> PictureList:
    folder = listing[: listing.rfind("/") + 1]
    # Its pictures may still be packed beside it, as they come from the hub.
    packed = [f"{folder}{e.name}" for e in files.entries(folder.rstrip("/")) if e.is_folder]
    folders = [folder, *(name for name in packed if name.endswith((".zip", ".tar")))]
    if listing.endswith(".csv"):
        listed = list_rows(files, listing, limits, chosen, folders)
        for picture in listed.pictures:
            picture.split = picture.split or _split_in(folder, picture.name)
        return listed
    listed = PictureList(files, folders, listing)
    rows: Iterable[tuple[int, Any]]
    if listing.endswith(".parquet"):
        rows = parquet.rows(files, listing, limits)
    else:
        text, notes = read_told(files, listing, limits)
        listed.notes.extend(notes)
        lines = enumerate(text.split("\n"), start=1)
        rows = ((number, line) for number, line in lines if line.strip())
    keys: dict[str, None] = {}
    captions = 0
    for number, row in rows:
        try:
            found = _add_row(listed, row, folder, chosen)
        except _OddRowError as error:
            listed.note_odd(number, error.reason)
            continue
        captions += found[0]
        keys.update(dict.fromkeys(found[1]))
    if not captions:
        listed.notes.append(no_caption_keys(listed.listing, keys))
    listed.close()
    return listed


def _add_row(listed: PictureList, row: Any, folder: str, chosen: Chosen) -> tuple[int, list[str]]:
    """Add one row; return how many captions it has, and its keys."""
    if isinstance(row, str):
        try:
            row = json.loads(row)
        except (ValueError, RecursionError):
            raise _OddRowError(Message.of("listing.not_json")) from None
    if not isinstance(row, dict):
        raise _OddRowError(Message.of("listing.not_an_object"))
    columns = Columns.among(row, chosen)
    name = row.get(columns.file) if columns is not None else None
    if columns is None or not isinstance(name, str) or not name.strip():
        raise _OddRowError(Message.of("listing.no_file_name"))
    captions = []
    for key in columns.captions:

        def refuse(key: str = key) -> None:
            raise _OddRowError(Message.of("listing.not_text", key=key))

        captions += texts(row[key], refuse)
    split = columns.split(row) or _split_in(folder, name)
    listed.add(name, captions, split, columns.said(row))
    return sum(bool(caption.strip()) for caption in captions), list(row)


def _split_in(folder: str, name: str) -> Any:
    """A split's folder is either where the listing is or the first part of the picture's name."""
    parts = (*folder.split("/"), *name.split("/")[:-1])
    return next(filter(None, map(split_of, parts)), "")


def _folders(files: Files, base: str, depth: int) -> Iterable[str]:
    yield base
    if depth:
        for entry in files.entries(base.rstrip("/")):
            if entry.is_folder:
                yield from _folders(files, f"{base}{entry.name}/", depth - 1)


def _names_captions(files: Files, name: str, chosen: Chosen) -> bool:
    try:
        head = files.head(name, 100_000)
    except ImageRejectedError:
        return False
    first = head.decode("utf-8", "replace").lstrip("\ufeff").partition("\n")[0]
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return False
    columns = Columns.among(row, chosen) if isinstance(row, dict) else None
    return columns is not None and bool(columns.captions)
