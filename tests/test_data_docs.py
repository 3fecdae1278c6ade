"""The tables of docs/data.md, held against what the program reads."""

import re
from pathlib import Path

import pytest

from mlcore.i18n import Message
from mlcore.imaging.decode import decode_image
from mlcore.layouts import LAYOUTS, PLAIN, open_source
from mlcore.metadata.photo import PhotoMetadata
from tests import data_sets, pictures
from tests.data_sets import Sample
from tests.documented import documents
from tests.mlcore.test_layouts import picture, plant
from tests.services import REPOSITORY

PAGE = documents()[REPOSITORY / "docs" / "data.md"]


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading."""
    text = PAGE.split(f"{heading}\n", 1)[1]
    rows = re.search(r"((?:^\|.*\|\n)+)", text, re.MULTILINE)
    assert rows is not None
    cells = [row.strip("|").split("|") for row in rows[1].splitlines()]
    return [[cell.strip() for cell in row] for row in cells[2:]]


def test_layouts(tmp_path: Path) -> None:
    rows = table("## Layouts that are recognised")
    assert {name.strip("`") for _, name, _ in rows} == {*LAYOUTS, PLAIN}
    samples = [Sample(str(at), picture(at), ("A dog",), "train") for at in range(2)]
    places = {}
    for name, write in data_sets.LAYOUTS.items():
        places[name] = tmp_path / name
        places[name].mkdir()
        places[name] = write(places[name], samples)
    places["classes"] = plant(tmp_path / "classes", {"train/cat/1.jpg": picture(1)})
    places["plain"] = plant(tmp_path / "plain", {"deep/1.jpg": picture(1)})
    recognised = {str(Message("layout.jsonl"))}  # which are listings of an imagefolder
    for place in places.values():
        with open_source(place) as source:
            recognised.add(str(source.layout))
    assert {name.casefold() for name, *_ in rows} == {name.casefold() for name in recognised}


def test_formats() -> None:
    named = {name for row in table("## Pictures that are accepted") for name in row[0].split(", ")}
    formats = pictures.every_format()
    assert {name.upper() for name in named} - {"HEIC"} == set(formats)
    for name, data in formats.items():
        assert decode_image(data, name="picture").format == name


WORDS = "a-word"
IPTC = {
    "object name": 5, "headline": 105, "caption": 120, "keywords": 25, "by-line": 80,
    "credit": 110, "copyright notice": 116, "sublocation": 92, "city": 90, "state": 95,
    "country": 101,
}  # fmt: skip
FACTS = {"title", "caption", "tags", "creator", "credit", "copyright", "place, in words"}


def iptc(name: str) -> PhotoMetadata:
    return said(pictures.with_iptc(pictures.jpeg(), {IPTC[name]: [WORDS.encode()]}))


def said(data: bytes) -> PhotoMetadata:
    return decode_image(data, name="picture").metadata


def value_of(metadata: PhotoMetadata, fact: str) -> str:
    if fact == "tags":
        return " ".join(metadata.keywords)
    return str(getattr(metadata, {"caption": "description"}.get(fact, fact.partition(",")[0])))


@pytest.mark.parametrize(
    ("fact", "cell"),
    [(row[0], row[1]) for row in table("### What a file says about its picture") if row[1]],
)
def test_iptc(fact: str, cell: str) -> None:
    if fact not in FACTS:
        assert fact == "taken at"
        return
    for name in cell.split(", "):
        assert value_of(iptc(name), fact) == WORDS, name


@pytest.mark.parametrize(
    ("fact", "names"),
    [
        (row[0], re.findall(r"`([^`]+)`", row[2]))
        for row in table("### What a file says about its picture")
        if row[0] in FACTS and row[2]
    ],
)
def test_xmp(fact: str, names: list[str]) -> None:
    assert names
    prefix = ""
    for name in names:
        prefix = name.rpartition(":")[0] or prefix
        full = name if ":" in name else f"{prefix}:{name}"
        key = full.removeprefix("dc:")
        packet = pictures.xmp(**{key: WORDS})
        if full.startswith("Iptc4xmpCore:"):
            space = b'xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/" '
            packet = packet.replace(b"<rdf:Description ", b"<rdf:Description " + space)
        assert value_of(said(pictures.described_jpeg(xmp=packet)), fact) == WORDS, full


@pytest.mark.parametrize(
    ("fact", "names"),
    [
        (row[0], re.findall(r"`([^`]+)`", row[4]))
        for row in table("### What a file says about its picture")
        if row[0] in FACTS and row[4]
    ],
)
def test_png_texts(fact: str, names: list[str]) -> None:
    from PIL import PngImagePlugin

    for name in names:
        info = PngImagePlugin.PngInfo()
        info.add_text(name, WORDS)
        assert value_of(said(pictures.png(pnginfo=info)), fact) == WORDS, name


@pytest.mark.parametrize(
    ("fact", "names"),
    [
        (row[0], re.findall(r"`([^`]+)`", row[3]))
        for row in table("### What a file says about its picture")
        if row[0] in FACTS and row[3]
    ],
)
def test_exif(fact: str, names: list[str]) -> None:
    from PIL import ExifTags, Image

    for name in names:
        exif = Image.Exif()
        if name == "UserComment":
            exif.get_ifd(ExifTags.IFD.Exif)[0x9286] = b"ASCII\0\0\0" + WORDS.encode()
        elif name.startswith("XP"):
            exif[ExifTags.Base[name]] = (WORDS + "\0").encode("utf-16-le")
        else:
            exif[ExifTags.Base[name]] = WORDS
        assert value_of(said(pictures.jpeg(exif=exif)), fact) == WORDS, name
