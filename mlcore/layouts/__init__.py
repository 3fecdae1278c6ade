"""Reads the layouts in which people keep pictures with captions; see docs/data.md for each.

A listing (names and captions) is read whole when a source is opened, so a malformed one is an error
before anything is imported. Pictures are read one at a time, when they are asked for.
"""

import tarfile
import zipfile
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from mlcore.errors import DatasetError, ImageRejectedError
from mlcore.i18n import Message
from mlcore.layouts import coco, flickr8k, imagefolder, parquet, plain, table
from mlcore.layouts.facts import Chosen
from mlcore.layouts.files import Files, FolderFiles, SourceLimits, ZipFiles, display_name
from mlcore.layouts.leftovers import Leftovers, left_over
from mlcore.layouts.listing import MISSING, ListedPicture, Listing, OddRow, Split
from mlcore.layouts.mounted import MountedFiles
from mlcore.layouts.pictures import has_picture_suffix
from mlcore.layouts.tar import TarFiles
from mlcore.metadata.photo import PhotoMetadata

__all__ = [
    "LAYOUTS",
    "PLAIN",
    "Chosen",
    "Leftovers",
    "OddRow",
    "Source",
    "SourceLimits",
    "SourceRecord",
    "Split",
    "is_archive",
    "open_files",
    "open_source",
]

RECOGNISED = Message.of("layout.recognised")

Reader = Callable[[Files, str, SourceLimits, Chosen], Listing | None]

LAYOUTS: dict[str, Reader] = {
    "flickr8k": flickr8k.read,
    "imagefolder": imagefolder.read,
    "coco": coco.read,
    "tokens": flickr8k.read_tokens,
    "table": table.read,
    "jsonl": imagefolder.read_lines,
    "parquet": parquet.read,
}
"""By name, in the order in which they are tried; "plain" is what is left, and may be asked for."""
PLAIN = "plain"

_WRAPPERS = 3
"""How many folders around everything are looked through: archives often hold one."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One picture of a data set."""

    name: str
    """Relative to the data set, the same in every run, safe to print and to store."""
    captions: tuple[str, ...]
    """As listed, in their order; without a listing those that lie beside the picture."""
    split: Split
    """"train", "validation" (also for dev and val), "test", or "" where it is not said."""
    read: Callable[[], bytes]
    """Returns the file's bytes. Raises ImageRejectedError, with name and reason, when it is
    missing, a link, larger than the limit, damaged in its archive, or outside the data set."""
    said: PhotoMetadata = PhotoMetadata()  # noqa: RUF009 - frozen
    """What the data set says of it besides: a title, tags, a date."""
    files: tuple[str, ...] = ()
    """Where it lies in the data set: the picture itself (``a/1.jpg``, ``a.tar/1.jpg``,
    ``a.parquet#1``; "" where it cannot be read), then what belongs to it alone."""


class Source:
    """The pictures of one data set, in the order of its listing; can be iterated again.

    Use it as a context manager: an archive stays open until it is closed.
    """

    def __init__(
        self, files: Files, listing: Listing, limits: SourceLimits, *, is_whole: bool = True
    ) -> None:
        """``is_whole`` where all that lies in ``files`` belongs to the data set."""
        self.layout: Message = listing.layout
        """The layout's name."""
        self.why: Message = listing.why
        """What it was recognised by."""
        self.odd: tuple[OddRow, ...] = listing.odd
        """Rows of the listing that could not be used."""
        self.notes: tuple[Message, ...] = listing.notes
        """What its owner should know."""
        stream = listing.stream
        self.total: int | None = len(listing.pictures) if stream is None else stream.total
        """How many records there are."""
        self._files = files
        self._is_whole = is_whole
        self._listing = listing
        self._pictures = listing.pictures
        self._limits = limits

    def __iter__(self) -> Iterator[SourceRecord]:
        return self.records()

    def records(
        self, wanted: Callable[[SourceRecord], bool] = lambda _: True
    ) -> Iterator[SourceRecord]:
        """Yield the pictures that are ``wanted``, which is asked before anything is read of one:
        of what lies beside it the record does not hold the captions yet."""
        if self._listing.stream is not None:
            for row in self._listing.stream:
                record = SourceRecord(
                    row.name, row.captions, row.split, row.read, row.said, (row.name,)
                )
                if wanted(record):
                    yield record
            return
        for picture in self._pictures:
            record = SourceRecord(
                name=picture.name,
                captions=tuple(picture.captions),
                split=picture.split,
                read=partial(self._read, picture),
                said=picture.said,
                files=(picture.path or "", *picture.beside),
            )
            if not wanted(record):
                continue
            if picture.beside:
                captions, said = plain.read_beside(self._files, picture)
                record = replace(record, captions=tuple(captions), said=said)
            yield record

    @property
    def listings(self) -> frozenset[str]:
        """Files that say something of more than one picture."""
        beside = {name for picture in self._pictures for name in picture.beside}
        return frozenset(self._listing.files).difference(beside)

    def left_over(self) -> Leftovers:
        """Tell what lies in the data set and was not used, by kind."""
        if not self._is_whole:
            return Leftovers({}, ())
        used = {*self._listing.files, *(p.path for p in self._pictures if p.path)}
        return left_over(self._files, used)

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
            problem = picture.problem or MISSING
            raise ImageRejectedError(picture.name, problem.code, **problem.params)
        return self._files.read(picture.path, self._limits.max_file_bytes)


