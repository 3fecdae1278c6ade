"""Data sets of papers and hubs, captions beside pictures, and what was not used."""

import csv
import io
import json
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from mlcore.datasets import CaptionDataset
from mlcore.errors import DatasetError
from mlcore.layouts import Chosen, Source, SourceLimits, open_source
from mlcore.metadata.sanitize import clean_line
from tests import pictures
from tests.mlcore.test_layouts import Tree, memory_below, picture, plant

Found = dict[str, tuple[tuple[str, ...], str]]


def found(source: Source) -> Found:
    assert all(record.read()[:2] == b"\xff\xd8" for record in source)
    return {record.name: (record.captions, record.split) for record in source}


def opened(tmp_path: Path, tree: Tree, chosen: Chosen = Chosen()) -> Source:  # noqa: B008
    return open_source(plant(tmp_path / "set", tree), chosen=chosen)


def test_splits_of_karpathy(tmp_path: Path) -> None:
    images = [
        {"filename": f"{name}.jpg", "filepath": "val", "split": split, "sentences": [{"raw": name}]}
        for name, split in (("a", "train"), ("b", "restval"), ("c", "val"), ("d", "test"))
    ]
    tree: Tree = {"dataset_coco.json": json.dumps({"images": images, "dataset": "coco"})}
    tree |= {f"val/{name}.jpg": picture(1) for name in "abcd"}
    with opened(tmp_path, tree) as source:
        assert source.layout.code == "layout.karpathy"
        assert [split for _, split in found(source).values()] == [
            "train", "train", "validation", "test",
        ]  # fmt: skip


def test_coco_with_crowds_text_ids_and_strays(tmp_path: Path) -> None:
    content = {
        "images": [
            {"id": "1", "file_name": "/data/1.jpg"},
            {"id": 2, "coco_url": "http://x/2.jpg"},
        ],
        "annotations": [
            {"image_id": 1, "caption": "A dog"},
            {"image_id": 1, "iscrowd": 1, "segmentation": {}},
            {"image_id": "2", "caption": None},
            {"image_id": 99, "caption": "A stray"},
            {"image_id": 2, "caption": "A cat"},
        ],
    }
    tree: Tree = {"captions_val2017.json": json.dumps(content)}
    tree |= {f"val2017/{n}.jpg": picture(n) for n in (1, 2)}
    with opened(tmp_path, tree) as source:
        assert found(source) == {
            "val2017/1.jpg": (("A dog",), "validation"),
            "val2017/2.jpg": (("A cat",), "validation"),
        }
        assert [row.where for row in source.odd] == [
            "captions_val2017.json, annotations[2]",
            "captions_val2017.json, annotations[3]",
        ]
        assert [note.code for note in source.notes] == ["coco.other_annotations"]


def test_flickr30k_tokens(tmp_path: Path) -> None:
    tree: Tree = {"results_20130124.token": "1.jpg#0\tTwo men .\n1.jpg#1\tMen talk .\n"}
    tree["flickr30k-images/1.jpg"] = picture(1)
    with opened(tmp_path, tree) as source:
        assert source.layout.code == "layout.tokens"
        assert found(source) == {"flickr30k-images/1.jpg": (("Two men .", "Men talk ."), "")}


@pytest.mark.parametrize("folder", ["", "data/"])
def test_imagefolders_of_tables_in_each_split(tmp_path: Path, folder: str) -> None:
    tree: Tree = {"README.md": "hi"}
    for split in ("train", "test"):
        tree[f"{folder}{split}/metadata.csv"] = "file_name,text\n1.jpg,A dog\n"
        tree[f"{folder}{split}/1.jpg"] = picture(1)
    with opened(tmp_path, tree) as source:
        assert source.layout.code == "layout.imagefolder"
        assert {split for _, split in found(source).values()} == {"train", "test"}
        assert all(captions == ("A dog",) for captions, _ in found(source).values())


def test_a_zip_beside_its_metadata(tmp_path: Path) -> None:
    folder = plant(tmp_path / "set", {"metadata.jsonl": '{"file_name":"1.jpg","text":"A dog"}\n'})
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.writestr("1.jpg", picture(1))
    with open_source(folder) as source:
        assert found(source) == {"images.zip/1.jpg": (("A dog",), "")}


def test_a_listing_without_captions_says_what_it_has(tmp_path: Path) -> None:
    tree: Tree = {"metadata.jsonl": '{"file_name":"1.jpg","prompt":"A dog"}\n', "1.jpg": picture(1)}
    with opened(tmp_path, tree) as source:
        assert "it has: file_name, prompt" in str(source.notes[0])
    with opened(tmp_path, tree, Chosen(caption_column="prompt")) as source:
        assert found(source) == {"1.jpg": (("A dog",), "")}


