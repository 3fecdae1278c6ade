"""COCO captions (Chen et al. 2015, arXiv:1504.00325, section 3): images and annotations in JSON."""

import json
import re
from collections.abc import Iterable
from typing import Any

from mlcore.errors import DatasetError
from mlcore.layouts.files import Files, SourceLimits
from mlcore.layouts.listing import (
    MISSING,
    ListedPicture,
    Listing,
    PictureList,
    Split,
    malformed,
    read_text,
    split_of,
)


def read(files: Files, base: str, limits: SourceLimits) -> Listing | None:
    """``captions_*.json`` in ``annotations`` or at the top, or any COCO JSON at the top."""
    named = [
        folder + entry.name
        for folder in (f"{base}annotations/", base)
        for entry in files.entries(folder.rstrip("/"))
        if entry.name.startswith("captions") and entry.name.endswith(".json")
    ]
    listings = named or [
        base + entry.name
        for entry in files.entries(base.rstrip("/"))
        if entry.name.endswith(".json") and _is_coco(files, base + entry.name, limits)
    ]
    return read_listings(files, listings, limits) if listings else None


def read_listings(files: Files, listings: Iterable[str], limits: SourceLimits) -> Listing:
    """Read several; one whose pictures are not there at all is passed over if another's are.

    COCO's annotations come in one archive and its pictures in three, and few people fetch all.
    """
    read_ones = [_read_listing(files, listing, limits) for listing in listings]
    present = [ones for ones in read_ones if any(p.problem != MISSING for p in ones)]
    return Listing("COCO captions", [p for ones in present or read_ones for p in ones])


def _read_listing(files: Files, listing: str, limits: SourceLimits) -> list[ListedPicture]:
    content = _load(files, listing, limits)
    folder, _, file = listing.rpartition("/")
    root = folder.removesuffix("annotations").rstrip("/")
    subset = file.removeprefix("captions").lstrip("_").removesuffix(".json")
    listed = PictureList(
        files,
        [f"{root}/{place}".strip("/") for place in (subset, f"images/{subset}", "images", "")]
        + [folder],
    )
    split = _split_in(subset)
    names: dict[Any, str] = {}
    for at, image in enumerate(_list(content, "images", listing)):
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str) or not isinstance(image.get("id"), int | str):
            raise DatasetError(f'{listing}: images[{at}] must have an "id" and a "file_name".')
        names[image["id"]] = name
        listed.add(name, split=split)
    for at, annotation in enumerate(_list(content, "annotations", listing)):
        caption = annotation.get("caption") if isinstance(annotation, dict) else None
        if not isinstance(caption, str):
            raise DatasetError(f'{listing}: annotations[{at}] must have a "caption".')
        image_id = annotation.get("image_id")
        if not isinstance(image_id, int | str) or image_id not in names:
            raise DatasetError(
                f'{listing}: annotations[{at}] has an "image_id" that no entry of "images" has.'
            )
        listed.add(names[image_id], [caption])
    return listed.pictures


def _load(files: Files, listing: str, limits: SourceLimits) -> dict[str, Any]:
    try:
        content = json.loads(read_text(files, listing, limits))
    except json.JSONDecodeError as error:
        malformed(listing, error.lineno, f"this is not JSON: {error.msg}.")
    except (ValueError, RecursionError):
        raise DatasetError(f"{listing}: this is not JSON that can be read.") from None
    if not isinstance(content, dict):
        raise DatasetError(f'{listing}: expected an object with "images" and "annotations".')
    return content


def _list(content: dict[str, Any], key: str, listing: str) -> list[Any]:
    value = content.get(key)
    if not isinstance(value, list):
        raise DatasetError(f'{listing}: the list "{key}" is missing; COCO captions have one.')
    return value


def _is_coco(files: Files, listing: str, limits: SourceLimits) -> bool:
    """Tell COCO captions from whatever other JSON may lie beside pictures."""
    try:
        content = _load(files, listing, limits)
    except DatasetError:
        return False
    annotations = content.get("annotations")
    return (
        isinstance(content.get("images"), list)
        and isinstance(annotations, list)
        and any(isinstance(a, dict) and "caption" in a for a in annotations[:1])
    )


def _split_in(subset: str) -> Split:
    """Read "val2017" as "val"."""
    word = re.match(r"[A-Za-z]*", subset)
    return split_of(word.group()) if word else ""
