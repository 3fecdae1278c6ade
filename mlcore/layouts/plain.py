"""A folder of pictures without a listing: captions lie beside each picture, if there are any.

``1.txt``, ``1.json`` (as img2dataset writes them) and ``1.xmp`` or ``1.jpg.xmp`` belong to
``1.jpg``; ``1.jpg.json`` and its longer forms are Google Takeout's.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from mlcore.errors import ImageRejectedError
from mlcore.i18n import Message
from mlcore.layouts.encodings import decode_listing
from mlcore.layouts.facts import Chosen, Columns, texts
from mlcore.layouts.files import Files, display_name
from mlcore.layouts.listing import ListedPicture, Listing, Split, split_of
from mlcore.layouts.pictures import HEAD, has_picture_suffix, is_picture_head, kind_of
from mlcore.metadata.photo import PhotoMetadata, longest
from mlcore.metadata.sanitize import clean_line
from mlcore.metadata.xmp import read_xmp

MAX_SIDECAR_BYTES = 1_000_000
"""Of a file that belongs to one picture; more is something else."""
_SIDECARS = (".txt", ".json", ".xmp", ".caption")
# Takeout cuts names at 46 characters, so that "supplemental-metadata" may end anywhere.
_TAKEOUT = re.compile(r"(.+?\.\w{3,4})(?:\.s[a-z-]*)?(\(\d+\))?\.json")


def read(files: Files, chosen: Chosen) -> Listing:
    """List every file, however deep, that is a picture, with what belongs to it alone."""
    names = list(files.walk())
    paths = [name for name in names if _is_picture(files, name)]
    beside = _sidecars(names, paths)
    split_by, tag_by = _folders(paths)
    pictures = []
    for path in paths:
        tag = tag_by.get(path, "")
        pictures.append(
            ListedPicture(
                display_name(path),
                path,
                split=split_by.get(path, ""),
                said=PhotoMetadata(keywords=(tag,) if tag else ()),
                beside=tuple(beside.get(path, ())),
            )
        )
    pictures += [
        ListedPicture(display_name(path), None, reason) for path, reason in files.problems().items()
    ]
    layout = "sidecars" if beside else "classes" if tag_by else "plain"
    return Listing(
        Message.of(f"layout.{layout}"),
        pictures,
        Message.of(f"why.{layout}"),
        tuple(sorted({name for each in beside.values() for name in each})),
    )


def read_beside(files: Files, picture: ListedPicture) -> tuple[list[str], PhotoMetadata]:
    """Read what lies beside a picture: captions, and what else is said of it.

    What cannot be read counts as absent: a picture is not lost for a note on it.
    """
    captions: list[str] = []
    said = picture.said
    for name in picture.beside:
        try:
            data = files.read(name, MAX_SIDECAR_BYTES)
            found, more = _read_one(name, data)
        except (ImageRejectedError, ValueError, SyntaxError, RecursionError):
            continue
        captions += found
        said = said.or_else(more)
    captions = [line for text in captions if (line := clean_line(text, longest("description")))]
    return list(dict.fromkeys(captions)), said


def _read_one(name: str, data: bytes) -> tuple[list[str], PhotoMetadata]:
    if name.lower().endswith(".xmp"):
        said = read_xmp(data)
        return [said.description], said
    text = decode_listing(data)[0]
    if not name.lower().endswith(".json"):
        return text.splitlines(), PhotoMetadata()
    row = json.loads(text)
    if not isinstance(row, dict):
        return [], PhotoMetadata()
    columns = Columns("", tuple(key for key in row if _is_caption(key)), {})
    captions = [each for key in columns.captions for each in texts(row[key], list)]
    named = Columns.among(["file", *row], Chosen())
    said = named.said(row) if named else PhotoMetadata()
    return captions, said.or_else(_takeout(row))


def _is_caption(key: str) -> bool:
    found = Columns.among(["file", key], Chosen())
    return found is not None and key in found.captions and key != "title"


def _takeout(row: dict[str, Any]) -> PhotoMetadata:
    taken = row.get("photoTakenTime")
    stamp = taken.get("timestamp") if isinstance(taken, dict) else None
    try:
        moment = datetime.fromtimestamp(int(stamp), UTC) if stamp else None
    except (TypeError, ValueError, OverflowError, OSError):
        moment = None
    return PhotoMetadata(taken_at=moment, taken_from="listing" if moment else "")


def _sidecars(names: Iterable[str], paths: Iterable[str]) -> dict[str, list[str]]:
    """Give each file that is named after a picture to it."""
    by_stem: dict[str, list[str]] = {}
    by_name: dict[str, str] = {}
    for path in paths:
        by_stem.setdefault(path.rpartition(".")[0].casefold() or path, []).append(path)
        by_name[path.casefold()] = path
    found: dict[str, list[str]] = {}
    for name in names:
        stem, dot, suffix = name.casefold().rpartition(".")
        if f"{dot}{suffix}" not in _SIDECARS:
            continue
        if stem in by_name:
            owners = [by_name[stem]]
        elif stem in by_stem:
            owners = by_stem[stem]
        else:
            owners = _takeout_owner(name.casefold(), by_name)
        for owner in owners:
            found.setdefault(owner, []).append(name)
    return found


def _takeout_owner(name: str, by_name: dict[str, str]) -> list[str]:
    folder, slash, last = name.rpartition("/")
    match = _TAKEOUT.fullmatch(last)
    if match is None:
        return []
    picture, number = match[1], match[2] or ""
    stem, dot, suffix = picture.rpartition(".")
    owner = by_name.get(f"{folder}{slash}{stem}{number}{dot}{suffix}")
    return [owner] if owner else []


def _folders(paths: list[str]) -> tuple[dict[str, Split], dict[str, str]]:
    """Read folders as splits, where all are that, and those in them as classes."""
    splits: dict[str, Split] = {}
    tags: dict[str, str] = {}
    for path in paths:
        *folders, _ = path.split("/")
        at = next((at for at, part in enumerate(folders[:3]) if split_of(part)), None)
        if at is None:
            return {}, {}
        splits[path] = split_of(folders[at])
        if len(folders) == at + 2 and folders[at + 1] not in ("images", "img"):
            tags[path] = clean_line(folders[at + 1].replace("_", " "), 100)
    return splits, tags if len(tags) == len(splits) else {}


def _is_picture(files: Files, path: str) -> bool:
    if has_picture_suffix(path):
        return True
    if kind_of(path) not in ("others", "films", "sounds"):
        return False
    try:
        return is_picture_head(files.head(path, HEAD))
    except ImageRejectedError:
        return False
