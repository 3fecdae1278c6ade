"""Which words of a text are marked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.words import Language, WordQuery, marked

ENGLISH = Language("english")


def shown(text: str, asked: str, *phrases: str) -> str:
    pieces = marked(text, WordQuery.of(asked, ENGLISH, phrases=phrases))
    return "".join(f"[{piece}]" if hit else piece for piece, hit in pieces)


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("Two dogs run.", "dog", "Two [dogs] run."),
        ("The dog of the sea", "the sea", "The dog of the [sea]"),
        ("IMG_2034.jpg", "IMG_20", "[IMG_2034].jpg"),
        ("Crème brûlée", "creme", "[Crème] brûlée"),
        ("dog dog", "DOG", "[dog] [dog]"),
        ("<b>dog</b>", "dog b", "<[b]>[dog]</[b]>"),
        ("nothing", "", "nothing"),
        ("", "dog", ""),
    ],
)
def test_words_are_marked(text: str, asked: str, expected: str) -> None:
    assert shown(text, asked) == expected


def test_of_a_phrase_stop_words_are_marked_too() -> None:
    assert shown("The end of the sea", "", "of the sea") == "The end [of] [the] [sea]"


@given(st.text(max_size=60), st.text(max_size=20))
def test_the_pieces_are_the_text(text: str, asked: str) -> None:
    query = WordQuery.of(asked, ENGLISH, phrases=[asked])
    assert "".join(piece for piece, _ in marked(text, query)) == text
