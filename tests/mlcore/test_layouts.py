"""Data sets in every layout that is recognised, and those that were made to do harm."""

import contextlib
import csv
import io
import json
import os
import stat
import struct
import time
import tracemalloc
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlcore.errors import ContextVisionError, DatasetError, ImageRejectedError
from mlcore.imaging.decode import decode_image
from mlcore.layouts import Source, SourceLimits, SourceRecord, open_source
from tests import pictures

Tree = dict[str, str | bytes]


def picture(seed: int) -> bytes:
    return pictures.jpeg(pictures.photo(seed, (32, 24)))


def plant(folder: Path, tree: Tree) -> Path:
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def pack(path: Path, tree: Tree, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in tree.items():
            archive.writestr(name, content)
    return path


def as_folder(tmp_path: Path, tree: Tree) -> Path:
    return plant(tmp_path / "data", tree)


def as_zip(tmp_path: Path, tree: Tree) -> Path:
    return pack(tmp_path / "data.zip", tree)


def as_wrapped_zip(tmp_path: Path, tree: Tree) -> Path:
    """What macOS makes of a folder: everything in one folder, and its own files beside."""
    wrapped: Tree = {f"data/{name}": content for name, content in tree.items()}
    wrapped |= {f"__MACOSX/data/._{n}": b"\0\5\x16\7" for n in ("a.jpg", "captions.txt")}
    wrapped["data/.DS_Store"] = b"\0\0\0\1Bud1"
    return pack(tmp_path / "data.zip", wrapped, zipfile.ZIP_STORED)


Placing = Callable[[Path, Tree], Path]
every_way = pytest.mark.parametrize("place", [as_folder, as_zip, as_wrapped_zip])


def contents(source: Source) -> dict[str, tuple[tuple[str, ...], str]]:
    """Names without what wraps them, with captions and splits; every picture is read."""
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for record in source:
        assert record.read()[:2] == b"\xff\xd8"
        found[record.name.removeprefix("data/")] = (record.captions, record.split)
    assert len(found) == source.total
    return found


def only(source: Source) -> SourceRecord:
    (record,) = source
    return record


def reason(record: SourceRecord) -> str:
    with pytest.raises(ImageRejectedError) as caught:
        record.read()
    assert caught.value.name == record.name
    return str(caught.value.reason)


@contextlib.contextmanager
def memory_below(megabytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()


# --- the layouts --------------------------------------------------------------------------------

FLICKR8K: Tree = {
    "Flicker8k_Dataset/b.jpg": picture(1),
    "Flicker8k_Dataset/a.jpg": picture(2),
    "Flicker8k_Dataset/c.jpg": picture(3),
    "Flicker8k_Dataset/d.jpg": picture(4),
    "Flicker8k_Dataset/unlisted.jpg": picture(5),
    "Flickr8k_text/Flickr8k.token.txt": (
        "b.jpg#0\tTwo dogs on a beach .\nb.jpg#1\tDogs, running .\r\nb.jpg#2\tDogs, running .\n"
        "a.jpg#0\tA girl\u2028climbs .\n\nc.jpg#0\tA boat .\nd.jpg#0\tA horse ."
    ),
    "Flickr8k_text/Flickr_8k.trainImages.txt": "b.jpg\n",
    "Flickr8k_text/Flickr_8k.devImages.txt": "a.jpg\r\n",
    "Flickr8k_text/Flickr_8k.testImages.txt": "c.jpg",
    "Flickr8k_text/readme.txt": "Read me.",
}


@every_way
def test_flickr8k(tmp_path: Path, place: Placing) -> None:
    """Two people may say the same: both captions are kept."""
    with open_source(place(tmp_path, FLICKR8K)) as source:
        assert source.layout.code == "layout.flickr8k"
        assert contents(source) == {
            "Flicker8k_Dataset/b.jpg": (
                ("Two dogs on a beach .", "Dogs, running .", "Dogs, running ."),
                "train",
            ),
            "Flicker8k_Dataset/a.jpg": (("A girl climbs .",), "validation"),
            "Flicker8k_Dataset/c.jpg": (("A boat .",), "test"),
            "Flicker8k_Dataset/d.jpg": (("A horse .",), ""),
        }


def test_flickr8k_with_texts_beside_the_pictures(tmp_path: Path) -> None:
    """As the two original archives unpack."""
    flat = {name.removeprefix("Flickr8k_text/"): content for name, content in FLICKR8K.items()}
    with open_source(as_folder(tmp_path, flat)) as source:
        assert source.layout.code == "layout.flickr8k"
        assert Counter(record.split for record in source) == Counter(
            ["train", "validation", "test", ""]
        )


def test_flickr8k_without_its_pictures(tmp_path: Path) -> None:
    texts = {name: c for name, c in FLICKR8K.items() if not name.endswith(".jpg")}
    with pytest.raises(DatasetError, match="the folder Flicker8k_Dataset with the pictures is not"):
        open_source(as_folder(tmp_path, texts))


@pytest.mark.parametrize("line", ["a.jpg A girl .", "a.jpg\tA girl .", "#0\tA girl", "a.jpg#x\tA"])
def test_flickr8k_malformed(tmp_path: Path, line: str) -> None:
    """One odd line is told, and the rest is read."""
    tree = FLICKR8K | {"Flickr8k_text/Flickr8k.token.txt": f"b.jpg#0\tA dog .\n{line}\n"}
    with open_source(as_folder(tmp_path, tree)) as source:
        assert only(source).captions == ("A dog .",)
        [odd] = source.odd
        assert odd.where == "Flickr8k_text/Flickr8k.token.txt, line 2"
        assert str(odd.reason).startswith("expected a file name, #")


KAGGLE: Tree = {
    "Images/a.jpg": picture(1),
    "Images/b.jpg": picture(2),
    "captions.txt": (
        "image,caption\n"
        "a.jpg,A child climbs .\n"
        'a.jpg,"A child, in pink, climbs ""up"" ."\n'
        "b.jpg,Two dogs .\n"
        'a.jpg,"A caption\nover two lines ."\n'
    ),
}


@every_way
def test_kaggle(tmp_path: Path, place: Placing) -> None:
    with open_source(place(tmp_path, KAGGLE)) as source:
        assert source.layout.code == "layout.kaggle"
        assert contents(source) == {
            "Images/a.jpg": (
                (
                    "A child climbs .",
                    'A child, in pink, climbs "up" .',
                    "A caption over two lines .",
                ),
                "",
            ),
            "Images/b.jpg": (("Two dogs .",), ""),
        }


def coco(*captions: tuple[int, str], files: dict[int, str]) -> str:
    return json.dumps(
        {
            "info": {"year": 2017},
            "images": [{"id": n, "file_name": name, "height": 1} for n, name in files.items()],
            "annotations": [
                {"id": at, "image_id": n, "caption": text} for at, (n, text) in enumerate(captions)
            ],
        }
    )


COCO: Tree = {
    "annotations/captions_train2017.json": coco(
        (7, "A dog"), (8, "A cat\n"), (7, "Another dog"), files={8: "8.jpg", 7: "7.jpg"}
    ),
    "annotations/captions_val2017.json": coco((9, "A bird"), files={9: "9.jpg", 10: "10.jpg"}),
    "annotations/instances_val2017.json": "{}",
    "train2017/7.jpg": picture(7),
    "train2017/8.jpg": picture(8),
    "val2017/9.jpg": picture(9),
    "val2017/10.jpg": picture(10),
}


@every_way
def test_coco(tmp_path: Path, place: Placing) -> None:
    with open_source(place(tmp_path, COCO)) as source:
        assert source.layout.code == "layout.coco"
        assert contents(source) == {
            "train2017/8.jpg": (("A cat",), "train"),
            "train2017/7.jpg": (("A dog", "Another dog"), "train"),
            "val2017/9.jpg": (("A bird",), "validation"),
            "val2017/10.jpg": ((), "validation"),
        }


def test_coco_named_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = as_folder(tmp_path, COCO)
    with open_source(folder / "annotations" / "captions_val2017.json") as source:
        assert set(contents(source)) == {"val2017/9.jpg", "val2017/10.jpg"}
    monkeypatch.chdir(folder / "annotations")
    with open_source(Path("captions_val2017.json")) as source:
        assert source.total == 2


def test_coco_with_only_some_of_its_pictures(tmp_path: Path) -> None:
    """The pictures of one part are not there at all: that part is left out. One is: it counts."""
    tree = {name: c for name, c in COCO.items() if not name.startswith("train2017")}
    del tree["val2017/10.jpg"]
    with open_source(as_folder(tmp_path, tree)) as source:
        assert [record.name for record in source] == ["val2017/9.jpg", "10.jpg"]
        assert reason(list(source)[1]) == "the file is missing."


@pytest.mark.parametrize("place_of_pictures", ["", "images/"])
def test_coco_beside_its_pictures_under_any_name(tmp_path: Path, place_of_pictures: str) -> None:
    tree: Tree = {
        "mine.json": coco((1, "A dog"), files={1: "1.jpg"}),
        "other.json": '{"images": 3}',
        f"{place_of_pictures}1.jpg": picture(1),
    }
    with open_source(as_folder(tmp_path, tree)) as source:
        assert source.layout.code == "layout.coco"
        assert contents(source) == {f"{place_of_pictures}1.jpg": (("A dog",), "")}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"images": [],\n "annotations": [}', "line 2: this is not JSON"),
        ("[" * 100_000, "not JSON that can be read"),
        ("[]", 'expected an object with "images" and "annotations"'),
        ('{"images": []}', 'the list "annotations" is missing'),
        ('{"images": [{"id": 1}], "annotations": []}', r"images\[0\]: it must have"),
        ('{"images": [], "annotations": [{"image_id": 1}]}', r"annotations\[0\]: it must have"),
        ('{"images": [], "annotations": [{"image_id": 1, "caption": "x"}]}', "no entry of"),
        ('{"images": [], "annotations": [{"image_id": [], "caption": "x"}]}', "no entry of"),
    ],
)
def test_coco_malformed(tmp_path: Path, content: str, words: str) -> None:
    tree = COCO | {"annotations/captions_val2017.json": content}
    with pytest.raises(DatasetError, match=f"captions_val2017.json.*{words}"):
        open_source(as_folder(tmp_path, tree))


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