def test_captions_beside_pictures(tmp_path: Path) -> None:
    packet = pictures.xmp(description="From XMP", title="Rex", subject=["dog"])
    tree: Tree = {
        "1.txt": "A dog\n\nA red dog\n",
        "2.JSON": json.dumps({"caption": "A cat", "key": "2", "status": "success"}),
        "2.txt": "A cat",
        "3.jpg.xmp": packet,
        "4.jpg.supplemental-metad.json": json.dumps(
            {"title": "4.jpg", "description": "From Takeout", "photoTakenTime": {"timestamp": "1e"}}
        ),
        "5(1).jpg": picture(5),
        "5.jpg(1).json": json.dumps({"photoTakenTime": {"timestamp": "1562000000"}}),
        "stats.json": "{}",
    }
    tree |= {f"{n}.jpg": picture(n) for n in (1, 2, 3, 4)}
    with opened(tmp_path, tree) as source:
        assert source.layout.code == "layout.sidecars"
        assert found(source) == {
            "1.jpg": (("A dog", "A red dog"), ""),
            "2.jpg": (("A cat",), ""),
            "3.jpg": (("From XMP",), ""),
            "4.jpg": (("From Takeout",), ""),
            "5(1).jpg": ((), ""),
        }
        said = {record.name: record.said for record in source}
        assert (said["3.jpg"].title, said["3.jpg"].keywords) == ("Rex", ("dog",))
        assert str(said["5(1).jpg"].taken_at) == "2019-07-01 16:53:20+00:00"
        assert source.left_over().captions == ("stats.json",)


def test_folders_of_classes(tmp_path: Path) -> None:
    tree: Tree = {f"{s}/{c}/1.jpg": picture(1) for s in ("train", "test") for c in ("cat", "dog")}
    with opened(tmp_path, tree) as source:
        assert source.layout.code == "layout.classes"
        assert {record.split for record in source} == {"train", "test"}
        assert {record.said.keywords for record in source} == {("cat",), ("dog",)}
    with opened(tmp_path / "other", {"2019/sea/1.jpg": picture(1)}) as source:
        assert source.layout.code == "layout.plain"


