import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.evaluation.caption_changes import KINDS, wrong_captions

COLOURS = {
    "black",
    "white",
    "brown",
    "grey",
    "red",
    "blue",
    "green",
    "yellow",
    "pink",
    "purple",
    "orange",
}

WORDS = sorted(
    {
        "A",
        "a",
        "an",
        "the",
        "two",
        "red",
        "orange",
        "dog",
        "dogs",
        "man",
        "holding",
        "holds",
        "chases",
        "on",
        "under",
        "in",
        "front",
        "of",
        "behind",
        "left",
        "right",
        "up",
        "down",
        "street",
        "beach",
        "running",
        "is",
        "and",
        ".",
        ",",
        "'S",
    }
)

NOUNS = ["hat", "cap", "shoe", "bag", "car", "boat", "kite", "flag", "tent", "door"]


def changed(caption: str, kind: str) -> list[str]:
    return [wrong.text for wrong in wrong_captions(caption) if wrong.kind == kind]


@pytest.mark.parametrize(
    ("caption", "kind", "before", "after"),
    [
        ("A girl in a red dress", "colour", "A girl in a ", " dress"),
        ("Two dogs", "count", "", " dogs"),
        ("3 men on a boat", "count", "", " men on a boat"),
        ("A dog running through snow", "action", "A dog ", " through snow"),
        ("A boy sits on the floor", "action", "A boy ", " on the floor"),
        ("Two dogs run over the hill", "action", "Two dogs ", " over the hill"),
        ("A man throws a ball .", "action", "A man ", " a ball ."),
        ("A cat in the kitchen", "place", "A cat in the ", ""),
    ],
)
def test_one_word_changes_and_the_rest_stays(
    caption: str, kind: str, before: str, after: str
) -> None:
    (wrong,) = changed(caption, kind)
    assert wrong.startswith(before)
    assert wrong.endswith(after)
    assert wrong != caption
    assert wrong == wrong.strip()


@pytest.mark.parametrize(
    ("caption", "wrong"),
    [
        ("A dog in front of a car", "A dog behind a car"),
        ("A dog behind the car", "A dog in front of the car"),
        ("A cat on a table", "A cat under a table"),
        ("a red circle left of a blue square", "a red circle right of a blue square"),
        ("a boy above a bridge", "a boy below a bridge"),
        ("A man stands on the left .", "A man stands on the right ."),
        ("A man with his left hand up", "A man with his right hand up"),
        ("A girl runs up the stairs", "A girl runs down the stairs"),
        ("Dogs play inside", "Dogs play outside"),
    ],
)
def test_places_become_their_opposites(caption: str, wrong: str) -> None:
    assert wrong in changed(caption, "place")


@pytest.mark.parametrize(
    ("caption", "wrong"),
    [
        ("A dog chases a cat .", "A cat chases a dog ."),
        ("The man is carrying a small child", "A small child is carrying the man"),
        ("A man in a red shirt holding a dog", "A dog in a red shirt holding a man"),
        ("a red circle left of a blue square", "a blue square left of a red circle"),
        (
            "A big dog and a boy watching an old man",
            "A big dog and an old man watching a boy",
        ),
        ("Two dogs chase three cats", "Three cats chase two dogs"),
    ],
)
def test_who_does_what_to_whom_is_turned_round(caption: str, wrong: str) -> None:
    assert changed(caption, "role") == [wrong]


@pytest.mark.parametrize(
    ("caption", "kind"),
    [
        ("An orange and a banana", "colour"),
        ("A boy eats an orange .", "colour"),
        ("A glass of orange juice", "colour"),
        ("A black man and a white woman talk", "colour"),
        ("The White House", "colour"),
        ("A white water raft", "colour"),
        ("A black and white photograph", "colour"),
        ("One dog", "count"),
        ("A two year old boy", "count"),
        ("Two of the dogs", "count"),
        ("The two look at each other", "count"),
        ("number 7 players", "count"),
        ("A boy in running shoes", "action"),
        ("The jump was high", "action"),
        ("People in the stands", "action"),
        ("Boys jump rope", "action"),
        ("A man is rock climbing at sunset", "action"),
        ("A dog with a beach ball", "place"),
        ("A boy jumping into the air", "place"),
        ("Two dogs near the water", "place"),
        ("A man looks over his shoulder all over again", "role"),
        ("A dog and a cat", "role"),
        ("A dog next to a cat", "role"),
        ("A man with a woman", "role"),
        ("A man kissing a woman", "role"),
        ("A dog chasing a dog", "role"),
        ("A boy holds his dog", "role"),
        ("A girl holding a leash attached to a dog", "role"),
        # "Two cats chases a dog" would not be English.
        ("A dog chases two cats", "role"),
    ],
)
def test_what_would_be_true_or_not_english_is_left_alone(caption: str, kind: str) -> None:
    assert changed(caption, kind) == []


def test_the_fruit_stays_where_the_colour_changes() -> None:
    (wrong,) = changed("A girl in an orange shirt eats an orange .", "colour")
    assert wrong.endswith(" shirt eats an orange .")
    assert not wrong.startswith("A girl in an orange")


def test_articles_follow_the_sound() -> None:
    (blue_or_so,) = changed("He sees an orange hat", "colour")
    assert blue_or_so.startswith("He sees a ")
    oranges = {
        text
        for noun in NOUNS
        for text in changed(f"A purple {noun} and a blue {noun}", "colour")
        if "range" in text
    }
    assert any(text.startswith("An orange") for text in oranges)
    assert any(" and an orange" in text for text in oranges)
    assert not any("a orange" in text.lower() for text in oranges)


def test_case_is_kept() -> None:
    assert changed("Two dogs", "count")[0].split()[0] in {"Three", "Four"}
    assert changed("TWO DOGS", "count")[0].split()[0] in {"THREE", "FOUR"}
    assert changed("two dogs", "count")[0].split()[0] in {"three", "four"}


def test_a_colour_of_the_caption_does_not_take_anothers_place() -> None:
    for wrong in changed("A man in red , blue and green clothes with a white hat", "colour"):
        words = wrong.split()
        assert len({word for word in words if word in COLOURS}) == 4


def test_the_other_word_depends_on_the_caption() -> None:
    others = {changed(f"A red {noun}", "colour")[0].split()[1] for noun in NOUNS}
    assert len(others) > 2


def test_counts_stay_counts_of_several() -> None:
    for number in ("two", "three", "nine", "ten"):
        (wrong,) = changed(f"{number} dogs", "count")
        assert wrong.split()[0] not in {"one", number}


@given(st.text(max_size=80))
def test_any_text_is_read(caption: str) -> None:
    found = wrong_captions(caption)
    assert found == wrong_captions(caption)
    assert caption not in [wrong.text for wrong in found]


@given(
    st.lists(
        st.sampled_from(WORDS),
        max_size=14,
    )
)
def test_words_in_any_order_are_read(words: list[str]) -> None:
    caption = " ".join(words)
    found = wrong_captions(caption)
    assert len({wrong.text for wrong in found}) == len(found)
    assert all(wrong.kind in KINDS and wrong.text != caption for wrong in found)
