"""How a text is cut into tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.words import fold, tokens
from mlcore.words.tokens import MAX_TOKEN, spans


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two dogs run, and play.", ("two", "dogs", "run", "and", "play")),
        ("IMG_2034.JPG", ("img_2034", "jpg")),
        ("img-2034 IMG2034", ("img_2034", "img_2034")),
        ("8eb26cfb60 20240517T1530", ("8eb26cfb60", "20240517_t_1530")),
        ("rex_the__dog", ("rex_the_dog",)),
        ("the dog's e-mail", ("the", "dog_s", "e_mail")),
        ("Crème brûlée, Straße, Ångström", ("creme", "brulee", "strasse", "angstrom")),
        ("ｄｏｇ ﬁsh １２", ("dog", "fish", "12")),
        ("Cafe\u0301", ("cafe",)),
        ("海滩 犬", ("海", "滩", "犬")),
        ("हिन्दी", ("हिन्दी",)),
        ("собака й", ("собака", "и")),
        ("🐶 … !! --", ()),
        ("", ()),
        ("3.5 l", ("3", "5", "l")),
    ],
)
def test_a_text_is_cut_into_tokens(text: str, expected: tuple[str, ...]) -> None:
    assert tokens(text) == expected


def test_a_token_is_bounded() -> None:
    assert [len(token) for token in tokens("x" * 5000)] == [MAX_TOKEN]


@given(st.text(max_size=80))
def test_tokens_stand_in_order_where_they_are_said_to_stand(text: str) -> None:
    at = 0
    for span in spans(text):
        assert at <= span.start < span.end <= len(text)
        assert tokens(text[span.start : span.end]) == (span.token,)
        at = span.end


@given(st.text(max_size=80))
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=60))
def test_case_does_not_matter(text: str) -> None:
    assert tokens(text.upper()) == tokens(text.upper().casefold())