IMAGEFOLDER: Tree = {
    "metadata.jsonl": lines(
        {"file_name": "train/1.jpg", "text": "A dog"},
        {"file_name": "train/2.jpg", "captions": ["A cat", "A grey cat"], "width": 3},
        {"file_name": "validation/3.jpg", "caption": None},
        {"file_name": "test/4.jpg", "text": "A bird"},
        {"file_name": "train/1.jpg", "text": "The dog again"},
    ),
    **{f"train/{n}.jpg": picture(n) for n in (1, 2)},
    "validation/3.jpg": picture(3),
    "test/4.jpg": picture(4),
}
IMAGEFOLDER_CONTENTS = {
    "train/1.jpg": (("A dog", "The dog again"), "train"),
    "train/2.jpg": (("A cat", "A grey cat"), "train"),
    "validation/3.jpg": ((), "validation"),
    "test/4.jpg": (("A bird",), "test"),
}


@every_way
def test_imagefolder(tmp_path: Path, place: Placing) -> None:
    with open_source(place(tmp_path, IMAGEFOLDER)) as source:
        assert source.layout.code == "layout.imagefolder"
        assert contents(source) == IMAGEFOLDER_CONTENTS


@every_way
def test_imagefolder_with_a_listing_in_each_split(tmp_path: Path, place: Placing) -> None:
    tree: Tree = {name: c for name, c in IMAGEFOLDER.items() if name.endswith(".jpg")}
    for row in str(IMAGEFOLDER["metadata.jsonl"]).splitlines():
        entry = json.loads(row)
        folder, _, entry["file_name"] = entry["file_name"].partition("/")
        listing = f"{folder}/metadata.jsonl"
        tree[listing] = str(tree.get(listing, "")) + lines(entry)
    with open_source(place(tmp_path, tree)) as source:
        assert contents(source) == IMAGEFOLDER_CONTENTS


