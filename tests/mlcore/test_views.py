"""Pictures that are looked at more than once for their vector."""

import numpy as np
from PIL import Image, ImageOps

from mlcore.config import ONE_VIEW, Views
from mlcore.encoders import SharedTextTower, load_encoder, seen_in, views_of
from mlcore.encoders.views import with_views
from tests.encoders import EXACT, ColourEncoder

BOTH: Views = ("centre", "middle")


def framed() -> Image.Image:
    """Red, with a blue middle that fills all of the view of the middle."""
    image = Image.new("RGB", (100, 60), (220, 30, 30))
    image.paste((40, 80, 220), (26, 6, 74, 54))
    return image


def test_the_centre_alone_is_the_encoder_itself() -> None:
    encoder = ColourEncoder()
    assert seen_in(encoder, ONE_VIEW) is encoder
    assert views_of(encoder) == ONE_VIEW


def test_the_vector_is_the_normalised_mean_of_the_views() -> None:
    encoder = ColourEncoder()
    image = framed()
    mirror = seen_in(encoder, ("centre", "mirror")).encode_images([image, image])
    alone = encoder.encode_images([image, ImageOps.mirror(image)])
    expected = alone.mean(axis=0) / np.linalg.norm(alone.mean(axis=0))
    np.testing.assert_allclose(mirror, [expected, expected], atol=1e-6)

    [seen] = seen_in(encoder, BOTH).encode_images([image])
    centre, blue = encoder.encode_images([image, Image.new("RGB", (9, 9), (40, 80, 220))])
    assert seen @ blue > centre @ blue
    np.testing.assert_allclose(seen, (centre + blue) / np.linalg.norm(centre + blue), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(seen), 1, atol=1e-6)


def test_no_pictures_have_no_vectors() -> None:
    assert seen_in(ColourEncoder(), BOTH).encode_images([]).shape == (0, ColourEncoder.dim)


def test_texts_stay_and_fingerprints_differ() -> None:
    encoder = ColourEncoder()
    seen = seen_in(encoder, BOTH)
    assert (seen.encode_texts(["red"]) == encoder.encode_texts(["red"])).all()
    assert views_of(seen) == BOTH
    assert (seen.name, seen.dim, seen.image_size) == ("colours", encoder.dim, encoder.image_size)
    other = seen_in(encoder, ("centre", "mirror"))
    assert len({encoder.fingerprint, seen.fingerprint, other.fingerprint}) == 3
    assert seen.fingerprint == with_views(encoder.fingerprint, BOTH)
    assert seen.image_fingerprint != encoder.image_fingerprint


def test_words_are_read_once_where_the_encoder_can_do_so() -> None:
    assert seen_in(ColourEncoder(), BOTH).sentence_fingerprint == ""  # type: ignore[attr-defined]
    starter = load_encoder("starter", options=EXACT)
    seen = seen_in(starter, BOTH)
    assert isinstance(starter, SharedTextTower)
    assert isinstance(seen, SharedTextTower)
    assert seen.sentence_fingerprint == starter.sentence_fingerprint != ""
    for mine, theirs in zip(
        seen.encode_jointly(["red"]), starter.encode_jointly(["red"]), strict=True
    ):
        assert (mine == theirs).all()