def shard(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_shards_of_webdataset(tmp_path: Path) -> None:
    for at in range(2):
        shard(
            tmp_path / f"0000{at}.tar",
            {f"{at}1.jpg": picture(1), f"{at}1.txt": b"A dog", f"{at}1.json": b"{}"},
        )
    with open_source(tmp_path) as source:
        assert found(source) == {
            "00000.tar/01.jpg": (("A dog",), ""),
            "00001.tar/11.jpg": (("A dog",), ""),
        }
        dataset = CaptionDataset.from_records(source)
        assert [image.read() for image in dataset] == [picture(1)] * 2
    with open_source(tmp_path / "00001.tar") as source:
        assert found(source) == {"11.jpg": (("A dog",), "")}


def test_a_long_tar_is_read_in_little_memory(tmp_path: Path) -> None:
    content = bytes(1 << 20)
    shard(tmp_path / "x.tar", {f"{n}.jpg": content for n in range(200)})
    with memory_below(8), open_source(tmp_path / "x.tar") as source:
        assert sum(len(record.read()) for record in source) == 200 << 20


def test_pictures_in_parquet_and_arrow(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import ipc, parquet

    count = 150
    table = pyarrow.table(
        {
            "image": [{"bytes": picture(n), "path": f"{n}.jpg"} for n in range(count)],
            "caption": [[f"caption {n}", "again"] for n in range(count)],
        }
    )
    (tmp_path / "p/data").mkdir(parents=True)
    parquet.write_table(table, tmp_path / "p/data/train-00000-of-00001.parquet", row_group_size=40)
    (tmp_path / "a/test").mkdir(parents=True)
    with ipc.new_stream(str(tmp_path / "a/test/data-00000-of-00001.arrow"), table.schema) as file:
        file.write_table(table, max_chunksize=30)
    for place, split in (("p", "train"), ("a", "test")):
        with open_source(tmp_path / place) as source:
            assert source.layout.code == "layout.parquet"
            assert source.total == count
            records = list(source)
            assert records[7].captions == ("caption 7", "again")
            assert {record.split for record in records} == {split}
            for at in (0, 1, 2, 149, 70, 71, 3):
                assert records[at].read() == picture(at)


def test_a_layout_that_is_asked_for(tmp_path: Path) -> None:
    tree: Tree = {"captions.csv": "file,caption\n1.jpg,A dog\n", "1.jpg": picture(1)}
    with opened(tmp_path, tree, Chosen(layout="plain")) as source:
        assert found(source) == {"1.jpg": ((), "")}
        assert source.left_over().captions == ("captions.csv",)
    with pytest.raises(DatasetError, match="There is no layout nonsense"):
        opened(tmp_path, tree, Chosen(layout="nonsense"))
    with pytest.raises(DatasetError, match="coco was asked for"):
        opened(tmp_path, tree, Chosen(layout="coco"))
    tree["captions.csv"] = "nr,words,where\n1,A dog,1.jpg\n"
    columns = Chosen(file_column="where", caption_column="words")
    with opened(tmp_path, tree, columns) as source:
        assert found(source) == {"1.jpg": (("A dog",), "")}


def test_what_was_not_used_is_counted_by_kind(tmp_path: Path) -> None:
    tree: Tree = {
        "metadata.csv": "file,width\n1.jpg,96\n",
        "film.mp4": b"\0",
        "x.zip": b"PK",
        "no-suffix": picture(2),
        "picture.bak": picture(3),
        "Thumbs.db": b"\0" * 50,
        "1.jpg": picture(1),
    }
    with opened(tmp_path, tree) as source:
        assert found(source).keys() == {"1.jpg", "no-suffix", "picture.bak"}
        left = source.left_over()
        assert left.kinds == {"archives": 1, "data": 1, "films": 1, "texts": 1}
        assert left.captions == ("metadata.csv",)


def test_two_splits_of_one_picture_are_told(tmp_path: Path) -> None:
    text = "file,caption,split\n1.jpg,a,train\n1.jpg,b,test\n"
    with opened(tmp_path, {"captions.csv": text, "1.jpg": picture(1)}) as source:
        assert found(source) == {"1.jpg": (("a", "b"), "train")}
        assert str(source.notes[0]) == "1.jpg is listed for train and for test; train counts."


# --- what goes in comes out -----------------------------------------------------------------------

PIECES = [
    *"abc ,;|\t\"'\\\n=#%&<>[]{}()",
    '"', '""', ", ", "a dog", "éß", "犬", "😀", "👩\u200d👧", "كلب", "שלום", "\u202e", "\u200b",
    "1.jpg",
]  # fmt: skip


def random_captions(count: int) -> list[str]:
    chance = random.Random(13)
    captions = ("".join(chance.choices(PIECES, k=chance.randint(1, 12))) for _ in range(2 * count))
    lines = dict.fromkeys(clean_line(caption, 5000) for caption in captions)
    return [line for line in lines if line][:count]


def write_csv(captions: list[str], delimiter: str = ",") -> str:
    text = io.StringIO()
    rows = [["file", "caption"], *([f"{at}.jpg", line] for at, line in enumerate(captions))]
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


def written(layout: str, captions: list[str]) -> Tree:
    names = [f"{at}.jpg" for at in range(len(captions))]
    pairs = list(zip(names, captions, strict=True))
    if layout == "csv":
        return {"captions.csv": write_csv(captions)}
    if layout == "semicolons":
        return {"captions.csv": write_csv(captions, ";")}
    if layout == "tsv":
        return {"captions.tsv": "file\tcaption\n" + "".join(f"{n}\t{c}\n" for n, c in pairs)}
    if layout == "tokens":
        return {"captions.txt": "".join(f"{n}#0\t{c}\n" for n, c in pairs)}
    if layout == "jsonl":
        rows = (json.dumps({"file_name": n, "text": c}) for n, c in pairs)
        return {"metadata.jsonl": "\n".join(rows)}
    if layout == "coco":
        images = [{"id": at, "file_name": n} for at, n in enumerate(names)]
        annotations = [{"image_id": at, "caption": c} for at, c in enumerate(captions)]
        return {"captions.json": json.dumps({"images": images, "annotations": annotations})}
    if layout == "karpathy":
        entries = [{"filename": n, "split": "train", "sentences": [{"raw": c}]} for n, c in pairs]
        return {"dataset.json": json.dumps({"images": entries})}
    if layout == "beside":
        return {f"{at}.txt": c for at, c in enumerate(captions)}
    raise AssertionError(layout)


@pytest.mark.parametrize(
    "layout",
    ["csv", "semicolons", "tsv", "tokens", "jsonl", "coco", "karpathy", "beside"],
)
def test_a_thousand_captions_come_back(tmp_path: Path, layout: str) -> None:
    captions = random_captions(1000)
    assert len(captions) == 1000
    tree = written(layout, captions) | {f"{at}.jpg": b"" for at in range(1000)}
    limits = SourceLimits()
    with open_source(plant(tmp_path / "set", tree), limits=limits) as source:
        back = {record.name: record.captions for record in source}
        assert source.odd == ()
    assert [back[f"{at}.jpg"] for at in range(1000)] == [(caption,) for caption in captions]
