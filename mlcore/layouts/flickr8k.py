"""Token files: Flickr8k as its authors gave it away (Hodosh, Young and Hockenmaier 2013, JAIR 47).

Flickr30k (Young et al. 2014, TACL 2) and others were written like it.
Each line is ``1000268201_693b08cb0e.jpg#0``, a tab, and a caption.
"""

import re

from mlcore.errors import DatasetError, ImageRejectedError
from mlcore.i18n import Message
from mlcore.layouts.facts import Chosen
from mlcore.layouts.files import Files, SourceLimits
from mlcore.layouts.listing import Listing, PictureList, Split, combine, read_told

_TOKENS = "Flickr8k.token.txt"
_SPLIT_FILES: dict[str, Split] = {
    "Flickr_8k.trainImages.txt": "train",
    "Flickr_8k.devImages.txt": "validation",
    "Flickr_8k.testImages.txt": "test",
    # As the lists of Flickr30k are passed around.
    "train.txt": "train",
    "val.txt": "validation",
    "test.txt": "test",
}
# The first is the authors' own spelling.
_PICTURE_FOLDERS = ("Flicker8k_Dataset", "Flickr8k_Dataset")
_OTHER_FOLDERS = ("flickr30k-images", "flickr30k_images", "Images", "images", "")
# The archive of the texts unpacks into no folder of its own.
_TEXT_FOLDERS = ("Flickr8k_text/", "")
_LINE = re.compile(r"([^\t]+)#\s*(\d+)\s*\t(.*)", re.DOTALL)


def read(files: Files, base: str, limits: SourceLimits, chosen: Chosen) -> Listing | None:
    """Read the original Flickr8k layout at ``base``, or return nothing where it is not there.

    Raises DatasetError for a listing without its pictures, or one of which most lines are odd.
    """
    texts = next((base + f for f in _TEXT_FOLDERS if files.find(base + f + _TOKENS)), None)
    if texts is None:
        return None
    folders = [base + name for name in _PICTURE_FOLDERS if files.entries(base + name)]
    if not folders:
        raise DatasetError(
            "source.flickr8k_without_pictures",
            listing=texts + _TOKENS,
            folder=base + _PICTURE_FOLDERS[0],
        )
    return _read(files, texts + _TOKENS, texts, folders, limits, "layout.flickr8k")


def read_tokens(files: Files, base: str, limits: SourceLimits, chosen: Chosen) -> Listing | None:
    """Read another token file at ``base``: ``results_20130124.token``, ``captions.txt``..."""
    listings = [
        base + entry.name
        for entry in files.entries(base.rstrip("/"))
        if not entry.is_folder
        and entry.name.endswith((".token", ".txt"))
        and _is_token_file(files, base + entry.name)
    ]
    if not listings:
        return None
    if len(listings) > 1:
        raise DatasetError("source.several_tables", tables=listings)
    return read_listing(files, listings[0], limits)


def read_listing(files: Files, listing: str, limits: SourceLimits) -> Listing:
    """Read one token file; its pictures lie beside it or in one of the usual folders."""
    base = listing[: listing.rfind("/") + 1]
    folders = [f"{base}{place}".strip("/") for place in (*_OTHER_FOLDERS, *_PICTURE_FOLDERS)]
    return _read(files, listing, base, folders, limits, "layout.tokens")


def is_token_file(files: Files, name: str) -> bool:
    """Tell by its first line."""
    first = files.head(name, 2000).decode("utf-8", "replace").lstrip("\ufeff").partition("\n")[0]
    return _LINE.fullmatch(first.rstrip("\r")) is not None


def _is_token_file(files: Files, name: str) -> bool:
    try:
        return is_token_file(files, name)
    except ImageRejectedError:
        return False


def _read(
    files: Files, listing: str, texts: str, folders: list[str], limits: SourceLimits, layout: str
) -> Listing:
    splits, split_files = _splits(files, texts, limits)
    listed = PictureList(files, folders, listing)
    text, notes = read_told(files, listing, limits)
    listed.notes.extend(notes)
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match is None:
            listed.note_odd(number, Message.of("listing.not_a_token"))
            continue
        name = match[1]
        listed.add(name, (match[3],), splits.get(name) or splits.get(name.rpartition(".")[0], ""))
    listed.close()
    why = Message.of("why.tokens", listing=listing)
    return combine(Message.of(layout), [listed], why, [listing, *split_files])


def _splits(files: Files, texts: str, limits: SourceLimits) -> tuple[dict[str, Split], list[str]]:
    splits: dict[str, Split] = {}
    used = []
    for file, split in _SPLIT_FILES.items():
        if files.find(texts + file):
            used.append(texts + file)
            for line in read_told(files, texts + file, limits)[0].split("\n"):
                if line.strip():
                    splits[line.strip()] = split
    return splits, used