def test_imagefolder_named_directly_and_split_by_a_column(tmp_path: Path) -> None:
    listing = lines({"file_name": "1.jpg", "text": "A dog", "split": "dev"})
    folder = as_folder(tmp_path, {"metadata.jsonl": listing, "1.jpg": picture(1)})
    with open_source(folder / "metadata.jsonl") as source:
        assert contents(source) == {"1.jpg": (("A dog",), "validation")}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", "this is not JSON"),
        ("[1]", "expected an object"),
        ('{"text": "A dog"}', '"file_name" is missing'),
        ('{"file_name": 5}', '"file_name" is missing'),
        ('{"file_name": "1.jpg", "text": 5}', '"text" must be text'),
        ('{"file_name": "1.jpg", "captions": ["x", {}]}', '"captions" must be text or a list'),
    ],
)
def test_imagefolder_malformed(tmp_path: Path, row: str, words: str) -> None:
    listing = f'{{"file_name": "1.jpg"}}\n\n{row}\n'
    folder = as_folder(tmp_path, {"metadata.jsonl": listing, "1.jpg": picture(1)})
    with open_source(folder) as source:
        assert only(source).name == "1.jpg"
        [odd] = source.odd
        assert odd.where == "metadata.jsonl, line 3"
        assert words in str(odd.reason)
    (folder / "metadata.jsonl").write_text(f"{row}\n{row}\n" + '{"file_name": "1.jpg"}')
    with pytest.raises(DatasetError, match=r"metadata\.jsonl, line 1: .* Most rows are like this"):
        open_source(folder)


