"""``metadata.jsonl`` beside the pictures, as Hugging Face ``datasets`` writes an imagefolder."""

import json
from collections.abc import Iterable
from typing import Any

from mlcore.layouts.files import Files, SourceLimits
from mlcore.layouts.listing import Listing, PictureList, malformed, read_text, split_of

LISTING = "metadata.jsonl"
_CAPTION_KEYS = ("text", "caption", "captions", "sentences", "description")


def read(files: Files, base: str, limits: SourceLimits) -> Listing | None:
    """One listing at the top, or one in each folder such as ``train`` and ``validation``."""
    folders = [""] + [f"{e.name}/" for e in files.entries(base) if e.is_folder]
    listings = [
        base + folder + LISTING for folder in folders if files.find(base + folder + LISTING)
    ]
    return read_listings(files, listings, limits) if listings else None


def read_listings(files: Files, listings: Iterable[str], limits: SourceLimits) -> Listing:
    """Read ``metadata.jsonl`` files; each names pictures in its own folder.

    Raises DatasetError for a malformed line, with its file and number.
    """
    pictures = []
    for listing in listings:
        folder = listing.removesuffix(listing.rpartition("/")[2])
        listed = PictureList(files, [folder])
        for number, line in enumerate(read_text(files, listing, limits).split("\n"), start=1):
            if line.strip():
                _add_row(listed, listing, number, line, folder)
        pictures.extend(listed.pictures)
    return Listing("Hugging Face imagefolder", pictures)


def _add_row(listed: PictureList, listing: str, number: int, line: str, folder: str) -> None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        malformed(listing, number, "this is not JSON.")
    if not isinstance(row, dict):
        malformed(listing, number, 'expected an object such as {"file_name": "1.jpg", "text": ""}.')
    name = row.get("file_name")
    if not isinstance(name, str) or not name.strip():
        malformed(listing, number, '"file_name" is missing; it says which picture is meant.')
    named = row.get("split")
    split = split_of(named) if isinstance(named, str) else ""
    # A split's folder is either where the listing is or the first part of the picture's name.
    for part in (*folder.split("/"), *name.split("/")[:-1]):
        split = split or split_of(part)
    listed.add(name, _captions(row, listing, number), split)


def _captions(row: dict[str, Any], listing: str, number: int) -> list[str]:
    captions = []
    for key in _CAPTION_KEYS:
        value = row.get(key)
        values = value if isinstance(value, list) else [] if value is None else [value]
        for caption in values:
            if not isinstance(caption, str):
                malformed(listing, number, f'"{key}" must be text or a list of texts.')
            captions.append(caption)
    return captions
