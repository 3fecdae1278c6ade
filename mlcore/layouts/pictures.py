"""Which files of a data set are pictures: by their suffix, or else by their first bytes."""

import posixpath

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
        ".tif",
        ".tiff",
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
    }
)
PICTURE_SUFFIXES = ACCEPTED_SUFFIXES | _OTHER_SUFFIXES

HEAD = 32
"""Bytes that tell what a file is."""

# What is passed over, by kind; whatever has another suffix is looked into.
_KINDS = {
    "texts": "txt text md rst csv tsv json jsonl ndjson xml xmp html htm yaml yml toml ini log tex "
    "bib css js py ipynb sh sql",
    "documents": "pdf doc docx odt xls xlsx ods ppt pptx odp rtf epub pages numbers key",
    "archives": "zip tar gz tgz bz2 xz zst 7z rar",
    "films": "mp4 m4v mov avi mkv webm wmv mpg mpeg 3gp mts flv",
    "sounds": "mp3 wav flac ogg m4a aac wma aiff",
    "data": "parquet arrow feather npy npz h5 hdf5 mat pkl pickle pt pth safetensors bin db sqlite "
    "onnx tfrecord lmdb mdb",
}
_KIND_OF = {f".{suffix}": kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}


def has_picture_suffix(path: str) -> bool:
    """Tell by its suffix whether a file claims to be a picture."""
    # Not through pathlib, which takes seconds for 100,000 names.
    return posixpath.splitext(path.strip().replace("\\", "/"))[1].lower() in PICTURE_SUFFIXES


def kind_of(path: str) -> str:
    """Name what a file is that is no picture: "texts", "films", "archives"... or "others"."""
    return _KIND_OF.get(posixpath.splitext(path)[1].lower(), "others")


def is_picture_head(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a picture of a common kind."""
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"8BPS")):
        return True
    if head.startswith((b"II*\0", b"MM\0*", b"\xff\x0a", b"\0\0\0\x0cjP  ")):
        return True
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in {
            b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1",
            b"msf1", b"crx ",
        }  # fmt: skip
    # Two bytes alone are too few to tell a BMP by; its header has a size of 40 or more.
    return head.startswith(b"BM") and head[15:18] == b"\0\0\0"
