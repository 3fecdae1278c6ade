"""COCO captions (Chen et al. 2015, arXiv:1504.00325, section 3): images and annotations in JSON.

And the splits of Karpathy and Fei-Fei (2015, arXiv:1412.2306): sentences with each image.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from mlcore.errors import DatasetError
from mlcore.i18n import Message
from mlcore.layouts.facts import Chosen, texts
from mlcore.layouts.files import Files, SourceLimits
from mlcore.layouts.listing import (
    Listing,
    PictureList,
    Split,
    combine,
    malformed,
    read_told,
    split_of,
)
from mlcore.layouts.places import MISSING


def read(files: Files, base: str, limits: SourceLimits, chosen: Chosen) -> Listing | None:
    """``captions_*.json`` in ``annotations`` or at the top, or any JSON of this kind there."""
    found = [
        folder + entry.name
        for folder in (f"{base}annotations/", base)
        for entry in files.entries(folder.rstrip("/"))
        if entry.name.endswith(".json") and not entry.is_folder
    ]
    named = [name for name in found if name.rpartition("/")[2].startswith("captions")]
    listings = named or [name for name in found if _is_coco(files, name, limits)]
    return read_listings(files, listings, limits) if listings else None


def read_listings(files: Files, listings: Iterable[str], limits: SourceLimits) -> Listing:
    """Read several; one whose pictures are not there at all is passed over if another's are.

    COCO's annotations come in one archive and its pictures in three, and few people fetch all.
    """
    listings = list(listings)
    contents = [_load(files, listing, limits) for listing in listings]
    karpathy = all(_is_karpathy(content) for content in contents)
    read_ones = [
        (_read_karpathy if _is_karpathy(content) else _read_coco)(files, listing, content)
        for listing, content in zip(listings, contents, strict=True)
    ]
    for listed in read_ones:
        listed.close()
    present = [listed for listed in read_ones if any(p.problem != MISSING for p in listed.pictures)]
    layout = Message.of("layout.karpathy" if karpathy else "layout.coco")
    return combine(
        layout, present or read_ones, Message.of("why.listings", listings=listings), listings
    )


def _read_coco(files: Files, listing: str, content: dict[str, Any]) -> PictureList:
    folder, _, file = listing.rpartition("/")
    root = folder.removesuffix("annotations").rstrip("/")
    subset = file.removeprefix("captions").lstrip("_").removesuffix(".json")
    listed = PictureList(
        files,
        [f"{root}/{place}".strip("/") for place in (subset, f"images/{subset}", "images", "")]
        + [folder],
        listing,
    )
    split = _split_in(subset)
    names: dict[str, str] = {}
    for at, image in enumerate(_list(content, "images", listing)):
        name = _name_of(image)
        if name is None:
            listed.note_odd(f"images[{at}]", Message.of("coco.image"))
            continue
        names[str(image["id"])] = name
        listed.add(name, split=split)
    others = 0
    for at, annotation in enumerate(_list(content, "annotations", listing)):
        where = f"annotations[{at}]"
        if isinstance(annotation, dict) and "caption" not in annotation and _is_other(annotation):
            others += 1  # a crowd, a box, a class
            continue
        caption = annotation.get("caption") if isinstance(annotation, dict) else None
        if not isinstance(caption, str):
            listed.note_odd(where, Message.of("coco.caption"))
            continue
        name = names.get(str(annotation.get("image_id")))
        if name is None:
            listed.note_odd(where, Message.of("coco.image_id"))
            continue
        listed.add(name, [caption])
    if others:
        listed.notes.append(
            Message.of("coco.other_annotations", listing=listed.listing, annotations=others)
        )
    return listed


def _read_karpathy(files: Files, listing: str, content: dict[str, Any]) -> PictureList:
    folder, _, _ = listing.rpartition("/")
    root = folder.removesuffix("annotations").rstrip("/")
    places = ("", "images", "Images", "Flicker8k_Dataset", "flickr30k-images", "flickr30k_images")
    listed = PictureList(files, [f"{root}/{place}".strip("/") for place in places], listing)
    for at, image in enumerate(content["images"]):
        name = image.get("filename") if isinstance(image, dict) else None
        where = f"images[{at}]"
        if not isinstance(name, str) or not name:
            listed.note_odd(where, Message.of("coco.image"))
            continue
        path = image.get("filepath")
        odd: list[str] = []

        def refuse(odd: list[str] = odd) -> None:
            odd.append("")

        captions = texts(image.get("sentences"), refuse)
        if odd:
            listed.note_odd(where, Message.of("listing.not_text", key="sentences"))
        split = image.get("split")
        listed.add(
            f"{path}/{name}" if isinstance(path, str) and path else name,
            captions,
            split_of(split) if isinstance(split, str) else "",
        )
    return listed


def _name_of(image: Any) -> str | None:
    """Return the file of an image; of one that has only addresses their last part."""
    if not isinstance(image, dict) or not isinstance(image.get("id"), int | str):
        return None
    name = image.get("file_name")
    if isinstance(name, str) and name:
        return name
    for key in ("coco_url", "flickr_url"):
        address = image.get(key)
        if isinstance(address, str) and address.rpartition("/")[2]:
            return address.rpartition("/")[2]
    return None


def _is_other(annotation: dict[str, Any]) -> bool:
    return bool(annotation.keys() & {"bbox", "segmentation", "iscrowd", "category_id", "keypoints"})


def _load(files: Files, listing: str, limits: SourceLimits) -> dict[str, Any]:
    try:
        content = json.loads(read_told(files, listing, limits)[0])
    except json.JSONDecodeError as error:
        malformed(listing, error.lineno, Message.of("listing.not_json_because", cause=error.msg))
    except (ValueError, RecursionError):
        raise DatasetError("listing.json_unreadable", listing=listing) from None
    if not isinstance(content, dict):
        raise DatasetError("coco.not_an_object", listing=listing)
    return content


def _list(content: dict[str, Any], key: str, listing: str) -> list[Any]:
    value = content.get(key)
    if not isinstance(value, list):
        raise DatasetError("coco.no_list", listing=listing, key=key)
    return value


def _is_karpathy(content: dict[str, Any]) -> bool:
    images = content.get("images")
    return isinstance(images, list) and any(
        isinstance(image, dict) and "sentences" in image for image in images[:5]
    )


def _is_coco(files: Files, listing: str, limits: SourceLimits) -> bool:
    """Tell captions of pictures from whatever other JSON may lie beside them."""
    try:
        content = _load(files, listing, limits)
    except DatasetError:
        return False
    annotations = content.get("annotations")
    return _is_karpathy(content) or (
        isinstance(content.get("images"), list)
        and isinstance(annotations, list)
        and any(isinstance(a, dict) and "caption" in a for a in annotations[:1000])
    )


def _split_in(subset: str) -> Split:
    """Read "val2017" as "validation"."""
    word = re.match(r"[A-Za-z]*", subset)
    return split_of(word.group()) if word else ""
