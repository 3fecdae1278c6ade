"""The colour a picture is remembered by."""

import numpy as np
import pytest
from PIL import Image

from gallery.models.choices import Colour
from mlcore.imaging.colours import COLOUR_NAMES, dominant_colour
from tests import pictures

NAMED = {
    "red": ("red", "crimson", "maroon"),
    "orange": ("orange", "darkorange"),
    "yellow": ("yellow", "gold", "khaki"),
    "green": ("green", "lime", "forestgreen", "olivedrab"),
    "teal": ("teal", "cyan", "turquoise"),
    "blue": ("blue", "navy", "skyblue", "steelblue"),
    "purple": ("purple", "rebeccapurple", "mediumorchid"),
    "pink": ("pink", "hotpink", "deeppink"),
    "brown": ("sienna", "saddlebrown", "tan"),
    "white": ("white", "ivory", "whitesmoke"),
    "grey": ("grey", "silver", "dimgrey"),
    "black": ("black", "#141414"),
}
"""CSS colours by what people call them."""


@pytest.mark.parametrize("name", COLOUR_NAMES)
def test_a_plain_picture_is_of_its_colour(name: str) -> None:
    for colour in NAMED[name]:
        assert dominant_colour(Image.new("RGB", (40, 30), colour)) == name, colour


def test_the_record_knows_the_same_names() -> None:
    assert set(Colour.values) == set(COLOUR_NAMES)


def test_a_colour_stands_out_of_grey() -> None:
    picture = Image.new("RGB", (90, 90), "grey")
    picture.paste((200, 20, 20), (0, 0, 90, 35))
    assert dominant_colour(picture) == "red"
    picture.paste((128, 128, 128), (0, 15, 90, 35))
    assert dominant_colour(picture) == "grey"


def test_size_and_proportions_do_not_matter() -> None:
    picture = pictures.photo(3, (640, 480))
    found = dominant_colour(picture)
    for size in ((64, 48), (1280, 960), (300, 20)):
        assert dominant_colour(picture.resize(size)) == found


def test_every_colour_there_is_has_a_name() -> None:
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    for colour in cube:
        assert dominant_colour(Image.new("RGB", (1, 1), tuple(colour.tolist()))) in COLOUR_NAMES
