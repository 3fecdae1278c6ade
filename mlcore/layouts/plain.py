"""A folder of pictures and nothing else: whatever captions there are, the pictures carry."""

from pathlib import PurePosixPath

from mlcore.layouts.files import Files, display_name
from mlcore.layouts.listing import ListedPicture, Listing

ACCEPTED_SUFFIXES = frozenset(
    {
        ".avif",
        ".avifs",
        ".gif",
        ".heic",
        ".heif",
        ".hif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".png",
        ".webp",
    }
)
# Pictures too, though none that is decoded: their owner is told, instead of missing them later.
_OTHER_SUFFIXES = frozenset(
    {
        ".arw",
        ".bmp",
        ".cr2",
        ".cr3",
        ".dng",
        ".eps",
        ".ico",
        ".j2k",
        ".jp2",
        ".jxl",
        ".nef",
        ".orf",
        ".psd",
        ".raf",
        ".raw",
        ".rw2",
        ".svg",
        ".tif",
        ".tiff",
    }
)
PICTURE_SUFFIXES = ACCEPTED_SUFFIXES | _OTHER_SUFFIXES


def read(files: Files) -> Listing:
    """List every file, however deep, that has the suffix of a picture."""
    pictures = [
        ListedPicture(display_name(path), path) for path in files.walk() if is_picture(path)
    ]
    pictures += [
        ListedPicture(display_name(path), None, reason) for path, reason in files.problems().items()
    ]
    return Listing("plain folder", pictures)


def is_picture(path: str) -> bool:
    """Tell by its suffix whether a file claims to be a picture."""
    return PurePosixPath(path).suffix.lower() in PICTURE_SUFFIXES