def table(header: list[str], *rows: list[str], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([header, *rows])
    return text.getvalue()


@pytest.mark.parametrize(
    "header",
    [
        ["file", "caption"],
        ["File Name", "Text"],
        ["image_path", "Description"],
        ["\ufeffFILENAME", "CAPTION"],
        ["img", "title"],
    ],
    ids=lambda header: header[0],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_with_forgiving_headers(tmp_path: Path, header: list[str], delimiter: str) -> None:
    text = table(header, ["x/a.jpg", "A dog, running"], ["x/a.jpg", "Dog"], delimiter=delimiter)
    with open_source(as_folder(tmp_path, {"my list.csv": text, "x/a.jpg": picture(1)})) as source:
        assert source.layout.code == "layout.table"
        assert contents(source) == {"x/a.jpg": (("A dog, running", "Dog"), "")}


@every_way
def test_a_table_with_other_columns(tmp_path: Path, place: Placing) -> None:
    text = table(
        ["id", "caption", "split", "path"],
        ["1", "A dog", "Training", "photos\\a.jpg"],
        ["2", "", "validation", "./photos/b.jpg"],
        ["3", "A cat", "", "photos/c.jpg"],
        [],
    )
    tree: Tree = {"list.csv": text} | {f"photos/{n}.jpg": picture(1) for n in "abc"}
    with open_source(place(tmp_path, tree)) as source:
        assert contents(source) == {
            "photos/a.jpg": (("A dog",), "train"),
            "photos/b.jpg": ((), "validation"),
            "photos/c.jpg": (("A cat",), ""),
        }


def test_a_table_named_directly(tmp_path: Path) -> None:
    """Nothing but the listed files is looked at, however much lies beside them."""
    folder = as_folder(tmp_path, {"a.csv": table(["file", "text"], ["a.jpg", "A dog"])})
    plant(folder, {"a.jpg": picture(1), "b.jpg": picture(2), "b.csv": table(["file", "text"])})
    with open_source(folder / "a.csv") as source:
        assert contents(source) == {"a.jpg": (("A dog",), "")}
    with pytest.raises(DatasetError, match=r"several tables .* a\.csv, b\.csv\. Name the one"):
        open_source(folder)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    text = table(["file", "caption"], ["été.jpg", "Une plage"])
    tree: Tree = {"captions.csv": text.encode(encoding), "été.jpg": picture(1)}
    with open_source(as_folder(tmp_path, tree)) as source:
        assert contents(source) == {"été.jpg": (("Une plage",), "")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: the first line must name the columns"),
        ("name,caption\nx,A dog\n", "line 1: no column is known .* are: name, caption"),
        ("file,caption\na.jpg,A dog, running\nb.jpg\n", "line 2: 3 columns, but the first"),
    ],
)
def test_a_malformed_table(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DatasetError, match=rf"captions\.csv, .*{words}"):
        open_source(as_folder(tmp_path, {"captions.csv": text, "a.jpg": picture(1)}))


def table_of(tmp_path: Path, text: str | bytes, name: str = "captions.csv") -> Source:
    return open_source(as_folder(tmp_path, {name: text, "a.jpg": picture(1), "b.jpg": picture(2)}))


@pytest.mark.parametrize(
    ("row", "line", "words"),
    [
        ("a.jpg,A dog, running", 4, "3 columns"),
        ("a.jpg", 4, "1 columns"),
        (",x", 4, "the name of the picture is missing"),
    ],
)
def test_an_odd_row_costs_itself(tmp_path: Path, row: str, line: int, words: str) -> None:
    text = f'file,caption\n"a.jpg","two\nlines"\n{row}\nb.jpg,A cat\n'
    with table_of(tmp_path, text) as source:
        assert contents(source) == {"a.jpg": (("two lines",), ""), "b.jpg": (("A cat",), "")}
        [odd] = source.odd
        assert odd.where == f"captions.csv, line {line}"
        assert words in str(odd.reason)


def test_an_open_quote_swallows_nothing(tmp_path: Path) -> None:
    text = 'file,caption\na.jpg,"never closed\nb.jpg,A cat\na.jpg,"a ""small"" dog"\n'
    with table_of(tmp_path, text) as source:
        assert contents(source) == {
            "a.jpg": (('"never closed', 'a "small" dog'), ""),
            "b.jpg": (("A cat",), ""),
        }
        assert [str(note) for note in source.notes] == [
            "captions.csv, line 2: a quote is opened and not closed; it was read as a character."
        ]


@pytest.mark.parametrize(
    ("cell", "caption"),
    [('"a \\""\nsign"', 'a \\" sign'), ('"a \\"small\\" dog"', 'a "small" dog')],
    ids=["of a spreadsheet", "of a database"],
)
def test_a_backslash_before_a_quote(cell: str, caption: str, tmp_path: Path) -> None:
    with table_of(
        tmp_path, f"file,caption,split\na.jpg,{cell},train\nb.jpg,A cat,train\n"
    ) as source:
        assert source.odd == ()
        assert contents(source) == {"a.jpg": ((caption,), "train"), "b.jpg": (("A cat",), "train")}


def test_in_tabs_a_quote_is_a_character(tmp_path: Path) -> None:
    text = 'file\tcaption\na.jpg\t"Hi" says a sign\nb.jpg\t"open\na.jpg\tsay "b"\n'
    with table_of(tmp_path, text, "captions.tsv") as source:
        assert contents(source) == {
            "a.jpg": (('"Hi" says a sign', 'say "b"'), ""),
            "b.jpg": (('"open',), ""),
        }


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffsep=;\r\nfile;caption\r\na.jpg;A dog\r\nb.jpg;A cat\r\n",
        "a.jpg,A dog\nb.jpg,A cat\n",
        "file,caption\nA.JPG,A dog\nB,A cat\n",
        "path,caption\nC:\\x\\y\\a.jpg,A dog\n/home/me/set/b.jpg,A cat\n",
        "file,caption\n%61.jpg,A dog\nhttp://x.org/b.jpg,A cat\n",
        "nr,file,caption\r1,a.jpg,A dog\r2,b.jpg,A cat\r",
        '"file"\t"caption"\n"a.jpg"\t"A dog"\n"b.jpg"\t"A cat"\n',
    ],
)
def test_tables_as_programs_write_them(tmp_path: Path, text: str) -> None:
    with table_of(tmp_path, text) as source:
        assert contents(source) == {"a.jpg": (("A dog",), ""), "b.jpg": (("A cat",), "")}
        assert source.odd == ()


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1252", "Größe – Café"),
        ("mac_roman", "Hündin über Äpfel"),
        ("cp1251", "собака бежит по снегу"),
        ("cp932", "犬がうみを走っている"),
        ("gb18030", "一只狗在海边奔跑跳跃"),
        ("utf-16-le", "Größe"),
    ],
)
def test_a_guessed_encoding_is_told(tmp_path: Path, encoding: str, words: str) -> None:
    text = f"file,caption\na.jpg,{words}\nb.jpg,{words}\n".encode(encoding)
    with table_of(tmp_path, text) as source:
        assert contents(source)["a.jpg"] == ((words,), "")
        assert [note.code for note in source.notes] == ["listing.encoding"]


