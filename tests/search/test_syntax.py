"""What is typed, and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.syntax import Proposal, Typed, propose_without, read_typed


@pytest.mark.parametrize(
    ("text", "rest", "conditions"),
    [
        ("two dogs", "two dogs", []),
        ('a "red car" on a street', "a on a street", [("phrase", "red car")]),
        ("dogs -cat", "dogs", [("exclude", "cat")]),
        ('dogs -"big cat"', "dogs", [("exclude", "big cat")]),
        ("tag:beach", "", [("tag", "beach")]),
        ('TAG:"long beach" dog', "dog", [("tag", "long beach")]),
        ("tag:a tag:b", "", [("tag", "a"), ("tag", "b")]),
        ("tag:a tag:a", "", [("tag", "a")]),
        ("title:Rex file:IMG_20 in:Holiday", "", [
            ("title", "Rex"), ("file", "IMG_20"), ("collection", "Holiday"),
        ]),
        ("titel:Rex datei:a.jpg", "", [("title", "Rex"), ("file", "a.jpg")]),
        ("„rotes Auto“ «vite»", "", [("phrase", "rotes Auto"), ("phrase", "vite")]),
        ("“red car”", "", [("phrase", "red car")]),
        # What is no more than it looks like
        ("well-known man", "well-known man", []),
        ("a - b", "a - b", []),
        ("-- -!", "-- -!", []),
        ('5" nails', '5" nails', []),
        ('"red car', '"red car', []),
        ('""', '""', []),
        ("in: the house", "in: the house", []),
        ("http://x.org tags:a", "http://x.org tags:a", []),
        ("cabin:wood", "cabin:wood", []),
    ],
)  # fmt: skip
def test_what_narrows_down_is_taken_out(
    text: str, rest: str, conditions: list[tuple[str, str]]
) -> None:
    assert read_typed(text) == Typed(rest, tuple(conditions))


@given(st.text('ab -:"“”„«»tag\n', max_size=24))
def test_what_is_left_asks_for_nothing_more(text: str) -> None:
    once = read_typed(text)
    again = read_typed(once.text)
    assert again.text == once.text
    assert not again.conditions


@pytest.mark.parametrize(
    ("text", "kept", "without"),
    [
        ("a beach without people", "a beach", "people"),
        ("a street with no cars at night", "a street at night", "cars"),
        ("dogs but not on a leash", "dogs", "on a leash"),
        ("a man who is not smiling", "a man", "smiling"),
        ("beach, no people", "beach", "people"),
        ("ein Strand ohne Menschen", "ein Strand", "Menschen"),
        ("Hunde mit keiner Leine im Schnee", "Hunde im Schnee", "Leine"),
        ("without people: a beach", None, None),
        ("no parking", None, None),
        ("a notebook", None, None),
        ("a dog without", None, None),
        ("", None, None),
    ],
)
def test_a_part_to_leave_out_is_proposed(text: str, kept: str | None, without: str | None) -> None:
    expected = Proposal(kept, without) if kept and without else None
    assert propose_without(text) == expected