def open_source(
    path: Path,
    *,
    limits: SourceLimits = SourceLimits(),  # noqa: B008
    chosen: Chosen = Chosen(),  # noqa: B008
    skipped: Container[str] = (),
) -> Source:
    """Open a folder, an archive, a listing, or one picture.

    Args:
        path: where it is.
        limits: what it may hold.
        chosen: overrules what would be guessed.
        skipped: files of a folder that are as good as absent.

    Raises:
        DatasetError: nothing is there, it is in no layout that is known, most rows of a listing are
            malformed (with the line of the first), or an archive is damaged or hostile.
    """
    path = Path(path).absolute()
    if path.is_dir():
        return open_files(
            _with_archives(FolderFiles(path, skipped), path, limits),
            path.name,
            limits=limits,
            chosen=chosen,
        )
    if not path.is_file():
        raise DatasetError("source.missing", path=path.name, recognised=RECOGNISED)
    if zipfile.is_zipfile(path):
        return open_files(ZipFiles(path, limits), path.name, limits=limits, chosen=chosen)
    if is_archive(path):
        return open_files(TarFiles(path), path.name, limits=limits, chosen=chosen)
    # COCO's folder "annotations" lies beside the folders of pictures.
    root = path.parent.parent if path.parent.name == "annotations" else path.parent
    return open_files(
        FolderFiles(root),
        path.name,
        limits=limits,
        chosen=chosen,
        listing=path.relative_to(root).as_posix(),
    )


def open_files(
    files: Files,
    label: str,
    *,
    limits: SourceLimits = SourceLimits(),  # noqa: B008
    chosen: Chosen = Chosen(),  # noqa: B008
    listing: str = "",
) -> Source:
    """Open a data set whose files are somewhere; the source closes them.

    Args:
        files: where they are.
        label: what errors call it.
        listing: the one of its files that lists the pictures, or is the only one; all of them
            where empty.

    Raises:
        DatasetError: as :func:`open_source`.
    """
    try:
        if chosen.layout and chosen.layout not in {*LAYOUTS, PLAIN}:
            names = [*LAYOUTS, PLAIN]
            raise DatasetError("layout.unknown", layout=chosen.layout, layouts=names)
        found = (
            _read_file(files, listing, limits, chosen)
            if listing
            else _recognise(files, limits, chosen)
        )
        if not found.pictures and not (found.stream and found.stream.total):
            raise DatasetError("source.no_pictures", path=label, recognised=RECOGNISED)
        if found.pictures and all(p.problem == MISSING for p in found.pictures):
            raise DatasetError(
                "source.listed_not_there",
                path=label,
                pictures=len(found.pictures),
                first=found.pictures[0].name,
                recognised=RECOGNISED,
            )
    except BaseException:
        files.close()
        raise
    return Source(files, found, limits, is_whole=not listing)


def is_archive(path: Path) -> bool:
    """Tell whether a file is a zip or a tar, which may hold a whole data set."""
    return zipfile.is_zipfile(path) or path.suffix.lower() == ".tar" or tarfile.is_tarfile(path)


def _with_archives(files: FolderFiles, path: Path, limits: SourceLimits) -> Files:
    """See through archives that lie in a folder in the place of pictures."""
    packed = []
    for name in files.walk():
        if has_picture_suffix(name):
            return files
        if name.lower().endswith((".zip", ".tar")):
            packed.append(name)
    archives: dict[str, Files] = {}
    try:
        for name in packed:
            if (path / name).is_symlink():
                continue
            is_tar = name.lower().endswith(".tar")
            archives[name] = TarFiles(path / name) if is_tar else ZipFiles(path / name, limits)
    except BaseException:
        for opened in archives.values():
            opened.close()
        raise
    return MountedFiles(files, archives) if archives else files


def _recognise(files: Files, limits: SourceLimits, chosen: Chosen) -> Listing:
    readers = [read for name, read in LAYOUTS.items() if chosen.layout in ("", name)]
    if chosen.layout != PLAIN:
        for base in _bases(files):
            for read in readers:
                listing = read(files, base, limits, chosen)
                if listing is not None:
                    return listing
        if chosen.layout:
            raise DatasetError("layout.not_there", layout=chosen.layout)
    return plain.read(files, chosen)


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


def _read_file(files: Files, name: str, limits: SourceLimits, chosen: Chosen) -> Listing:
    suffix = Path(name).suffix.lower()
    if suffix == ".json":
        return coco.read_listings(files, [name], limits)
    if suffix in (".jsonl", ".ndjson"):
        return imagefolder.read_listings(files, [name], limits, chosen)
    if suffix in (".parquet", ".arrow"):
        return parquet.read_tables(files, [name], chosen)
    if suffix in (".txt", ".token") and flickr8k.is_token_file(files, name):
        return flickr8k.read_listing(files, name, limits)
    if suffix in (".csv", ".tsv", ".txt"):
        return table.read_listing(files, name, limits, chosen)
    if has_picture_suffix(name):
        return Listing(Message.of("layout.one_picture"), [ListedPicture(display_name(name), name)])
    raise DatasetError(
        "source.neither_listing_nor_picture", name=display_name(name), recognised=RECOGNISED
    )
