"""Phrases, words that must not be there, and words of one field."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gallery.fulltext import catch_up, with_phrase, without_word, written_in
from gallery.models import Image
from mlcore.words import Document, Language, WordQuery, holds
from tests.gallery.fulltext.rows import add_record

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def gallery(db: None) -> None:
    add_record("A green car is parked.", "A beach", title="Red cars", source="a/IMG_2034.jpg")
    add_record("car green", title="red", tags=("green car",), source="IMG_1999.png")
    add_record("Le Café noir", title="Crème brûlée")
    catch_up()


def numbers(images: object) -> list[int]:
    """Which of the three pictures are kept."""
    kept = set(images.values_list("pk", flat=True))  # type: ignore[attr-defined]
    order = Image.objects.order_by("pk").values_list("pk", flat=True)
    return [number for number, pk in enumerate(order, 1) if pk in kept]


@pytest.mark.parametrize(
    ("phrase", "kept"),
    [
        ("green car", [1, 2]),
        ("GREEN  Car!", [1, 2]),
        ("car is", [1]),
        ("parked a beach", []),
        ("green cars", []),
        ("cafe noir", [3]),
        ("IMG 2034", [1]),
        ("img_2034.jpg", [1]),
        ("een car", []),
        ("!!", []),
    ],
)
def test_a_phrase_must_occur(phrase: str, kept: list[int]) -> None:
    assert numbers(with_phrase(Image.objects.all(), phrase)) == kept


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("car", [3]),
        ("parking", [2, 3]),
        ("IMG_2034", [2, 3]),
        ("zebra", [1, 2, 3]),
        ("!", [1, 2, 3]),
    ],
)
def test_a_word_must_not_occur(word: str, kept: list[int]) -> None:
    assert numbers(without_word(Image.objects.all(), word)) == kept


def test_a_picture_without_words_lacks_every_word() -> None:
    add_record()  # nothing was caught up with
    assert len(without_word(Image.objects.all(), "car")) == 2


@pytest.mark.parametrize(
    ("field", "text", "kept"),
    [
        ("title", "red", [1, 2]),
        ("title", "car", [1]),
        ("title", "red cars", [1]),
        ("title", "cars red", []),
        ("title", "green", []),
        ("title", "creme", [3]),
        ("file", "IMG_20", [1]),
        ("file", "img", [1, 2]),
        ("file", "img_1999.png", [2]),
        ("file", "jpg", [1]),
        ("file", "?", []),
    ],
)
def test_words_of_a_field_must_occur_there(field: str, text: str, kept: list[int]) -> None:
    assert numbers(written_in(Image.objects.all(), field, text)) == kept


SOME = ["a", "dog", "dogs", "run", "big", "red", "x1", "x_1"]
WORDS = st.lists(st.sampled_from(SOME), max_size=4).map(" ".join)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(captions=st.lists(WORDS, max_size=3), phrase=WORDS, unwanted=WORDS)
def test_the_database_keeps_what_a_slow_look_keeps(
    captions: list[str], phrase: str, unwanted: str
) -> None:
    written = [text for text in captions if text]
    image = add_record(*written)
    catch_up()
    rows = Image.objects.filter(pk=image.pk)
    language, document = Language("english"), Document.of(caption=written)
    if phrase:
        asked = WordQuery.of("", language, phrases=[phrase])
        assert with_phrase(rows, phrase).exists() == holds(asked, document)
    if unwanted and " " not in unwanted:
        asked = WordQuery.of("", language, excluded=[unwanted])
        assert without_word(rows, unwanted).exists() == holds(asked, document)
