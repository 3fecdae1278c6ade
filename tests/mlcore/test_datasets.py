import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import pytest
from PIL import Image

from mlcore.config import ImageLimits
from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.errors import DatasetError, ImageRejectedError


@dataclass(frozen=True)
class Listed:
    name: str
    captions: tuple[str, ...]
    split: str = ""
    data: bytes = b""

    def read(self) -> bytes:
        return self.data or self.name.encode()


def dataset(count: int, captions: int = 5) -> CaptionDataset:
    return CaptionDataset.from_records(
        Listed(f"{number}.jpg", tuple(f"caption {number} {one}" for one in range(captions)))
        for number in range(count)
    )


def png(colour: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def test_only_captioned_pictures_of_the_split_are_taken() -> None:
    records = [
        Listed("a", (" one ", "", "  "), "train"),
        Listed("b", (), "train"),
        Listed("c", ("three",), "val"),
    ]

    assert [(one.name, one.captions) for one in CaptionDataset.from_records(records)] == [
        ("a", ("one",)),
        ("c", ("three",)),
    ]
    assert CaptionDataset.from_records(records, split="val").captions == ["three"]


def test_no_captions_are_refused_with_the_source_named() -> None:
    with pytest.raises(DatasetError, match=r"holidays holds no captions"):
        CaptionDataset.from_records([Listed("a", ())], source="holidays")
    with pytest.raises(DatasetError, match="no captioned pictures"):
        CaptionDataset([])
    with pytest.raises(DatasetError, match=r"a has no caption|a in"):
        CaptionDataset([CaptionedImage("a", (), lambda: b"")])


def test_an_empty_split_is_refused_and_the_others_named() -> None:
    with pytest.raises(DatasetError, match=r"no split called 'test'.*train, val"):
        CaptionDataset.from_records(
            [Listed("a", ("x",), "val"), Listed("b", ("y",), "train")], split="test"
        )


def test_the_draw_is_the_same_for_any_number_of_workers() -> None:
    data = dataset(200)
    draw = partial(data.draw_caption, epoch=3, seed=7)
    alone = [draw(index) for index in range(200)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, range(200))) == alone
    assert [draw(index) for index in reversed(range(200))] == alone[::-1]


def test_the_draw_changes_with_epoch_and_seed_and_is_even() -> None:
    data = dataset(400)

    def draws(epoch: int, seed: int) -> list[int]:
        return [data.draw_caption(index, epoch=epoch, seed=seed) for index in range(400)]

    assert draws(0, 0) != draws(1, 0)
    assert draws(0, 0) != draws(0, 1)
    counts = Counter(number for epoch in range(50) for number in draws(epoch, 0))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    # 20,000 draws of 5: five standard deviations are 283.
    assert all(abs(count - 4000) < 283 for count in counts.values())


def test_the_draw_is_pinned_so_that_old_runs_can_be_repeated() -> None:
    data = dataset(1)
    number = int.from_bytes(hashlib.blake2b(b"9:2:0", digest_size=8).digest(), "big")

    assert data.draw_caption(0, epoch=2, seed=9) == number % 5


def test_held_out_pictures_are_whole_and_nobody_is_lost() -> None:
    data = dataset(50)

    kept, held = data.hold_out(10, seed=1)

    assert (len(kept), len(held)) == (40, 10)
    names = [image.name for image in kept], [image.name for image in held]
    assert not set(names[0]) & set(names[1])
    assert set(names[0]) | set(names[1]) == {image.name for image in data}
    assert all(len(image.captions) == 5 for image in held)
    again = data.hold_out(10, seed=1)[1]
    assert [image.name for image in again] == names[1]
    assert [image.name for image in data.hold_out(10, seed=2)[1]] != names[1]


def test_the_held_out_part_does_not_depend_on_the_order() -> None:
    records = [Listed(f"{number}.jpg", ("x",)) for number in range(30)]
    forward = CaptionDataset.from_records(records).hold_out(8, seed=0)[1]
    backward = CaptionDataset.from_records(reversed(records)).hold_out(8, seed=0)[1]

    assert {image.name for image in forward} == {image.name for image in backward}


def test_equal_files_stay_on_one_side() -> None:
    records = [Listed(f"{n}.jpg", ("x",), data=bytes([n // 3])) for n in range(1, 31)]

    for seed in range(10):
        kept, held = CaptionDataset.from_records(records).hold_out(7, seed=seed)
        assert not set(kept.content) & set(held.content)
        assert 7 <= len(held) <= 9


@pytest.mark.parametrize("count", [0, 10, 11, -1])
def test_a_share_that_leaves_nothing_is_refused(count: int) -> None:
    with pytest.raises(DatasetError, match="cannot be held out"):
        dataset(10).hold_out(count, seed=0)


def test_batches_come_in_order_as_squares() -> None:
    colours = [(step * 10, 0, 255 - step * 10) for step in range(11)]
    data = CaptionDataset.from_records(
        Listed(f"{number}", ("x",), data=png(colour)) for number, colour in enumerate(colours)
    )

    batches = list(data.batches(4, side=20, limits=ImageLimits()))

    assert [len(batch) for batch in batches] == [4, 4, 3]
    pictures = [picture for batch in batches for picture in batch]
    assert all(picture.size == (20, 20) for picture in pictures)
    assert [picture.getpixel((10, 10)) for picture in pictures] == colours


def test_a_broken_picture_is_named() -> None:
    data = CaptionDataset.from_records(
        [Listed("good", ("x",), data=png((1, 2, 3))), Listed("bad.jpg", ("y",), data=b"no")]
    )

    with pytest.raises(ImageRejectedError, match=r"bad\.jpg"):
        list(data.batches(1, side=20, limits=ImageLimits()))


def test_a_subset_keeps_the_order_asked_for_and_knows_what_was_read() -> None:
    reads: list[str] = []

    def read(name: str) -> bytes:
        reads.append(name)
        return name.encode()

    data = CaptionDataset(
        CaptionedImage(name, (f"about {name}",), partial(read, name)) for name in "abcd"
    )
    whole = data.content
    part = data.subset([2, 0])

    assert [image.name for image in part] == ["c", "a"]
    assert part.content == (whole[2], whole[0])
    assert len(reads) == 4  # each file once
    assert part.sha256 != data.sha256
    assert part.sha256 == CaptionDataset([data[2], data[0]]).sha256
    with pytest.raises(DatasetError):
        data.subset([])
