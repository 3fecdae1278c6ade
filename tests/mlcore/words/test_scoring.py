"""How much of a query a picture's words hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.words import (
    Document,
    Language,
    MemoryVocabulary,
    WordMatch,
    WordQuery,
    expand,
    holds,
    score,
)
from mlcore.words.documents import file_names, pieces

ENGLISH = Language("english")
BEACH = Document.of(
    title="Rex the dog",
    caption=["Two dogs run along a beach.", "A green car is parked."],
    tag=["holiday", "Côte d'Azur"],
    file=file_names("import/IMG_2034.jpg"),
)


def match(text: str, document: Document = BEACH, *others: Document) -> WordMatch:
    vocabulary = MemoryVocabulary([document, *others], ENGLISH)
    query = expand(WordQuery.of(text, ENGLISH), vocabulary)
    return score(query, [document], vocabulary.idf)[0]


@pytest.mark.parametrize(
    ("text", "share", "kind", "field"),
    [
        ("beach", 1.0, "exact", "caption"),
        ("BEACHES", 0.9, "stem", "caption"),
        ("IMG_2034", 1.0, "exact", "file"),
        ("img2034", 1.0, "exact", "file"),
        ("2034", 1.0, "exact", "file"),
        ("IMG_20", 0.7, "prefix", "file"),
        ("IMG 2034", 1.0, "exact", "file"),
        ("holid", 0.7, "prefix", "tag"),
        ("holidsy", 0.5, "typo", "tag"),
        ("hloiday", 0.5, "typo", "tag"),
        ("cote d’azur", 1.0, "exact", "tag"),
        ("dog", 1.0, "exact", "title"),
    ],
)
def test_a_word_is_found(text: str, share: float, kind: str, field: str) -> None:
    found = match(text)
    assert found.share == pytest.approx(share)
    assert {(each.kind, each.field) for each in found.matches} == {(kind, field)}


@pytest.mark.parametrize("text", ["zebra", "beaxxx", "204", "cat", "🐶", ""])
def test_a_word_is_not_found(text: str) -> None:
    assert match(text) == WordMatch()


def test_exact_beats_stem_beats_beginning_beats_misspelling() -> None:
    shares = [match(text).share for text in ("holiday", "holidays", "holida", "holidqy")]
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) == 4


def test_a_known_word_is_not_taken_for_a_misspelling() -> None:
    horse = Document.of(caption="A horse.")
    assert match("house", horse).share == 0.5
    assert match("house", horse, Document.of(caption="A house.")).share == 0


def test_rare_words_count_more() -> None:
    common = [Document.of(caption="A dog.") for _ in range(20)]
    dog, zeppelin = Document.of(caption="dog"), Document.of(caption="zeppelin")
    assert match("dog zeppelin", dog, zeppelin, *common).share < 0.2
    assert match("dog zeppelin", zeppelin, dog, *common).share > 0.8


def test_stop_words_weigh_next_to_nothing() -> None:
    others = [Document.of(caption="A cat sits on a mat with the mouse.") for _ in range(9)]
    assert match("a car on the beach with a dog", BEACH, *others).share > 0.99
    assert match("the with to zebra", BEACH, *others).share < 0.1
    assert match("the who", Document.of(title="The Who")).share == 1


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("rex the dog", "title"),
        ("Two dogs run along a beach", "caption"),
        ("HOLIDAY!", "tag"),
        ("IMG_2034.jpg", "file"),
        ("IMG-2034", "file"),
        ("rex", ""),
        ("rex the dog runs", ""),
    ],
)
def test_a_whole_field_is_told(text: str, whole: str) -> None:
    assert match(text).whole == whole


def test_a_name_found_apart_counts_less_than_one_in_a_piece() -> None:
    apart = Document.of(caption="No 2034 of the img series")
    assert 0.8 < match("IMG_2034", apart, BEACH).share < match("IMG_2034", BEACH, apart).share


def test_the_parts_of_a_name_are_no_beginnings() -> None:
    twenty = Document.of(caption="2050 dogs img")
    assert match("IMG_20", twenty, BEACH).share < match("IMG_20", BEACH, twenty).share


def test_fields_are_told_in_one_order() -> None:
    assert match("2034 holiday beach rex").fields == ("title", "caption", "tag", "file")


def test_a_misspelled_long_word_may_have_two_slips() -> None:
    assert match("restaraunt", Document.of(caption="A restaurant.")).share == 0.5


@pytest.mark.parametrize(
    ("phrases", "excluded", "expected"),
    [
        (["green car"], [], True),
        (["Green CAR"], [], True),
        (["car green"], [], False),
        (["beach a green"], [], False),  # of two captions
        (["img 2034"], [], True),
        (["2034 jpg"], [], True),
        ([], ["cats"], True),
        ([], ["beaches"], False),
        ([], ["IMG_2034"], False),
        (["green car"], ["holiday"], False),
        ([], [], True),
    ],
)
def test_phrases_must_and_excluded_words_must_not_occur(
    phrases: list[str], excluded: list[str], expected: bool
) -> None:
    query = WordQuery.of("", ENGLISH, phrases=phrases, excluded=excluded)
    assert holds(query, BEACH) is expected


def test_words_of_a_phrase_are_scored_too() -> None:
    vocabulary = MemoryVocabulary([BEACH], ENGLISH)
    query = WordQuery.of("", ENGLISH, phrases=["green car"])
    assert score(query, [BEACH], vocabulary.idf)[0].share == 1


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Document.of(colour="red")


def test_a_long_query_is_bounded() -> None:
    query = WordQuery.of(" ".join(f"w{n}" for n in range(500)), ENGLISH)
    assert len(query.terms) == 32


WORDS = st.lists(
    st.sampled_from(
        ["dog", "dogs", "img_2034", "img", "2034", "e_mail", "email", "beach", "zebra", "the"]
    )
)


@given(
    st.lists(st.fixed_dictionaries({"title": WORDS, "caption": WORDS, "tag": WORDS}), max_size=6),
    WORDS,
)
def test_company_changes_nothing(texts: list[dict[str, list[str]]], asked: list[str]) -> None:
    documents = [
        Document.of(**{name: " ".join(words) for name, words in each.items()}) for each in texts
    ]
    vocabulary = MemoryVocabulary(documents, ENGLISH)
    query = expand(WordQuery.of(" ".join(asked), ENGLISH), vocabulary)
    alone = [score(query, [document], vocabulary.idf)[0] for document in documents]
    assert score(query, documents, vocabulary.idf) == alone
    for document, match in zip(documents, alone, strict=True):
        values = [pieces(value) for name in document.lines for value in document.values(name)]
        assert bool(match.whole) == (bool(query.whole) and query.whole in values)
