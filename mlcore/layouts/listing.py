"""What every layout comes down to: a list of pictures with their captions."""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NoReturn, TypeAlias

from mlcore.errors import DatasetError, ImageRejectedError
from mlcore.layouts.files import Files, SourceLimits, display_name
from mlcore.text import clean_line

Split: TypeAlias = Literal["train", "val", "test", ""]

MAX_CAPTION = 2000
"""Characters kept of one caption."""

MISSING = "the file is missing."

# One name for each part of a data set, whatever its authors called it; "" is "not said".
_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
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
    problem: str = ""
    captions: list[str] = field(default_factory=list)
    split: Split = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A recognised data set."""

    layout: str
    pictures: list[ListedPicture]


class PictureList:
    """Gathers the captions of pictures that may be listed many times, in order of appearance."""

    def __init__(self, files: Files, folders: Iterable[str]) -> None:
        """``folders`` are where a listed name may be, the first that has it counts."""
        self._files = files
        # A data set of 100,000 pictures is not asked for in five folders that are not there.
        self._folders = [folder for folder in folders if files.has_folder(folder.rstrip("/"))]
        self._by_name: dict[str, ListedPicture] = {}

    @property
    def pictures(self) -> list[ListedPicture]:
        return list(self._by_name.values())

    def add(self, name: str, captions: Iterable[str] = (), split: Split = "") -> None:
        picture = self._by_name.get(name)
        if picture is None:
            picture = self._by_name[name] = self._locate(name)
        picture.captions.extend(
            line for caption in captions if (line := clean_line(caption, MAX_CAPTION))
        )
        picture.split = picture.split or split

    def _locate(self, listed: str) -> ListedPicture:
        name = listed.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":" or "\0" in name:
            return ListedPicture(
                display_name(listed), None, "the listing names a place outside its own folder."
            )
        for folder in self._folders:
            path = self._files.find(posixpath.normpath(posixpath.join(folder, name)))
            if path is not None:
                return ListedPicture(display_name(path), path)
        return ListedPicture(display_name(name), None, MISSING)


def malformed(listing: str, line: int, what: str) -> NoReturn:
    """Raise DatasetError for one line of a listing."""
    raise DatasetError(f"{display_name(listing)}, line {line}: {what}")


def read_text(files: Files, name: str, limits: SourceLimits) -> str:
    """Return a listing's text; UTF-8 with or without a mark, or UTF-16 with one.

    Raises:
        DatasetError: missing, too large, or not text; with the line where the first bad byte is.
    """
    try:
        data = files.read(name, limits.max_listing_bytes)
    except ImageRejectedError as error:
        raise DatasetError(str(error)) from None
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        malformed(name, line, "this is not UTF-8 text; save the file as UTF-8.")