def test_titles_tags_and_dates_of_a_table(tmp_path: Path) -> None:
    text = "file,title,caption,tags,date\na.jpg,DSC 1,A dog,dog;sea,2019-07-01\n"
    with table_of(tmp_path, text) as source:
        said = only(source).said
        assert only(source).captions == ("A dog",)
        assert (said.title, said.keywords) == ("DSC 1", ("dog", "sea"))
        assert str(said.taken_at) == "2019-07-01 00:00:00"


def test_a_table_of_something_else_is_no_listing(tmp_path: Path) -> None:
    tree: Tree = {"places.csv": "city,population\nUlm,126000\n", "a.jpg": picture(1)}
    with open_source(as_folder(tmp_path, tree)) as source:
        assert source.layout.code == "layout.plain"


PLAIN: Tree = {
    "a.jpg": picture(1),
    "deep/er/b.JPEG": picture(2),
    "deep/c.tif": picture(3),
    "README.md": "Read me.",
    "notes.txt": "image,caption\n",
    ".hidden.jpg": picture(4),
    ".thumbnails/d.jpg": picture(5),
    "deep/.DS_Store": b"\0",
    "Thumbs.db": b"\0",
    "film.mp4": b"\0",
    "__MACOSX/a.jpg": b"\0",
}


@every_way
def test_a_plain_folder(tmp_path: Path, place: Placing) -> None:
    with open_source(place(tmp_path, PLAIN)) as source:
        assert source.layout.code == "layout.plain"
        assert contents(source) == dict.fromkeys(
            ["a.jpg", "deep/c.tif", "deep/er/b.JPEG"], ((), "")
        )


def test_one_picture(tmp_path: Path) -> None:
    with open_source(as_folder(tmp_path, PLAIN) / "deep" / "er" / "b.JPEG") as source:
        assert source.layout.code == "layout.one_picture"
        assert contents(source) == {"b.JPEG": ((), "")}


def test_order_and_names_are_the_same_each_time(tmp_path: Path) -> None:
    folder = as_folder(tmp_path, {f"{n % 7}/{n}.jpg": picture(1) for n in range(50)})
    with open_source(folder) as one, open_source(folder) as other:
        names = [record.name for record in one]
        assert names == [record.name for record in other] == [record.name for record in one]
    assert names == sorted(names, key=lambda name: (name.split("/")[0], name))


# --- what is missing, malformed or meant to do harm ---------------------------------------------


@pytest.mark.parametrize("tree", [{}, {"notes.txt": "x"}, {"empty.csv": "file,caption\n"}])
def test_a_place_without_pictures(tmp_path: Path, tree: Tree) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(DatasetError, match=r"no pictures were found\. Recognised are: Flickr8k"):
        open_source(plant(folder, tree))


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere: there is no such file or folder\. Recogn"):
        open_source(tmp_path / "nowhere")


def test_a_file_that_is_nothing_of_the_kind(tmp_path: Path) -> None:
    plant(tmp_path, {"film.mp4": b"\0" * 50})
    with pytest.raises(DatasetError, match=r"film\.mp4: this is neither a listing nor a picture"):
        open_source(tmp_path / "film.mp4")


@every_way
def test_a_listed_file_that_is_missing(tmp_path: Path, place: Placing) -> None:
    tree = KAGGLE | {"captions.txt": "image,caption\na.jpg,A dog\ngone.jpg,A cat\n"}
    with open_source(place(tmp_path, tree)) as source:
        present, missing = source
        assert present.read() == picture(1)
        assert (missing.name, missing.captions) == ("gone.jpg", ("A cat",))
        with pytest.raises(ContextVisionError, match=r"^gone\.jpg: the file is missing\.$"):
            missing.read()


def test_a_listing_whose_pictures_are_all_missing(tmp_path: Path) -> None:
    tree: Tree = {"captions.txt": KAGGLE["captions.txt"]}
    with pytest.raises(DatasetError, match=r"none of the 2 pictures .* is there; the first is a"):
        open_source(as_folder(tmp_path, tree))


def test_a_file_that_goes_away_meanwhile(tmp_path: Path) -> None:
    folder = as_folder(tmp_path, PLAIN)
    with open_source(folder) as source:
        (folder / "a.jpg").unlink()
        assert reason(next(iter(source))) == "the file is missing."


