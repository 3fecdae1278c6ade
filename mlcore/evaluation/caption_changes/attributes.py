"""Wrong colours and wrong counts."""

from __future__ import annotations

from collections.abc import Iterator

from mlcore.evaluation.caption_changes.tokens import Caption, is_plural
from mlcore.evaluation.caption_changes.words import (
    ANIMALS,
    FUNCTION_WORDS,
    NUMBERS,
    PEOPLE,
    options,
    word_set,
)

_OTHER_FURS = options("furs")
_OTHER_COLOURS = options("colours")
_COLOUR_WORDS = _OTHER_COLOURS.keys() | _OTHER_FURS.keys()
_FURRED = ANIMALS | word_set("attributes", "furred")
_PICTURES = word_set("attributes", "pictures")
_FRUIT = word_set("attributes", "fruit")
_NOT_A_COLOUR = word_set("attributes", "not_a_colour")
_NOT_COUNTED = word_set("attributes", "not_counted")


def other_colours(caption: Caption) -> Iterator[str]:
    """Yield the caption with each colour in turn made another."""
    for place, word in enumerate(caption.words):
        if word in _COLOUR_WORDS and _names_a_colour(caption, place):
            other = caption.choose(place, _options(caption, place))
            if other:
                yield caption.replace(place, place + 1, other)


def other_counts(caption: Caption) -> Iterator[str]:
    """Yield the caption with each count in turn made another from 2 to 10, at most 2 off."""
    for place, word in enumerate(caption.words):
        number = _number(word)
        if number is None or not _counts_things(caption, place):
            continue
        near = [other for other in range(number - 2, number + 3) if 2 <= other <= 10]
        near.remove(number)
        other = caption.choose(place, [_like(word, value) for value in near])
        if other:
            yield caption.replace(place, place + 1, other)


def _options(caption: Caption, place: int) -> list[str]:
    word = caption.word(place)
    if word in _OTHER_FURS:
        for step in range(1, 5):
            if caption.word(place + step) in _FURRED:
                return _OTHER_FURS[word]
            if caption.ends_phrase(place + step) and caption.word(place + step) != "and":
                break
    return _OTHER_COLOURS.get(word, [])


def _names_a_colour(caption: Caption, place: int) -> bool:
    word, following, before = (caption.word(place + step) for step in (0, 1, -1))
    if caption.is_name(place) or f"{word} {following}" in _NOT_A_COLOUR:
        return False
    # What a model makes of people's skin is not asked.
    if following in PEOPLE and word in {"black", "white", "brown", "tan", "yellow", "red"}:
        return False
    if word in {"blond", "blonde"}:
        return following in {"hair", "haired"}
    if word == "tan" and before in {"a", "with"} and caption.ends_phrase(place + 1):
        return False
    if {"black", "and", "white"} <= set(caption.words) and _PICTURES & set(caption.words):
        return False
    if word == "orange":
        return _orange_is_a_colour(caption, place)
    return True


def _orange_is_a_colour(caption: Caption, place: int) -> bool:
    following, before = caption.word(place + 1), caption.word(place - 1)
    if following in _FRUIT:
        return False
    if not caption.ends_phrase(place + 1) or before in {"in", "wearing", "wears", "bright", "neon"}:
        return True
    # "orange and white fish", "in blue and orange".
    pair = (caption.word(place + 2) if following == "and" else "") or (
        caption.word(place - 2) if before == "and" else ""
    )
    return pair in _COLOUR_WORDS


def _number(word: str) -> int | None:
    if word in NUMBERS:
        return NUMBERS.index(word) + 2
    if word.isascii() and word.isdigit() and 2 <= int(word) <= 10:
        return int(word)
    return None


def _like(word: str, number: int) -> str:
    return str(number) if word.isdigit() else NUMBERS[number - 2]


def _counts_things(caption: Caption, place: int) -> bool:
    """A count is followed by a plural, with adjectives between at most: "two small brown dogs"."""
    if caption.word(place - 1) in {"number", "#", "-", ":", "/", "no", "other", "of", "all"}:
        return False
    for step in range(1, 5):
        word = caption.word(place + step)
        if word in _NOT_COUNTED:
            return False
        if is_plural(word):
            return True
        if word == "and" and step > 1:
            continue
        if not word or not word[0].isalpha() or word in FUNCTION_WORDS:
            return False
    return False
