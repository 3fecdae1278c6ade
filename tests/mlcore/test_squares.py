"""What squares at the ends of wide pictures are worth, with the model that everybody has."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlcore.encoders import load_encoder
from mlcore.imaging.decode import decode_image, ends, square
from mlcore.layouts import open_source
from tests.encoders import IN_TORCH

JOINED = 100
"""Wide pictures, each made of three photographs side by side."""
PLAIN = 200
"""Other photographs, among which they stand."""


def test_squares_at_the_ends() -> None:
    image = Image.new("RGB", (90, 30), "green")
    image.paste("red", (0, 0, 30, 30))
    image.paste("blue", (60, 0, 90, 30))
    for changed in (image, image.transpose(Image.Transpose.ROTATE_270)):
        cut = [*ends(changed, 10), square(changed, 10)]
        assert [each.size for each in cut] == [(10, 10)] * 3
        middles = [each.getpixel((5, 5)) for each in cut]
        assert middles == [(255, 0, 0), (0, 0, 255), (0, 128, 0)]


@pytest.mark.flickr8k
def test_joined_photographs_are_found_by_their_ends(
    flickr8k_dir: Path, record_property: Callable[[str, object], None]
) -> None:
    """Captions ask for one of the three photographs of which a wide picture is made, among 100 of
    such and 200 plain ones; the figures are in docs/evaluation.md."""
    with open_source(flickr8k_dir) as source:
        records = [record for record in source if record.split == "validation"]
        records = records[: 3 * JOINED + PLAIN]
        photos = [decode_image(each.read(), name=each.name).image for each in records]
    encoder = load_encoder("starter", options=IN_TORCH)
    side = encoder.image_size
    joined = [_joined(photos[3 * n : 3 * n + 3]) for n in range(JOINED)]
    middles = [square(image, side) for image in (*joined, *photos[3 * JOINED :])]
    centres = encoder.encode_images(middles)
    at_ends = encoder.encode_images([end for image in joined for end in ends(image, side)])

    def hit_rates(asked: Sequence[int], gallery: Sequence[int], *, squares: bool) -> list[float]:
        """Of the captions of these photographs, which belong to these pictures of the gallery."""
        texts = [caption for photo in asked for caption in records[photo].captions]
        wanted = np.repeat(gallery, [len(records[photo].captions) for photo in asked])
        queries = encoder.encode_texts(texts)
        scores = queries @ centres.T
        if squares:
            by_end = (queries @ at_ends.T).reshape(len(queries), JOINED, 2)
            scores[:, :JOINED] = np.maximum(scores[:, :JOINED], by_end.max(axis=2))
        own = scores[np.arange(len(queries)), wanted]
        ranks = (scores >= own[:, None]).sum(axis=1)
        return [float((ranks <= k).mean()) for k in (1, 5)]

    wide, plain = range(JOINED), range(JOINED, JOINED + PLAIN)
    figures = {}
    for squares in (False, True):
        for name, first in (("left", 0), ("middle", 1), ("right", 2)):
            asked = range(first, 3 * JOINED, 3)
            figures[name, squares] = hit_rates(asked, wide, squares=squares)
        asked = range(3 * JOINED, 3 * JOINED + PLAIN)
        figures["plain", squares] = hit_rates(asked, plain, squares=squares)
    for (name, squares), figure in figures.items():
        record_property(f"{name}, squares {'on' if squares else 'off'}", figure)
    for name in ("left", "right"):
        assert figures[name, False][1] < 0.10
        assert figures[name, True][1] > 0.60
    for name in ("middle", "plain"):
        assert figures[name, True][1] > figures[name, False][1] - 0.08


def _joined(photos: Sequence[Image.Image]) -> Image.Image:
    edge = min(photos[0].size)
    wide = Image.new("RGB", (edge * len(photos), edge))
    for place, photo in enumerate(photos):
        wide.paste(square(photo, edge), (edge * place, 0))
    return wide