OUTSIDE = [
    "../secret.jpg",
    "x/../../secret.jpg",
    "..\\secret.jpg",
    "/etc/passwd",
    "C:\\secret.jpg",
    "a.jpg\0.png",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("layout", ["imagefolder", "coco", "flickr8k"])
def test_names_that_lead_outside(tmp_path: Path, name: str, layout: str) -> None:
    """Refused one by one; the rest of the listing is read."""
    plant(tmp_path, {"secret.jpg": picture(9), "data/secret.jpg": picture(8)})
    listings: dict[str, Tree] = {
        "imagefolder": {"metadata.jsonl": lines({"file_name": name}, {"file_name": "a.jpg"})},
        "coco": {"captions.json": coco(files={1: name, 2: "a.jpg"})},
        "flickr8k": {
            "Flickr8k.token.txt": f"{name}#0\tx\na.jpg#0\ty\n",
            "Flicker8k_Dataset/a.jpg": picture(1),
        },
    }
    with open_source(as_folder(tmp_path, listings[layout] | {"a.jpg": picture(1)})) as source:
        bad, good = source
        if name == "C:\\secret.jpg":  # absolute names count by their last part, inside
            assert bad.read() == picture(8)
        else:
            assert reason(bad) == "the listing names a place outside its own folder."
        assert good.read() == picture(1)


def test_links_are_not_followed(tmp_path: Path) -> None:
    plant(tmp_path, {"outside/secret.jpg": picture(9), "data/sub/a.jpg": picture(1)})
    folder = tmp_path / "data"
    (folder / "out.jpg").symlink_to(tmp_path / "outside" / "secret.jpg")
    (folder / "in.jpg").symlink_to(folder / "sub" / "a.jpg")
    (folder / "gone.jpg").symlink_to(tmp_path / "nothing")
    (folder / "linked").symlink_to(tmp_path / "outside")
    with open_source(folder) as source:
        records = {record.name: record for record in source}
        assert set(records) == {"out.jpg", "in.jpg", "gone.jpg", "linked", "sub/a.jpg"}
        assert records.pop("sub/a.jpg").read() == picture(1)
        assert "this is a link to a folder" in reason(records.pop("linked"))
        for record in records.values():
            assert reason(record) == "this is a link, and links are not followed."


def test_links_in_the_middle_of_a_listed_name_are_not_followed(tmp_path: Path) -> None:
    plant(tmp_path, {"outside/secret.jpg": picture(9), "data/a.jpg": picture(1)})
    folder = tmp_path / "data"
    (folder / "linked").symlink_to(tmp_path / "outside")
    names = ["linked/secret.jpg", "a.jpg"]
    plant(folder, {"metadata.jsonl": lines(*({"file_name": name} for name in names))})
    with open_source(folder) as source:
        bad, good = source
        assert reason(bad) == "this is a link, and links are not followed."
        assert good.read() == picture(1)


def test_a_folder_that_becomes_a_link_meanwhile(tmp_path: Path) -> None:
    """The check is part of the opening, so there is no moment between them."""
    plant(tmp_path, {"outside/a.jpg": picture(9), "data/sub/a.jpg": picture(1)})
    with open_source(tmp_path / "data") as source:
        (tmp_path / "data" / "sub" / "a.jpg").unlink()
        (tmp_path / "data" / "sub").rmdir()
        (tmp_path / "data" / "sub").symlink_to(tmp_path / "outside")
        assert reason(only(source)) == "this is a link, and links are not followed."


def test_a_linked_listing_is_not_read(tmp_path: Path) -> None:
    plant(tmp_path, {"secret.txt": "root:x:0:0", "data/a.jpg": picture(1)})
    (tmp_path / "data" / "captions.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(DatasetError, match=r"captions\.txt: this is a link") as caught:
        open_source(tmp_path / "data")
    assert "root" not in str(caught.value)


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(as_folder(tmp_path, {"a.jpg": picture(1)}))
    with open_source(tmp_path / "link") as source:
        assert only(source).read() == picture(1)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    folder = as_folder(tmp_path, {"z.jpg/inside.txt": "x", "a.jpg": picture(1)})
    os.mkfifo(folder / "pipe.jpg")
    with open_source(folder) as source:
        started = time.monotonic()
        records = {record.name: record for record in source}
        assert set(records) == {"a.jpg", "pipe.jpg"}
        assert reason(records["pipe.jpg"]) == "this is not a regular file."
        assert time.monotonic() - started < 1


def test_a_picture_that_is_too_large_is_not_taken_in(tmp_path: Path) -> None:
    folder = as_folder(tmp_path, {"a.jpg": picture(1)})
    with (folder / "huge.jpg").open("wb") as file:
        file.truncate(2 << 30)  # sparse: it takes no room on the disk
    with open_source(folder) as source, memory_below(300):
        assert reason(list(source)[1]) == "the file holds more than 100 MB."
    with open_source(folder, limits=SourceLimits(max_file_bytes=10)) as source:
        assert "more than 0 MB" in reason(next(iter(source)))


def test_a_listing_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"captions\.txt: the file holds more than"):
        open_source(as_folder(tmp_path, KAGGLE), limits=SourceLimits(max_listing_bytes=20))


def test_names_and_captions_are_fit_to_be_printed_and_stored(tmp_path: Path) -> None:
    folder = as_folder(tmp_path, {"a.jpg": picture(1)})
    (folder / os.fsdecode(b"evil\n\xff\x1b[2J.jpg")).write_bytes(picture(2))
    with open_source(folder) as source:
        names = [record.name for record in source]
        assert names == ["a.jpg", "evil \ufffd [2J.jpg"]
        assert [record.read() for record in source] == [picture(1), picture(2)]
    rows = lines({"file_name": "a.jpg", "text": "A\u0000 \ud800dog \u202e\n here"})
    plant(folder, {"metadata.jsonl": rows})
    with open_source(folder) as source:
        assert only(source).captions == ("A dog here",)
    plant(folder, {"metadata.jsonl": lines({"file_name": "a.jpg", "text": "👩‍🚀 می‌خواهم"})})
    with open_source(folder) as source:
        assert only(source).captions == ("👩‍🚀 می‌خواهم",)


@every_way
def test_accents_written_either_way_are_the_same_name(tmp_path: Path, place: Placing) -> None:
    composed = unicodedata.normalize("NFC", "école.jpg")
    decomposed = unicodedata.normalize("NFD", composed)
    for stored, listed in ((composed, decomposed), (decomposed, composed)):
        rows = table(["file", "caption"], [listed, "A school"])
        below = tmp_path / f"{len(stored)} characters"
        below.mkdir()
        with open_source(place(below, {"captions.csv": rows, stored: picture(1)})) as source:
            assert only(source).read() == picture(1)


# --- hostile archives ---------------------------------------------------------------------------


def refused(path: Path, limits: SourceLimits = SourceLimits()) -> str:  # noqa: B008
    started = time.monotonic()
    with pytest.raises(DatasetError) as caught:
        open_source(path, limits=limits)
    assert time.monotonic() - started < 2
    assert str(caught.value).startswith(path.name)
    return str(caught.value)


@pytest.mark.parametrize("name", ["../../x.jpg", "a/../../x.jpg", "..\\x.jpg", "C:/x.jpg"])
def test_an_archive_that_names_places_outside(tmp_path: Path, name: str) -> None:
    path = pack(tmp_path / "x.zip", {"a.jpg": picture(1), name: picture(2)})
    assert "names a place outside itself" in refused(path)


def test_an_archive_is_never_unpacked(tmp_path: Path) -> None:
    with open_source(as_zip(tmp_path, PLAIN)) as source:
        contents(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_an_archive_with_a_link_or_a_device(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", picture(1))
        member = zipfile.ZipInfo("passwd.jpg")
        member.external_attr = (kind | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    assert "passwd.jpg, which is a link or a device" in refused(path)


def test_an_archive_with_a_password(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a.jpg": picture(1)}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    assert "protected by a password" in refused(path)


@pytest.mark.parametrize("name", ["more.zip", "more.tar.gz", "x/MORE.7Z"])
def test_an_archive_in_an_archive_is_counted(tmp_path: Path, name: str) -> None:
    with open_source(pack(tmp_path / "x.zip", {"a.jpg": picture(1), name: b"PK"})) as source:
        assert contents(source) == {"a.jpg": ((), "")}
        assert source.left_over().kinds == {"archives": 1}


def test_a_bomb_in_an_archive_costs_itself(tmp_path: Path) -> None:
    """292 kB that unpack to 300 MB; and what nobody reads may be packed as it likes."""
    tree: Tree = {"a.jpg": bytes(300_000_000), "/b.jpg": picture(1), "c.db": bytes(10**6)}
    path = pack(tmp_path / "x.zip", tree)
    assert path.stat().st_size < 330_000
    with memory_below(10), open_source(path) as source:
        bomb, good = source
        assert reason(bomb) == "it would unpack to more than 100 times its packed size."
        assert (good.name, good.read()) == ("b.jpg", picture(1))


def test_an_archive_with_too_much_in_it(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {f"{n}.jpg": picture(1) for n in range(20)})
    assert "holds 20 entries; the limit is 19" in refused(path, SourceLimits(max_members=19))
    assert "unpacks to" in refused(path, SourceLimits(max_total_bytes=20 * len(picture(1)) - 1))
    limits = SourceLimits(max_members=20, max_total_bytes=20 * len(picture(1)))
    with open_source(path, limits=limits) as source:
        assert source.total == 20


def test_an_archive_with_a_name_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", picture(1))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.jpg", picture(2))
    assert "holds a.jpg twice" in refused(path)


def test_an_archive_whose_entries_lie_over_one_another(tmp_path: Path) -> None:
    """One stretch of packed bytes, listed many times under many names."""
    path = pack(tmp_path / "x.zip", {"a.jpg": picture(1)})
    data = path.read_bytes()
    start, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    entry = data[start:end]
    entries = b"".join(entry.replace(b"a.jpg", b"%c.jpg" % letter) for letter in b"abcdefgh")
    closing = bytearray(data[end:])
    closing[8:12] = struct.pack("<HH", 8, 8)
    closing[12:16] = struct.pack("<I", len(entries))
    path.write_bytes(data[:start] + entries + closing)
    assert "lies over another entry" in refused(path)


def test_an_archive_whose_last_entry_reaches_into_the_table_of_contents(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a.jpg": picture(1)}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    size = struct.unpack("<I", data[at + 20 : at + 24])[0] + 10
    data[at + 20 : at + 28] = struct.pack("<II", size, size)
    path.write_bytes(data)
    assert "lies over the table of contents" in refused(path)


def test_an_archive_that_lies_about_sizes(tmp_path: Path) -> None:
    """The table of contents says 1,000 bytes, and 3 million come."""
    path = pack(tmp_path / "x.zip", {"a.jpg": bytes(3_000_000), "b.jpg": picture(1)})
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = data.index(magic)
        data[at + offset : at + offset + 4] = struct.pack("<I", 1000)
    path.write_bytes(data)
    with open_source(path) as source:
        lying, honest = source
        assert reason(lying) == "its bytes in the archive are damaged."
        assert honest.read() == picture(1)


def test_an_archive_with_an_immense_table_of_contents(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(3_000):
            archive.writestr(f"{n}" + "x" * 1500, b"")
    with memory_below(2):
        assert "table of contents is too long" in refused(path, SourceLimits(max_members=100))


def test_an_archive_packed_in_a_rare_way(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a.jpg": picture(1)}, zipfile.ZIP_LZMA)
    with open_source(path) as source:
        assert reason(only(source)) == "it is packed in a way that is not supported."


def test_damage_in_an_archive_costs_one_picture(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a.jpg": picture(1), "b.jpg": picture(2)}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.index(picture(1)) + 300] ^= 1
    path.write_bytes(data)
    with open_source(path) as source:
        damaged, good = source
        assert reason(damaged) == "its bytes in the archive are damaged."
        assert good.read() == picture(2)


def test_a_cut_off_archive(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a.jpg": picture(1)})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DatasetError, match=r"x\.zip"):
        open_source(path)


def test_names_of_old_archives(tmp_path: Path) -> None:
    """UTF-8 without the flag that says so, as macOS writes it."""
    path = pack(tmp_path / "x.zip", {"XX.jpg": picture(1)}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"XX.jpg", "é.jpg".encode()))
    with open_source(path) as source:
        assert only(source).name == "é.jpg"


def test_a_closed_archive_lets_go_of_its_file(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    path = as_zip(tmp_path, PLAIN)
    bad = pack(tmp_path / "bad.zip", {"a.txt": b""})
    before = open_files()
    with open_source(path) as source:
        record = next(iter(source))
    assert open_files() == before
    with pytest.raises(ValueError, match="closed"):
        record.read()
    with pytest.raises(DatasetError):
        open_source(bad)
    assert open_files() == before
    folder = as_folder(tmp_path, PLAIN)
    with open_source(folder) as source:
        contents(source)
    assert open_files() == before


def test_files_are_read_one_at_a_time(tmp_path: Path) -> None:
    """400 pictures of 1 MB from an archive, never more than a few in memory."""
    content = os.urandom(1 << 20)
    path = pack(tmp_path / "x.zip", {f"{n}.jpg": content for n in range(400)}, zipfile.ZIP_STORED)
    with memory_below(10), open_source(path) as source:
        assert sum(len(record.read()) for record in source) == 400 << 20


@pytest.mark.parametrize("encoding", ["cp932", "cp437", "utf-8"])
def test_names_in_old_encodings_lose_no_picture(tmp_path: Path, encoding: str) -> None:
    """In Shift JIS the second byte of some characters is that of a backslash."""
    names = (
        ["Käse Größe.jpg", "b.jpg"] if encoding == "cp437" else ["性能.jpg", "予定表.jpg", "犬.jpg"]
    )
    places = [f"{'X' * (len(name.encode(encoding)) - 5)}{at}.jpg" for at, name in enumerate(names)]
    path = pack(tmp_path / "x.zip", {p: picture(1) for p in places}, zipfile.ZIP_STORED)
    data = path.read_bytes()
    for place, name in zip(places, names, strict=True):
        data = data.replace(place.encode(), name.encode(encoding))
    path.write_bytes(data)
    with open_source(path) as source:
        assert sorted(record.name for record in source) == sorted(names)


@pytest.mark.flickr8k
def test_the_real_flickr8k(flickr8k_dir: Path) -> None:
    started = time.process_time()
    with open_source(flickr8k_dir) as source:
        records = list(source)
        assert time.process_time() - started < 5
        assert (source.layout.code, source.total) == ("layout.flickr8k", 7000)
        assert Counter(record.split for record in records) == {"train": 6000, "validation": 1000}
        assert all(len(record.captions) == 5 for record in records)
        first = records[0]
        assert first.name == "Flicker8k_Dataset/1000268201_693b08cb0e.jpg"
        assert first.captions[1] == "A girl going into a wooden building ."
        assert decode_image(first.read(), name=first.name).image.size == (224, 224)
