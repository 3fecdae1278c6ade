"""Whether two pictures are one, on photographs made on the spot."""

from collections.abc import Callable

import pytest
from PIL import Image

from mlcore.imaging.decode import decode_image
from mlcore.imaging.renditions import PLACEHOLDER_SIDE
from mlcore.imaging.same import SAME, place, shared_detail
from tests import pictures

SIZE = (400, 300)
OTHERS = range(1, 13)


def photo(seed: int) -> Image.Image:
    """Large shapes under small ones, as photographs have them."""
    coarse, fine = (pictures.photo(seed + part, SIZE) for part in (0, 1000))
    tiles = fine.resize((SIZE[0] // 4, SIZE[1] // 4))
    detail = Image.new("RGB", SIZE)
    for left in range(0, SIZE[0], tiles.width):
        for top in range(0, SIZE[1], tiles.height):
            turned = tiles.rotate(180) if (left // tiles.width + seed) % 3 else tiles
            detail.paste(turned, (left, top))
    return Image.blend(coarse, detail, 0.4)


def small(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.thumbnail((PLACEHOLDER_SIDE, PLACEHOLDER_SIDE))
    return image


def compressed(image: Image.Image) -> Image.Image:
    return decode_image(pictures.jpeg(image, quality=30), name="copy.jpg").image


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "nothing": lambda image: image,
    "resized": lambda image: image.resize((120, 90)),
    "compressed": compressed,
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "left half": lambda image: image.crop((0, 0, 200, 300)),
    "lower half": lambda image: image.crop((0, 150, 400, 300)),
    "middle": lambda image: image.crop((60, 45, 340, 255)),
    "a corner, mirrored": lambda image: image.crop((110, 90, 400, 300)).transpose(
        Image.Transpose.FLIP_LEFT_RIGHT
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_picture_is_known_again_among_others_and_no_other(change: str) -> None:
    example = CHANGES[change](photo(0))
    gallery = [photo(seed) for seed in OTHERS] + [photo(0)]
    placed = place(example, [small(picture) for picture in gallery])
    detail = [shared_detail(example, *pair) for pair in zip(gallery, placed, strict=True)]
    assert max(placed, key=lambda each: each.score) is placed[-1]
    assert detail[-1] >= SAME + 0.1
    assert max(detail[:-1]) < SAME - 0.1


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_known_where_the_gallery_holds_the_changed_one(change: str) -> None:
    kept = CHANGES[change](photo(0))
    [placed] = place(photo(0), [small(kept)])
    assert shared_detail(photo(0), kept, placed) >= SAME


def test_plain_areas_are_not_one_picture() -> None:
    """All pictures of fog look alike; nothing in them tells that they are one."""
    fog, other = (Image.new("RGB", SIZE, (grey, grey, grey)) for grey in (120, 130))
    [placed] = place(fog, [small(other)])
    assert shared_detail(fog, other, placed) < 0.1


def test_nothing_is_placed_where_there_is_nothing() -> None:
    assert place(photo(0), []) == []
