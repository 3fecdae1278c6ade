"""A table with one row for each picture and caption: Kaggle's Flickr8k, or anybody's CSV."""

from collections.abc import Sequence

from mlcore.errors import DatasetError
from mlcore.i18n import Message
from mlcore.layouts.dialects import Table, read_table
from mlcore.layouts.facts import Chosen, Columns, cell_texts
from mlcore.layouts.files import Files, SourceLimits
from mlcore.layouts.listing import Listing, PictureList, combine, malformed, read_told
from mlcore.layouts.pictures import has_picture_suffix

KAGGLE = "captions.txt"
_SUFFIXES = (".csv", ".tsv")
# With one of these names a table is meant to be the listing, so a fault in it is said.
_MEANT = ("captions", "metadata")
# Where the pictures of a table are: beside it, or in a folder of one of the usual names.
_PICTURE_FOLDERS = (
    "", "Images", "images", "flickr30k_images", "flickr30k-images", "photos", "pictures",
)  # fmt: skip
_SAMPLE = 50
"""Rows looked at to tell the columns of a table that does not name them."""


def read(files: Files, base: str, limits: SourceLimits, chosen: Chosen) -> Listing | None:
    """Read the one table of files and captions at ``base``, or return nothing where none is.

    Raises DatasetError where several tables could be meant, or where one cannot be read.
    """
    tables = [
        base + entry.name
        for entry in files.entries(base.rstrip("/"))
        if not entry.is_folder and (entry.name == KAGGLE or entry.name.lower().endswith(_SUFFIXES))
    ]
    meant = [table for table in tables if _is_meant(table, base)]
    fitting = [table for table in meant if not _is_of_numbers(files, table, limits, chosen)]
    if not meant:
        fitting = [table for table in tables if _fits(files, table, limits, chosen)]
    if len(fitting) > 1:
        raise DatasetError("source.several_tables", tables=fitting)
    return read_listing(files, fitting[0], limits, chosen) if fitting else None


def read_listing(
    files: Files,
    listing: str,
    limits: SourceLimits,
    chosen: Chosen = Chosen(),  # noqa: B008
) -> Listing:
    """Read one table; rows that name the same picture give it more captions.

    Raises DatasetError where it has no columns for file and caption, or most rows are odd.
    """
    listed = _list(files, listing, limits, chosen)
    kaggle = listing.rpartition("/")[2] == KAGGLE
    layout = Message.of("layout.kaggle" if kaggle else "layout.table")
    return combine(layout, [listed], Message.of("why.table", listing=listing), [listing])


def list_rows(
    files: Files, listing: str, limits: SourceLimits, chosen: Chosen, folders: Sequence[str]
) -> PictureList:
    """Read one table whose pictures are in one of these folders."""
    text, notes = read_told(files, listing, limits)
    header, table = _open(text, chosen)
    listed = PictureList(files, folders, listing)
    listed.notes.extend(notes)
    rows = table.rows(lambda cells: _is_row(cells, len(names), file_at))
    columns = Columns.among(header, chosen)
    if columns is not None and columns.captions:
        next(rows, None)
        names = header
    else:
        names, columns = _without_header(header, table, listing, chosen)
    file_at = names.index(columns.file)
    for number, cells in rows:
        if len(cells) != len(names):
            reason = Message.of("listing.other_columns", columns=len(cells), named=len(names))
            listed.note_odd(number, reason)
            continue
        row = dict(zip(names, cells, strict=True))
        name = row[columns.file]
        if not name:
            listed.note_odd(number, Message.of("listing.no_picture_name"))
            continue
        captions = [text for column in columns.captions for text in cell_texts(row[column])]
        listed.add(name, captions, columns.split(row), columns.said(row))
    for number in table.unclosed:
        listed.notes.append(
            Message.of("listing.open_quote", listing=listed.listing, line=str(number))
        )
    listed.close()
    return listed


def _list(files: Files, listing: str, limits: SourceLimits, chosen: Chosen) -> PictureList:
    folder = listing.rpartition("/")[0]
    folders = [f"{folder}/{place}".strip("/") for place in _PICTURE_FOLDERS]
    return list_rows(files, listing, limits, chosen, folders)


def _open(text: str, chosen: Chosen) -> tuple[list[str], Table]:
    """Return the cells of the first row, and the table."""

    def score(cells: Sequence[str]) -> int:
        columns = Columns.among([cell.strip() for cell in cells], chosen)
        if columns is None:
            # Without names of columns, a picture's name does not hold what separates it.
            return 1 if len(cells) > 1 and any(has_picture_suffix(cell) for cell in cells) else 0
        return 3 if columns.captions else 2

    table = read_table(text, score)
    header = next((cells for _, cells in table.rows(lambda _: False)), [])
    table.unclosed.clear()
    return _unique(header), table


def _without_header(
    header: list[str], table: Table, listing: str, chosen: Chosen
) -> tuple[list[str], Columns]:
    """Tell the columns of a table by what is in them: names of pictures, and the longest words."""
    first_is_row = any(has_picture_suffix(cell) for cell in header)
    if not first_is_row or chosen.file_column or chosen.caption_column or len(header) < 2:
        if not [cell for cell in header if cell]:
            malformed(listing, 1, Message.of("listing.no_columns"))
        malformed(listing, table.first + 1, Message.of("listing.no_such_columns", columns=header))
    sample = [cells for cells in _sample(table) if len(cells) == len(header)]
    counts = [sum(has_picture_suffix(row[at]) for row in sample) for at in range(len(header))]
    file_at = counts.index(max(counts))
    words = [
        -1 if at == file_at else sum(len(row[at].split()) for row in sample)
        for at in range(len(header))
    ]
    names = [f"column {at + 1}" for at in range(len(header))]
    return names, Columns(names[file_at], (names[words.index(max(words))],), {})


def _sample(table: Table) -> list[list[str]]:
    found = []
    for _, cells in table.rows(lambda _: True):
        found.append(cells)
        if len(found) == _SAMPLE:
            break
    table.unclosed.clear()
    return found


def _is_row(cells: Sequence[str], count: int, file_at: int) -> bool:
    return len(cells) == count and has_picture_suffix(cells[file_at])


def _unique(header: Sequence[str]) -> list[str]:
    """Number what is named twice or not at all, so that no cell is lost."""
    names: list[str] = []
    for at, cell in enumerate(header):
        names.append(cell if cell and cell not in names else f"{cell}#{at + 1}")
    return names


def _is_meant(table: str, base: str) -> bool:
    return table.removeprefix(base).partition(".")[0].casefold() in _MEANT


def _is_of_numbers(files: Files, table: str, limits: SourceLimits, chosen: Chosen) -> bool:
    """Tell a ``metadata.csv`` that holds sizes or ratings of pictures, and no word about them."""
    try:
        header, rows = _open(read_told(files, table, limits)[0], chosen)
    except DatasetError:
        return False
    columns = Columns.among(header, chosen)
    if columns is None or columns.captions:
        return False
    at = header.index(columns.file)
    return all(
        len(cell.split()) < 2
        for cells in _sample(rows)[1:]
        for place, cell in enumerate(cells)
        if place != at
    )


def _fits(files: Files, table: str, limits: SourceLimits, chosen: Chosen) -> bool:
    try:
        header, _ = _open(read_told(files, table, limits)[0], chosen)
    except DatasetError:
        return False
    columns = Columns.among(header, chosen)
    if columns is not None and columns.captions:
        return True
    return len(header) > 1 and any(has_picture_suffix(cell) for cell in header)
