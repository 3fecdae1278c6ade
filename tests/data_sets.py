"""The same captioned pictures in every layout that is read, for tests over all of them."""

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

SPLITS = {"train": "train", "validation": "val", "test": "test"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture as a data set holds it."""

    name: str
    """Without its suffix, such as "7"."""
    jpeg: bytes
    captions: tuple[str, ...]
    split: str = ""
    """"train", "validation", "test" or ""."""


Write: TypeAlias = Callable[[Path, Sequence[Sample]], Path]
"""Writes a data set into an empty folder, and returns what is to be opened."""


def _plant(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def _pictures(samples: Sequence[Sample], folder: str = "") -> dict[str, str | bytes]:
    return {f"{folder}{each.name}.jpg": each.jpeg for each in samples}


def _lines(samples: Sequence[Sample]) -> str:
    return "".join(
        f"{each.name}.jpg#{at}\t{caption}\n"
        for each in samples
        for at, caption in enumerate(each.captions)
    )


def _flickr8k(folder: Path, samples: Sequence[Sample]) -> Path:
    files: dict[str, str | bytes] = {
        "Flickr8k_text/Flickr8k.token.txt": _lines(samples),
        **_pictures(samples, "Flicker8k_Dataset/"),
    }
    for split, called in (("train", "train"), ("validation", "dev"), ("test", "test")):
        names = "".join(f"{each.name}.jpg\n" for each in samples if each.split == split)
        files[f"Flickr8k_text/Flickr_8k.{called}Images.txt"] = names
    return _plant(folder, files)


def _tokens(folder: Path, samples: Sequence[Sample]) -> Path:
    name = "results_20130124.token"
    return _plant(folder, {name: _lines(samples), **_pictures(samples, "flickr30k-images/")})


def _table(name: str, delimiter: str, pictures: str, *, splits: bool = True) -> Write:
    def write(folder: Path, samples: Sequence[Sample]) -> Path:
        text = io.StringIO()
        rows = csv.writer(text, delimiter=delimiter)
        rows.writerow(["image", "caption", *(["split"] if splits else [])])
        for each in samples:
            for caption in each.captions:
                rows.writerow([f"{each.name}.jpg", caption, *([each.split] if splits else [])])
        return _plant(folder, {name: text.getvalue(), **_pictures(samples, pictures)})

    return write


def _tabs(folder: Path, samples: Sequence[Sample]) -> Path:
    """A quote is a character in it, so nothing is quoted."""
    rows = [
        f"{each.name}.jpg\t{caption}\t{each.split}\n"
        for each in samples
        for caption in each.captions
    ]
    text = "file\tcaption\tsplit\n" + "".join(rows)
    return _plant(folder, {"captions.tsv": text, **_pictures(samples)})


def _rows(samples: Sequence[Sample], key: str = "text") -> str:
    return "".join(
        json.dumps({"file_name": f"{each.name}.jpg", key: each.captions}) + "\n" for each in samples
    )


def _by_split(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for each in samples:
        found.setdefault(each.split, []).append(each)
    return found


def _imagefolder(folder: Path, samples: Sequence[Sample]) -> Path:
    files: dict[str, str | bytes] = {}
    for split, members in _by_split(samples).items():
        place = f"data/{SPLITS[split]}/" if split else "data/"
        files |= {f"{place}metadata.jsonl": _rows(members), **_pictures(members, place)}
    return _plant(folder, files)


def _packed_imagefolder(folder: Path, samples: Sequence[Sample]) -> Path:
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for name, content in _pictures(samples).items():
            archive.writestr(name, content)
    rows = "".join(
        json.dumps({"file_name": f"{e.name}.jpg", "text": e.captions, "split": e.split}) + "\n"
        for e in samples
    )
    return _plant(folder, {"metadata.jsonl": rows})


def _imagefolder_of_parquet(folder: Path, samples: Sequence[Sample]) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    for split, members in _by_split(samples).items():
        place = _plant(folder / (SPLITS[split] if split else ""), _pictures(members))
        names = [f"{each.name}.jpg" for each in members]
        captions = [list(each.captions) for each in members]
        table = pa.table({"file_name": names, "text": captions})
        parquet.write_table(table, place / "metadata.parquet")
    return folder


def _json_lines(folder: Path, samples: Sequence[Sample]) -> Path:
    rows = "".join(
        json.dumps({"image": f"{e.name}.jpg", "sentences": e.captions, "split": e.split}) + "\n"
        for e in samples
    )
    return _plant(folder, {"listing.jsonl": rows, **_pictures(samples)})


def _coco(folder: Path, samples: Sequence[Sample]) -> Path:
    files: dict[str, str | bytes] = {}
    for split, members in _by_split(samples).items():
        subset = f"{SPLITS.get(split, 'all')}2017"
        images = [{"id": int(each.name), "file_name": f"{each.name}.jpg"} for each in members]
        annotations = [
            {"image_id": int(each.name), "caption": caption}
            for each in members
            for caption in each.captions
        ]
        content = json.dumps({"images": images, "annotations": annotations})
        files |= {f"annotations/captions_{subset}.json": content}
        files |= _pictures(members, f"{subset}/")
    return _plant(folder, files)


def _karpathy(folder: Path, samples: Sequence[Sample]) -> Path:
    images = [
        {
            "filename": f"{each.name}.jpg",
            "split": SPLITS.get(each.split, ""),
            "sentences": [{"raw": caption} for caption in each.captions],
        }
        for each in samples
    ]
    content = json.dumps({"images": images, "dataset": "flickr8k"})
    return _plant(folder, {"dataset_flickr8k.json": content, **_pictures(samples, "images/")})


def _arrow_table(samples: Sequence[Sample]) -> object:
    import pyarrow as pa

    return pa.table(
        {
            "image": [{"bytes": each.jpeg, "path": f"{each.name}.jpg"} for each in samples],
            "caption": [list(each.captions) for each in samples],
        }
    )


def _parquet(folder: Path, samples: Sequence[Sample]) -> Path:
    from pyarrow import parquet

    (folder / "data").mkdir()
    for split, members in _by_split(samples).items():
        name = f"{split or 'all'}-00000-of-00001.parquet"
        parquet.write_table(_arrow_table(members), folder / "data" / name, row_group_size=2)
    return folder


def _arrow(folder: Path, samples: Sequence[Sample]) -> Path:
    from pyarrow import ipc

    for split, members in _by_split(samples).items():
        place = folder / (split or "all")
        place.mkdir()
        table = _arrow_table(members)
        with ipc.new_stream(str(place / "data-00000-of-00001.arrow"), table.schema) as file:  # type: ignore[attr-defined]
            file.write_table(table)
    return folder


def _beside(folder: Path, samples: Sequence[Sample]) -> Path:
    files = {f"{each.name}.txt": "\n".join(each.captions) for each in samples}
    return _plant(folder, {**files, **_pictures(samples)})


def _webdataset(folder: Path, samples: Sequence[Sample]) -> Path:
    for shard, members in enumerate((samples[::2], samples[1::2])):
        with tarfile.open(folder / f"{shard:05}.tar", "w") as archive:
            for each in members:
                texts = "\n".join(each.captions).encode()
                for name, content in ((".jpg", each.jpeg), (".txt", texts)):
                    entry = tarfile.TarInfo(each.name + name)
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
    return folder


def _zip_of(write: Write) -> Write:
    def packed(folder: Path, samples: Sequence[Sample]) -> Path:
        inner = folder / "inner"
        inner.mkdir()
        write(inner, samples)
        with zipfile.ZipFile(folder / "set.zip", "w") as archive:
            for path in sorted(inner.rglob("*")):
                if path.is_file():
                    archive.write(path, f"set/{path.relative_to(inner)}")
        return folder / "set.zip"

    return packed


LAYOUTS: dict[str, Write] = {
    "flickr8k": _flickr8k,
    "kaggle": _table("captions.txt", ",", "Images/"),
    "tokens": _tokens,
    "bars": _table("results.csv", "|", "flickr30k_images/"),
    "csv": _table("captions.csv", ",", ""),
    "semicolons": _table("captions.csv", ";", "images/"),
    "tabs": _tabs,
    "imagefolder": _imagefolder,
    "packed imagefolder": _packed_imagefolder,
    "imagefolder of parquet": _imagefolder_of_parquet,
    "json lines": _json_lines,
    "coco": _coco,
    "karpathy": _karpathy,
    "parquet": _parquet,
    "arrow": _arrow,
    "beside": _beside,
    "webdataset": _webdataset,
    "zip": _zip_of(_coco),
}
"""By name, each with splits where it has a way to write them."""

WITHOUT_SPLITS = frozenset({"tokens", "beside", "webdataset"})
