"""A table with one row for each picture and caption: Kaggle's Flickr8k, or anybody's CSV."""

import csv
import io
from collections.abc import Sequence

from mlcore.errors import DatasetError
from mlcore.layouts.files import Files, SourceLimits
from mlcore.layouts.listing import Listing, PictureList, malformed, read_text, split_of

KAGGLE = "captions.txt"
_SUFFIXES = (".csv", ".tsv")
# With one of these names a table is meant to be the listing, so a fault in it is said.
_MEANT = ("captions", "metadata")
_FILE_HEADERS = frozenset(
    {
        "file",
        "filename",
        "filepath",
        "image",
        "imagefile",
        "imagename",
        "imagepath",
        "img",
        "path",
        "photo",
        "picture",
    }
)
_CAPTION_HEADERS = frozenset(
    {"caption", "captions", "captiontext", "comment", "description", "sentence", "text", "title"}
)
_SPLIT_HEADERS = frozenset({"split", "subset", "partition"})
# Where the pictures of a table are: beside it, or in a folder of one of the usual names.
_PICTURE_FOLDERS = ("", "Images", "images", "flickr30k_images", "photos", "pictures")


def read(files: Files, base: str, limits: SourceLimits) -> Listing | None:
    """Read the one table of files and captions at ``base``, or return nothing where none is.

    Raises DatasetError where several tables could be meant, or for a malformed line.
    """
    tables = [
        base + entry.name
        for entry in files.entries(base.rstrip("/"))
        if not entry.is_folder and (entry.name == KAGGLE or entry.name.lower().endswith(_SUFFIXES))
    ]
    meant = [table for table in tables if _is_meant(table, base)]
    fitting = [table for table in meant or tables if meant or _fits(files, table, limits)]
    if len(fitting) > 1:
        raise DatasetError(
            f"several tables of captions are there: {', '.join(fitting)}. Name the one you mean."
        )
    return read_listing(files, fitting[0], limits) if fitting else None


def read_listing(files: Files, listing: str, limits: SourceLimits) -> Listing:
    """Read one table; rows that name the same picture give it more captions."""
    text = read_text(files, listing, limits)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    folder = listing.rpartition("/")[0]
    listed = PictureList(files, [f"{folder}/{place}".strip("/") for place in _PICTURE_FOLDERS])
    try:
        header = next(rows, [])
        columns = _columns(header)
        if columns is None:
            malformed(
                listing,
                1,
                "the first line must name the columns, one of them for the file (file_name) and "
                "one for the caption (caption).",
            )
        file_at, caption_at, split_at = columns
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                malformed(
                    listing,
                    rows.line_num,
                    f"{len(row)} columns, but the first line names {len(header)}; a caption with "
                    "a comma in it must stand in double quotes.",
                )
            name = row[file_at].strip()
            if not name:
                malformed(listing, rows.line_num, "the name of the picture is missing.")
            split = split_of(row[split_at]) if split_at is not None else ""
            listed.add(name, [row[caption_at]], split)
    except csv.Error as error:
        malformed(listing, rows.line_num, f"this is not a table: {error}.")
    kaggle = listing.rpartition("/")[2] == KAGGLE
    return Listing("Flickr8k (Kaggle)" if kaggle else "table of captions", listed.pictures)


def _is_meant(table: str, base: str) -> bool:
    return table.removeprefix(base).partition(".")[0].casefold() in _MEANT


def _fits(files: Files, table: str, limits: SourceLimits) -> bool:
    try:
        first = read_text(files, table, limits).partition("\n")[0]
    except DatasetError:
        return False
    return _columns(first.rstrip("\r").split(_delimiter(first))) is not None


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t|", key=first.count)


def _columns(header: Sequence[str]) -> tuple[int, int, int | None] | None:
    """Find the columns for file, caption and split; None where one of the first two is missing."""

    def find(accepted: frozenset[str]) -> int | None:
        return next((at for at, word in enumerate(words) if word in accepted), None)

    words = ["".join(c for c in cell.casefold() if c.isalpha()) for cell in header]
    file_at, caption_at = find(_FILE_HEADERS), find(_CAPTION_HEADERS)
    if file_at is None or caption_at is None:
        return None
    return file_at, caption_at, find(_SPLIT_HEADERS)
