"""Reads the layouts in which people keep pictures with captions; see docs/data.md for each.

A listing (names and captions) is read whole when a source is opened, so a malformed one is an error
before anything is imported. Pictures are read one at a time, when they are asked for.
"""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from mlcore.errors import DatasetError, ImageRejectedError
from mlcore.layouts import coco, flickr8k, imagefolder, plain, table
from mlcore.layouts.files import Files, FolderFiles, SourceLimits, ZipFiles, display_name
from mlcore.layouts.listing import MISSING, ListedPicture, Listing, Split

__all__ = ["Source", "SourceLimits", "SourceRecord", "Split", "open_source"]

RECOGNISED = (
    "Recognised are: Flickr8k (Flicker8k_Dataset/ with Flickr8k_text/Flickr8k.token.txt), Kaggle's "
    "Flickr8k (Images/ with captions.txt), COCO captions (annotations/captions_*.json), a folder "
    "with metadata.jsonl, a CSV with columns for file and caption, a plain folder of pictures, and "
    "a zip archive of any of these."
)

_WRAPPERS = 3
"""How many folders around everything are looked through: archives often hold one."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One picture of a data set."""

    name: str
    """Relative to the data set, the same in every run, safe to print and to store."""
    captions: tuple[str, ...]
    """As listed, in their order; without a listing there are none."""
    split: Split
    """"train", "val" (also for dev and validation), "test", or "" where it is not said."""
    read: Callable[[], bytes]
    """Returns the file's bytes. Raises ImageRejectedError, with name and reason, when it is
    missing, a link, larger than the limit, damaged in its archive, or outside the data set."""


class Source:
    """The pictures of one data set, in the order of its listing; can be iterated again.

    Use it as a context manager: an archive stays open until it is closed.
    """

    def __init__(self, files: Files, listing: Listing, limits: SourceLimits) -> None:
        self.layout: str = listing.layout
        """The layout's name, for people."""
        self.total: int | None = len(listing.pictures)
        """How many records there are."""
        self._files = files
        self._pictures = listing.pictures
        self._limits = limits

    def __iter__(self) -> Iterator[SourceRecord]:
        for picture in self._pictures:
            yield SourceRecord(
                name=picture.name,
                captions=tuple(picture.captions),
                split=picture.split,
                read=partial(self._read, picture),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive; records cannot be read any more."""
        self._files.close()

    def _read(self, picture: ListedPicture) -> bytes:
        if picture.path is None:
            raise ImageRejectedError(picture.name, picture.problem)
        return self._files.read(picture.path, self._limits.max_file_bytes)


def open_source(path: Path, *, limits: SourceLimits = SourceLimits()) -> Source:  # noqa: B008
    """Open a folder, a zip archive, a listing, or one picture.

    Raises:
        DatasetError: nothing is there, it is in no layout that is known, a listing is malformed
            (with its line), or an archive is damaged or hostile.
    """
    path = Path(path).absolute()
    files: Files
    read: Callable[[], Listing]
    if path.is_dir():
        files = FolderFiles(path)
        read = partial(_recognise, files, limits)
    elif not path.is_file():
        raise DatasetError(f"{path}: there is no such file or folder. {RECOGNISED}")
    elif zipfile.is_zipfile(path):
        files = ZipFiles(path, limits)
        read = partial(_recognise, files, limits)
    else:
        # COCO's folder "annotations" lies beside the folders of pictures.
        root = path.parent.parent if path.parent.name == "annotations" else path.parent
        files = FolderFiles(root)
        read = partial(_read_file, files, path.relative_to(root).as_posix(), limits)
    try:
        listing = read()
        if not listing.pictures:
            raise DatasetError(f"{path}: no pictures were found. {RECOGNISED}")
        if all(picture.problem == MISSING for picture in listing.pictures):
            first = listing.pictures[0].name
            raise DatasetError(
                f"{path}: none of the {len(listing.pictures):,} pictures that are listed is there; "
                f"the first is {first}. {RECOGNISED}"
            )
    except BaseException:
        files.close()
        raise
    return Source(files, listing, limits)


def _recognise(files: Files, limits: SourceLimits) -> Listing:
    for base in _bases(files):
        for read in (flickr8k.read, imagefolder.read, coco.read, table.read):
            listing = read(files, base, limits)
            if listing is not None:
                return listing
    return plain.read(files)


def _bases(files: Files) -> Iterator[str]:
    """Yield the top, then the one folder in it if that is all there is, and so on."""
    base = ""
    yield base
    for _ in range(_WRAPPERS):
        inside = files.entries(base.rstrip("/"))
        if len(inside) != 1 or not inside[0].is_folder:
            return
        base += f"{inside[0].name}/"
        yield base


def _read_file(files: Files, name: str, limits: SourceLimits) -> Listing:
    suffix = Path(name).suffix.lower()
    if suffix == ".json":
        return coco.read_listings(files, [name], limits)
    if suffix == ".jsonl":
        return imagefolder.read_listings(files, [name], limits)
    if suffix in (".csv", ".tsv", ".txt"):
        return table.read_listing(files, name, limits)
    if plain.is_picture(name):
        return Listing("one picture", [ListedPicture(display_name(name), name)])
    raise DatasetError(
        f"{display_name(name)}: this is neither a listing nor a picture. {RECOGNISED}"
    )
