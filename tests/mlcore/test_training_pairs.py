"""What is drawn at each step, and which pairs are no negatives of each other."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from PIL import Image

from mlcore.config import ImageLimits
from mlcore.datasets import CaptionDataset, CaptionedImage
from mlcore.progress import NoProgress
from mlcore.training.pairs import NOTHING, Pairs
from mlcore.training.pictures import PixelSource, Squares, Variation, draw_view, fixed_views, vary
from tests.mlcore.training_data import bar, bars, shapes
from tests.pictures import quadrants


def one(name: str, *captions: str, colour: str = "red", place: str = "left") -> CaptionedImage:
    return CaptionedImage(name, captions, bar(colour, place))


def test_an_epoch_draws_each_picture_once_and_always_the_same() -> None:
    pairs = Pairs(bars(), seed=3)
    draw, again, other = pairs.draw(5), Pairs(bars(), seed=3).draw(5), pairs.draw(6)

    assert sorted(draw.order.tolist()) == list(range(24))
    assert torch.equal(draw.order, again.order)
    assert torch.equal(draw.captions, again.captions)
    assert not torch.equal(draw.order, other.order)
    assert not torch.equal(draw.captions, other.captions)
    for picture, caption in enumerate(draw.captions.tolist()):
        assert caption // 2 == picture  # two captions a picture
    counted = Counter(
        caption for epoch in range(60) for caption in pairs.draw(epoch).captions.tolist()
    )
    assert len(counted) == 48
    assert min(counted.values()) > 15


def test_equal_files_and_shared_captions_are_no_negatives() -> None:
    data = CaptionDataset(
        [
            one("a", "A red bar", "something red"),
            one("b", "a red BAR", "a bar at the side", place="right"),
            one("c", "another thing"),  # the file of a
            one("d", "quite different", colour="blue"),
        ]
    )
    pairs = Pairs(data, seed=0)

    # Captions drawn: a's second, b's first (which is also a's), c's and d's only one.
    mask = pairs.same(torch.tensor([0, 1, 2, 3]), torch.tensor([1, 2, 4, 5]))

    assert mask.tolist() == [
        [True, True, True, False],  # b's caption is true of a; c is the same file
        [False, True, False, False],  # "something red" was not written about b
        [True, False, True, False],
        [False, False, False, True],
    ]


def test_wrong_captions_are_drawn_and_left_out_where_they_are_true(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("mlcore.evaluation.caption_changes")
    data = CaptionDataset(
        [
            one("a", "a red car on the road"),
            one("b", "a blue car on the road", place="right"),
            one("c", "zzz", place="top"),  # nothing in it can be changed
        ]
    )
    pairs = Pairs(data, seed=0, hard_negatives=True)
    draws = [pairs.draw(epoch) for epoch in range(200)]

    assert {draw.wrong[2].item() for draw in draws} == {NOTHING}
    wrong = {pairs.texts[number] for draw in draws for number in [int(draw.wrong[0])]}
    assert len(wrong) > 1
    assert "a red car on the road" not in wrong
    assert (
        pairs.draw(7).wrong.tolist()
        == Pairs(data, seed=0, hard_negatives=True).draw(7).wrong.tolist()
    )

    pictures = torch.tensor([0, 1, 2])
    assert pairs.not_wrong(pictures, draws[0].wrong)[:, 2].all()
    # A wrong caption of the first picture that happens to be the second's own.
    number = pairs.texts.index("a blue car on the road", pairs.caption_count)
    mask = pairs.not_wrong(pictures, torch.tensor([number]))
    assert mask.tolist() == [[False], [True], [False]]


@pytest.mark.parametrize("augment", ["none", "mirror", "crop", "mirror+crop"])
def test_any_number_of_workers_prepares_the_same_pictures(augment: str, tmp_path: Path) -> None:
    def batches(workers: int) -> list[torch.Tensor]:
        squares = Squares(
            tmp_path / f"{augment}.npy", shapes(), side=36, limits=ImageLimits(),
            progress=NoProgress(),
        )  # fmt: skip
        source = PixelSource(squares, 32, augment, workers)  # type: ignore[arg-type]
        made = [
            source.batch(list(range(24)), [False] * 24, seed=1, epoch=epoch) for epoch in (0, 1)
        ]
        source.close()
        return made

    alone, many = batches(1), batches(5)

    assert alone[0].shape == (24, 32, 32, 3)
    assert all(torch.equal(one, other) for one, other in zip(alone, many, strict=True))
    assert torch.equal(alone[0], alone[1]) == (augment == "none")


def test_what_speaks_of_a_side_is_never_mirrored() -> None:
    pairs = Pairs(
        CaptionDataset([one("a", "a bar on the left", "the leftover", "Right-hand side", "a bar")]),
        seed=0,
    )
    assert pairs.names_side.tolist() == [True, False, True, False]

    kept = [vary("mirror+crop", seed=0, epoch=epoch, picture=0, keep_sides=True).mirrored
            for epoch in range(40)]  # fmt: skip
    free = [vary("mirror+crop", seed=0, epoch=epoch, picture=0, keep_sides=False).mirrored
            for epoch in range(40)]  # fmt: skip
    assert not any(kept)
    assert 8 < sum(free) < 32

    views = fixed_views("mirror+crop")
    assert [view.mirrored for view in views] == [False] * 4 + [True] * 4
    drawn = {
        keep: {draw_view("mirror+crop", seed=0, epoch=epoch, picture=0, keep_sides=keep)
               for epoch in range(200)}
        for keep in (True, False)
    }  # fmt: skip
    assert drawn == {True: {0, 1, 2, 3}, False: set(range(8))}


def test_a_variation_crops_and_mirrors() -> None:
    square = quadrants((40, 40))

    assert Variation().apply(square, 40) == square
    left_top = Variation(box=(0.0, 0.0, 0.5)).apply(square, 20)
    assert left_top.getpixel((10, 10)) == square.getpixel((5, 5))
    assert left_top.getcolors() is not None
    assert len(left_top.getcolors() or []) == 1
    mirrored = Variation(mirrored=True).apply(square, 40)
    assert mirrored == square.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for epoch in range(50):
        box = vary("crop", seed=0, epoch=epoch, picture=1, keep_sides=False).box
        assert box is not None
        left, top, edge = box
        assert 0.6**0.5 <= edge <= 1
        assert 0 <= left <= 1 - edge + 1e-9
        assert 0 <= top <= 1 - edge + 1e-9
