"""The words of a gallery."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.words import Document, Language, MemoryVocabulary, idf_of
from mlcore.words.vocabulary import affixes, distance

ENGLISH = Language("english")
LETTERS = st.text("abc", max_size=7)


def slow_distance(one: str, other: str) -> int:
    """The definition, without a table."""
    if not one or not other:
        return len(one) + len(other)
    steps = [
        slow_distance(one[:-1], other) + 1,
        slow_distance(one, other[:-1]) + 1,
        slow_distance(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    ]
    if len(one) > 1 and len(other) > 1 and one[-1] == other[-2] and one[-2] == other[-1]:
        steps.append(slow_distance(one[:-2], other[:-2]) + 1)
    return min(steps)


@given(st.text("abc", max_size=5), st.text("abc", max_size=5), st.integers(0, 5))
def test_a_distance_is_that_of_the_definition(one: str, other: str, most: int) -> None:
    steps = slow_distance(one, other)
    found = distance(one, other, most)
    assert found == steps if steps <= most else found > most


@given(st.text("abcdefghij", min_size=5, max_size=12), st.integers(0, 11), st.sampled_from("adsx"))
def test_one_slip_leaves_the_beginning_or_the_end(word: str, at: int, slip: str) -> None:
    at %= len(word) - 1
    wrong = {
        "a": word[:at] + "z" + word[at:],
        "d": word[:at] + word[at + 1 :],
        "s": word[:at] + "z" + word[at + 1 :],
        "x": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    }[slip]
    beginning, end = affixes(wrong, 1)
    assert word.startswith(beginning) or word.endswith(end)


def test_rarity_by_hand() -> None:
    idf = idf_of(10, {"dog": 4})
    assert idf("dog") == pytest.approx(math.log(1 + 6.5 / 4.5))
    assert idf("unknown") == pytest.approx(math.log(1 + 10.5 / 0.5))
    assert idf_of(0, {})("dog") > 0


def test_a_word_counts_once_for_a_document() -> None:
    vocabulary = MemoryVocabulary(
        [Document.of(title="Dogs, dog", caption=["a dog"]), Document.of(tag=["cat"])], ENGLISH
    )
    assert vocabulary.frequencies({"dog", "cat", "cow"}) == {"dog": 1, "cat": 1}
    assert vocabulary.size == 2


def test_words_are_found_by_their_beginning_the_commonest_first() -> None:
    documents = [Document.of(title=text) for text in ("card", "cart", "cart", "car", "dog")]
    assert MemoryVocabulary(documents, ENGLISH).starting_with("car", 2) == ["cart", "car"]
