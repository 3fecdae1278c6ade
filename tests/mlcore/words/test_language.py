"""Stems and stop words."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from mlcore.words import Language

ENGLISH, GERMAN = Language("english"), Language("german")


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        (ENGLISH, ("dog", "dogs")),
        (ENGLISH, ("run", "running", "runs")),
        (GERMAN, ("hund", "hunde", "hunden")),
        (GERMAN, ("haus", "hauser")),
    ],
)
def test_forms_of_a_word_have_one_stem(language: Language, forms: tuple[str, ...]) -> None:
    assert len({language.stem(form) for form in forms}) == 1


def test_numbers_and_names_have_no_stem() -> None:
    assert ENGLISH.stem("1990s") == "1990s"
    assert ENGLISH.keys("img_2034") == ("img2034", "img", "2034")


def test_no_language_leaves_words_as_they_are() -> None:
    assert Language("none").stem("running") == "running"
    assert not Language("none").is_stop("the")


def test_stop_words_are_folded_like_everything() -> None:
    assert ENGLISH.is_stop("with")
    assert GERMAN.is_stop("fur")
    assert not GERMAN.is_stop("hund")


def test_an_unknown_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="english"):
        Language("klingon")


def test_threads_do_not_mix_up_their_words() -> None:
    language = Language("english")
    words = [f"{'abcdefgh'[n % 8] * (n % 5 + 2)}{n % 97 * 'o'}ings" for n in range(2000)]
    expected = [Language("english").stem(word) for word in words]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(language.stem, words)) == expected
