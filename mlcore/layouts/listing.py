"""What every layout comes down to: a list of pictures with what is said of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, Protocol, TypeAlias

from mlcore.errors import DatasetError, ImageRejectedError
from mlcore.i18n import Message
from mlcore.layouts.encodings import decode_listing
from mlcore.layouts.files import Files, SourceLimits, display_name
from mlcore.layouts.places import MISSING, Places
from mlcore.metadata.photo import MAX_DESCRIPTION, PhotoMetadata
from mlcore.metadata.sanitize import clean_line

Split: TypeAlias = Literal["train", "validation", "test", ""]

MAX_CAPTION = MAX_DESCRIPTION
"""Characters kept of one caption; how many were cut is told."""

NOTHING = PhotoMetadata()

# One name for each part of a data set, whatever its authors called it; "" is "not said".
_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "restval": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
    "testing": "test",
}


def split_of(word: str) -> Split:
    """Return the split that a word names, or "" if it names none."""
    return _SPLITS.get(word.strip().casefold(), "")


@dataclass(slots=True)
class ListedPicture:
    """One picture, as a listing or a folder names it."""

    name: str
    """For people and records: stable, and safe to print."""
    path: str | None
    """Where Files has it; None if it cannot be read, and ``problem`` says why."""
    problem: Message | None = None
    captions: list[str] = field(default_factory=list)
    split: Split = ""
    said: PhotoMetadata = NOTHING
    """What the listing says besides: a title, tags, a date."""
    beside: tuple[str, ...] = ()
    """Files that belong to this picture alone, read when it is: ``1.txt`` of ``1.jpg``."""


@dataclass(frozen=True, slots=True)
class OddRow:
    """One row of a listing that could not be used."""

    where: str
    """File and line, such as "captions.csv, line 4"."""
    reason: Message


class Stream(Protocol):
    """Pictures that are read out of something else than files, such as Parquet."""

    @property
    def total(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """A recognised data set."""

    layout: Message
    """Its name."""
    pictures: list[ListedPicture]
    why: Message = field(default_factory=lambda: Message.of("why.nothing_else"))
    """What it was recognised by."""
    files: tuple[str, ...] = ()
    """Those that were read as listings."""
    odd: tuple[OddRow, ...] = ()
    notes: tuple[Message, ...] = ()
    """What its owner should know: an encoding that was guessed, captions that were cut."""
    stream: Stream | None = None
    """Gives the records itself, in the place of ``pictures``."""


class PictureList:
    """Gathers what is said of pictures that may be listed many times, in order of appearance.

    Rows that cannot be used are noted; only where most cannot, the listing as a whole is refused.
    """

    def __init__(self, files: Files, folders: Iterable[str], listing: str) -> None:
        """``folders`` are where a listed name may be, the first that has it counts."""
        self._places = Places(files, folders)
        self._by_name: dict[str, ListedPicture] = {}
        self._rows = 0
        self._cut = 0
        self.listing = display_name(listing)
        self.odd: list[OddRow] = []
        self.notes: list[Message] = []

    @property
    def pictures(self) -> list[ListedPicture]:
        return list(self._by_name.values())

    def add(
        self,
        name: str,
        captions: Iterable[str] = (),
        split: Split = "",
        said: PhotoMetadata = NOTHING,
    ) -> None:
        self._rows += 1
        picture = self._by_name.get(name)
        if picture is None:
            path, problem = self._places.find(name)
            shown = display_name(path or name.replace("\\", "/"))
            picture = self._by_name[name] = ListedPicture(shown, path, problem)
        for caption in captions:
            line = clean_line(caption, MAX_CAPTION)
            self._cut += len(line) == MAX_CAPTION < len(caption)
            if line:
                picture.captions.append(line)
        if split and picture.split and split != picture.split:
            self.notes.append(
                Message.of(
                    "listing.two_splits", picture=picture.name, kept=picture.split, other=split
                )
            )
        picture.split = picture.split or split
        if said is not NOTHING:
            picture.said = picture.said.or_else(said)

    def note_odd(self, where: int | str, reason: Message) -> None:
        """Pass over a row, named by its line or by its place in the listing."""
        self._rows += 1
        if isinstance(where, int):
            place = Message.of("listing.line", listing=self.listing, line=str(where))
        else:
            place = Message.of("listing.place", listing=self.listing, place=where)
        # Stored as the name of an item, which must be the same for every reader.
        self.odd.append(OddRow(f"{place.params['listing']}, {_position(where)}", reason))

    def close(self) -> None:
        """Say what holds for the whole listing, once all of it is added.

        Raises:
            DatasetError: most of its rows could not be used; with the first of them.
        """
        if len(self.odd) > self._rows / 2:
            first = self.odd[0]
            raise DatasetError("listing.mostly_odd", where=first.where, problem=first.reason)
        if self._cut:
            self.notes.append(
                Message.of(
                    "listing.cut", listing=self.listing, captions=self._cut, most=MAX_CAPTION
                )
            )


def combine(
    layout: Message, lists: list[PictureList], why: Message, files: Iterable[str]
) -> Listing:
    """Put listings of the same layout together."""
    return Listing(
        layout,
        [picture for listed in lists for picture in listed.pictures],
        why,
        tuple(files),
        tuple(row for listed in lists for row in listed.odd),
        tuple(note for listed in lists for note in listed.notes),
    )


def _position(where: int | str) -> str:
    return f"line {where}" if isinstance(where, int) else where


def malformed(listing: str, line: int, problem: Message) -> NoReturn:
    """Raise DatasetError for one line of a listing."""
    raise DatasetError(
        "listing.malformed", listing=display_name(listing), line=str(line), problem=problem
    )


def read_text(files: Files, name: str, limits: SourceLimits) -> str:
    """Return a listing's text, in whatever encoding; see :func:`read_told`."""
    return read_told(files, name, limits)[0]


def read_told(files: Files, name: str, limits: SourceLimits) -> tuple[str, list[Message]]:
    """Return a listing's text, and what to tell where its encoding had to be guessed.

    Raises:
        DatasetError: missing, too large, or not readable.
    """
    try:
        data = files.read(name, limits.max_listing_bytes)
    except ImageRejectedError as error:
        raise DatasetError(error.message.code, **error.message.params) from None
    text, encoding = decode_listing(data)
    if not encoding:
        return text, []
    listing = display_name(name)
    return text, [Message.of("listing.encoding", listing=listing, encoding=encoding)]


__all__ = [
    "MAX_CAPTION",
    "MISSING",
    "ListedPicture",
    "Listing",
    "OddRow",
    "PictureList",
    "Split",
    "Stream",
    "combine",
    "malformed",
    "read_told",
    "split_of",
]
