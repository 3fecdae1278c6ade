"""What photographs say about themselves, as cameras, phones and programs write it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from mlcore.imaging.decode import decode_image
from mlcore.metadata.dates import moment_in_name, read_moment
from mlcore.metadata.photo import PhotoMetadata
from mlcore.metadata.text import decode_text
from mlcore.metadata.xmp import read_xmp
from tests import pictures

NOON = datetime(2019, 7, 1, 12, 30, 15)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def metadata(data: bytes) -> PhotoMetadata:
    return decode_image(data, name="x.jpg").metadata


def with_tags(tags: Mapping[Any, object], inner: Mapping[Any, object] | None = None) -> bytes:
    block = Image.Exif()
    for number, value in tags.items():
        block[number] = value
    for number, value in (inner or {}).items():
        block.get_ifd(ExifTags.IFD.Exif)[number] = value
    return pictures.jpeg(exif=block)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2019:07:01 12:30:15", NOON),
        ("2019-07-01 12:30:15", NOON),
        ("2019/07/01 12:30:15", NOON),
        ("2019-07-01T12:30:15", NOON),
        ("2019:07:01 12:30:15\0\0", NOON),
        ("2019: 7: 1 12:30:15", NOON),
        ("2019:07:01 12:30:15 PM", NOON),
        ("2019:07:01 12:30:14.5", NOON.replace(second=14, microsecond=500_000)),
        ("2019:07:01 12:29:60", NOON.replace(second=0)),
        ("2019:07:01", datetime(2019, 7, 1)),
        ("2019:07:01 12:30:15+0000", NOON.replace(tzinfo=UTC)),
        ("2019-07-01T12:30:15Z", NOON.replace(tzinfo=UTC)),
        ("2019-07-01T12:30:15-03:30", NOON.replace(tzinfo=timezone(-timedelta(hours=3.5)))),
        ("Mon, 01 Jul 2019 12:30:15 +0000", NOON.replace(tzinfo=UTC)),
        ("2026:01:01 20:00:00", datetime(2026, 1, 1, 20)),  # somewhere it is that late
    ],
)
def test_spellings_of_a_moment(text: str, moment: datetime) -> None:
    assert read_moment(text, now=NOW) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "    :  :     :  :  ",
        "0000:00:00 00:00:00",
        "0001:01:01 00:00:00",
        "9999:12:31 23:59:59+1400",
        "2050:12:31 23:59:00",
        "1970:01:01 00:00:00",
        "1980:01:01 00:00:00",
        "2019:02:30 10:00:00",
        "2019:07:01 10:00:61",
        "2019:07:01 25:00:00",
        "yesterday",
        "1" * 5000,
    ],
)
def test_an_impossible_moment_is_none(text: str) -> None:
    assert read_moment(text, now=NOW) is None


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("IMG_20190701_123015.jpg", NOON),
        ("PXL_20190701_123015678.jpg", NOON),
        ("IMG20190701123015.jpg", NOON),
        ("2019-07-01 12.30.15.png", NOON),
        ("Screenshot_2019-07-01-12-30-15.png", NOON),
        ("WhatsApp Image 2019-07-01 at 12.30.15.jpeg", NOON),
        ("IMG-20190701-WA0001.jpg", datetime(2019, 7, 1)),
        ("1000268201_693b08cb0e.jpg", None),
        ("20110705_693b08cb0e.jpg", None),
        ("COCO_val2014_000000391895.jpg", None),
        ("a3f20190701bc.jpg", None),
        ("19120701.jpg", None),
        ("20190231.jpg", None),
        ("DSC_2019.jpg", None),
    ],
)
def test_the_moment_in_a_name(name: str, moment: datetime | None) -> None:
    assert moment_in_name(name, now=NOW) == moment


def test_the_first_moment_that_is_possible_counts_and_is_told() -> None:
    original, digitized = ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized
    both = metadata(
        with_tags({}, {original: "2001:01:02 03:04:05", digitized: "2003:05:06 07:08:09"})
    )
    assert (both.taken_at, both.taken_from) == (datetime(2001, 1, 2, 3, 4, 5), "camera")
    second = metadata(
        with_tags({}, {original: "0000:00:00 00:00:00", digitized: "2003:05:06 07:08:09"})
    )
    assert (second.taken_at, second.taken_from) == (datetime(2003, 5, 6, 7, 8, 9), "digitized")
    offset = metadata(
        with_tags(
            {},
            {
                original: "2001:01:02 03:04:05",
                ExifTags.Base.OffsetTimeOriginal: "+02:00",
                ExifTags.Base.SubsecTimeOriginal: "25",
            },
        )
    )
    assert offset.taken_at == datetime(2001, 1, 2, 1, 4, 5, 250_000, tzinfo=UTC)
    packet = pictures.xmp(**{"photoshop:DateCreated": "2004-05-06T07:08:09"})
    dated = metadata(pictures.jpeg(xmp=packet))
    assert (dated.taken_at, dated.taken_from) == (datetime(2004, 5, 6, 7, 8, 9), "xmp")
    by_agency = metadata(
        pictures.with_iptc(pictures.jpeg(), {55: [b"20040506"], 60: [b"070809+0200"]})
    )
    assert by_agency.taken_at == datetime(2004, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert by_agency.taken_from == "iptc"


def test_everything_that_xmp_says() -> None:
    packet = pictures.xmp(
        title="Rex at sea",
        description="A dog runs.",
        subject=["dog", "sea", "dog"],
        creator=["Ann", "Bo"],
        rights="© Ann",
        **{
            "photoshop:Credit": "Agency",
            "photoshop:City": "Lisbon",
            "photoshop:Country": "Portugal",
            "tiff:Make": "Canon",
            "tiff:Model": "Canon EOS 5D",
        },
    )
    said = PhotoMetadata(
        title="Rex at sea",
        description="A dog runs.",
        keywords=("dog", "sea"),
        creator="Ann, Bo",
        copyright="© Ann",
        credit="Agency",
        place="Lisbon, Portugal",
        camera="Canon EOS 5D",
    )
    assert read_xmp(packet) == said
    assert metadata(pictures.jpeg(xmp=packet)) == said


def test_texts_of_xmp_as_attributes() -> None:
    assert read_xmp(pictures.xmp(**{"dc:description": "In an attribute"})).description == (
        "In an attribute"
    )


def test_everything_that_iptc_says() -> None:
    data = pictures.with_iptc(
        pictures.jpeg(),
        {
            5: [b"Rex"],
            25: [b"dog", b"sea"],
            80: [b"Ann"],
            90: [b"Lisbon"],
            101: [b"Portugal"],
            110: [b"Agency"],
            116: [b"(c) Ann"],
            120: [b"A dog runs."],
        },
    )
    assert metadata(data) == PhotoMetadata(
        title="Rex",
        keywords=("dog", "sea"),
        creator="Ann",
        place="Lisbon, Portugal",
        credit="Agency",
        copyright="(c) Ann",
        description="A dog runs.",
    )


def test_everything_that_exif_says() -> None:
    base = ExifTags.Base
    data = with_tags(
        {
            base.Artist: "Ann",
            base.Copyright: "Ann 2019",
            base.Make: "NIKON CORPORATION",
            base.Model: "NIKON D90",
            base.XPTitle: "Rex\0".encode("utf-16-le"),
            base.XPComment: "A dog runs.\0".encode("utf-16-le"),
            base.XPKeywords: "dog;sea\0".encode("utf-16-le"),
        }
    )
    assert metadata(data) == PhotoMetadata(
        title="Rex",
        description="A dog runs.",
        keywords=("dog", "sea"),
        creator="Ann",
        copyright="Ann 2019",
        camera="NIKON D90",
    )
    comment = {base.UserComment: b"UNICODE\0" + "Ein Käfer".encode("utf-16-be")}
    assert metadata(with_tags({}, comment)).description == "Ein Käfer"
    assert metadata(with_tags({base.Make: "Fuji", base.Model: "X100"})).camera == "Fuji X100"


def test_the_texts_of_a_png() -> None:
    texts = PngInfo()
    for name, value in {
        "Title": "Rex",
        "Author": "Ann",
        "Description": "A dog runs.",
        "Creation Time": "Mon, 01 Jul 2019 12:30:15 +0000",
        "parameters": "a dog, steps: 20",
    }.items():
        texts.add_text(name, value)
    assert metadata(pictures.png(pnginfo=texts)) == PhotoMetadata(
        title="Rex",
        creator="Ann",
        description="A dog runs.",
        taken_at=NOON.replace(tzinfo=UTC),
        taken_from="text",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "mac_roman"])
@pytest.mark.parametrize(
    "text", ["Hündin Rex", "Größe – café", "École à Paris", "señor mañana", "på sjøen", "Öl, Äpfel"]
)
def test_legacy_encodings_are_told_apart(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding)) == text


def test_iptc_that_names_its_encoding() -> None:
    utf8 = {120: ["Hündin".encode()]}
    assert metadata(pictures.with_iptc(pictures.jpeg(), utf8, b"\x1b%G")).description == "Hündin"
    latin = {120: ["Šhnlich".encode("latin-1", "replace") + b"\xe4"]}
    assert metadata(pictures.with_iptc(pictures.jpeg(), latin, b"\x1b.A")).description[-1] == "ä"
