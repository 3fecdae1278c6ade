"""Wrong places: another scene, or the opposite side of the same thing."""

from __future__ import annotations

from collections.abc import Iterator

from mlcore.evaluation.caption_changes.tokens import Caption
from mlcore.evaluation.caption_changes.words import (
    DETERMINERS,
    FUNCTION_WORDS,
    PREPOSITIONS,
    options,
    word_set,
)

_SCENES = options("scenes")
_GROUNDS = options("grounds")
_SIDES = {words: " ".join(others) for words, others in options("sides").items()}
_AT_SCENES = word_set("places", "at_scenes")
_NEVER = {"in": word_set("places", "never_in"), "on": word_set("places", "never_on")}
_ON_GROUND = word_set("places", "on_ground")
_NEED_NO_NOUN = word_set("places", "need_no_noun")
_NO_SIDES = word_set("places", "no_sides")
_SURFACES = word_set("places", "surfaces")
_SLOPES = word_set("places", "slopes")
_BODY = word_set("places", "body")
_ADJECTIVES = word_set("places", "adjectives")


def other_places(caption: Caption) -> Iterator[str]:
    """Yield the caption with each scene or side in turn made another."""
    for place in range(len(caption)):
        if caption.is_name(place):
            continue
        changed = (
            _other_scene(caption, place)
            or _other_side(caption, place)
            or _left_for_right(caption, place)
            or _under_for_on(caption, place)
            or _down_for_up(caption, place)
        )
        if changed:
            yield changed


def _other_scene(caption: Caption, place: int) -> str | None:
    for length in (2, 1):
        name = " ".join(caption.words[place : place + length])
        if name not in _SCENES | _GROUNDS or place + length > len(caption):
            continue
        leading = _leading_preposition(caption, place)
        if not caption.ends_phrase(place + length) or leading is None:
            return None
        if name in _GROUNDS and leading not in _ON_GROUND:
            return None
        known = _SCENES.get(name) or _GROUNDS[name]
        unfit = _NEVER.get(leading, frozenset())
        other = caption.choose(place, [scene for scene in known if scene not in unfit])
        return caption.replace(place, place + length, other) if other else None
    return None


def _leading_preposition(caption: Caption, place: int) -> str | None:
    """Return the preposition of place that leads to the noun, over at most three words.

    A noun right before it makes a compound of which only half would change: "football field".
    """
    for step in range(1, 5):
        word = caption.word(place - step)
        if word in _AT_SCENES:
            return word
        between = word in DETERMINERS or (step > 1 and word not in FUNCTION_WORDS)
        if not word or not (between or word in _ADJECTIVES):
            return None
    return None


def _other_side(caption: Caption, place: int) -> str | None:
    for length in (3, 2, 1):
        words = " ".join(caption.words[place : place + length])
        if len(caption.words[place : place + length]) < length or words not in _SIDES:
            continue
        following = caption.word(place + length)
        if words in _NEED_NO_NOUN:
            fits = following != "of"
        else:
            # "jumps over", "all over", "walking behind": without a noun there is no side.
            fits = following in DETERMINERS or (
                not caption.ends_phrase(place + length) and words not in {"over", "into"}
            )
        if caption.word(place + length + 1) in _NO_SIDES:
            return None
        if fits and caption.word(place - 1) not in {"all", "right", "from", "far"}:
            return caption.replace(place, place + length, _SIDES[words])
        return None
    return None


def _left_for_right(caption: Caption, place: int) -> str | None:
    word = caption.word(place)
    if word not in {"left", "right"}:
        return None
    before, following = caption.word(place - 1), caption.word(place + 1)
    of_body = before in DETERMINERS and following in _BODY
    alone = before == "the" and caption.ends_phrase(place + 1)
    if not (of_body or alone) or {"left", "right"} <= set(caption.words):
        return None
    return caption.replace(place, place + 1, "right" if word == "left" else "left")


def _under_for_on(caption: Caption, place: int) -> str | None:
    if caption.word(place) != "on" or caption.word(place + 1) not in DETERMINERS:
        return None
    for step in range(2, 5):
        word = caption.word(place + step)
        if word in _SURFACES and caption.ends_phrase(place + step + 1):
            return caption.replace(place, place + 1, "under")
        if word in FUNCTION_WORDS | PREPOSITIONS or not word:
            return None
    return None


def _down_for_up(caption: Caption, place: int) -> str | None:
    word = caption.word(place)
    if word not in {"up", "down"} or caption.word(place + 1) not in DETERMINERS:
        return None
    near = {caption.word(place + step) for step in range(2, 5)}
    if not near & _SLOPES:
        return None
    return caption.replace(place, place + 1, "down" if word == "up" else "up")
