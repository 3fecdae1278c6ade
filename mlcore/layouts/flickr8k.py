"""Flickr8k as its authors distributed it (Hodosh, Young and Hockenmaier 2013, JAIR 47)."""

from mlcore.errors import DatasetError
from mlcore.layouts.files import Files, SourceLimits
from mlcore.layouts.listing import Listing, PictureList, Split, malformed, read_text

_TOKENS = "Flickr8k.token.txt"
_SPLIT_FILES: dict[str, Split] = {
    "Flickr_8k.trainImages.txt": "train",
    "Flickr_8k.devImages.txt": "val",
    "Flickr_8k.testImages.txt": "test",
}
# The first is the authors' own spelling.
_PICTURE_FOLDERS = ("Flicker8k_Dataset", "Flickr8k_Dataset")
# The archive of the texts unpacks into no folder of its own.
_TEXT_FOLDERS = ("Flickr8k_text/", "")


def read(files: Files, base: str, limits: SourceLimits) -> Listing | None:
    """Read the original Flickr8k layout at ``base``, or return nothing where it is not there.

    Raises DatasetError for a listing without its pictures, or a malformed line.
    """
    texts = next((base + f for f in _TEXT_FOLDERS if files.find(base + f + _TOKENS)), None)
    if texts is None:
        return None
    folders = [base + name for name in _PICTURE_FOLDERS if files.entries(base + name)]
    if not folders:
        raise DatasetError(
            f"{texts}{_TOKENS} is there, but the folder {base}{_PICTURE_FOLDERS[0]} with the "
            "pictures is not, or it is empty."
        )
    splits = _splits(files, texts, limits)
    listed = PictureList(files, folders)
    text = read_text(files, texts + _TOKENS, limits)
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        label, tab, caption = line.rstrip("\r").partition("\t")
        name, hash_sign, order = label.rpartition("#")
        if not (tab and hash_sign and name and order.strip().isdecimal()):
            malformed(
                texts + _TOKENS,
                number,
                "expected a file name, #, a number, a tab and a caption, such as "
                '"1000268201.jpg#0<tab>A child on the stairs .".',
            )
        listed.add(name, (caption,), splits.get(name, ""))
    return Listing("Flickr8k", listed.pictures)


def _splits(files: Files, texts: str, limits: SourceLimits) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for file, split in _SPLIT_FILES.items():
        if files.find(texts + file):
            for line in read_text(files, texts + file, limits).split("\n"):
                splits[line.strip()] = split
    return splits
