"""Wrong places: another scene, or the opposite side of the same thing."""

from __future__ import annotations

from collections.abc import Iterator

from mlcore.rewording.tokens import Caption
from mlcore.rewording.words import DETERMINERS, FUNCTION_WORDS, PREPOSITIONS, listed

# Scenes that exclude each other, and that stand after the same prepositions. A field may be a
# park and a lake a river, so those do not take each other's place.
_SCENES = {
    "beach": "street playground parking_lot",
    "street": "beach field kitchen",
    "road": "beach playground lawn",
    "sidewalk": "beach lawn mountain",
    "field": "street kitchen pool",
    "park": "kitchen desert gym",
    "forest": "street kitchen desert",
    "woods": "street desert kitchen",
    "desert": "forest pool kitchen",
    "yard": "kitchen forest river",
    "backyard": "kitchen forest street",
    "garden": "kitchen street river",
    "lawn": "beach street roof",
    "playground": "beach street roof",
    "path": "roof beach bridge",
    "trail": "roof beach bridge",
    "hill": "beach bridge roof",
    "mountain": "beach street bridge",
    "mountains": "streets kitchen",
    "city": "desert forest",
    "pool": "river lake street",
    "swimming_pool": "river lake desert",
    "lake": "pool street kitchen",
    "river": "pool street kitchen",
    "ocean": "pool forest street",
    "sea": "pool forest street",
    "pond": "pool kitchen street",
    "kitchen": "garden forest street",
    "bedroom": "garden forest street",
    "living_room": "garden forest street",
    "office": "garden forest street",
    "restaurant": "forest garden field",
    "gym": "forest garden kitchen",
    "store": "forest garden river",
    "classroom": "forest garden street",
    "soccer_field": "parking_lot beach frozen_lake",
    "football_field": "parking_lot beach frozen_lake",
    "baseball_field": "parking_lot beach frozen_lake",
    "basketball_court": "beach lawn frozen_lake",
    "tennis_court": "beach lawn frozen_lake",
    "parking_lot": "beach forest kitchen",
}

# What the ground is covered with. Near one there may well be another.
_GROUNDS = {
    "grass": "sand snow mud",
    "sand": "grass snow",
    "snow": "sand grass",
    "water": "sand grass snow",
    "mud": "grass snow",
    "ice": "grass sand",
    "dirt": "grass snow",
    "ocean_water": "grass snow",
}

_AT_SCENES = listed(
    "in on at through across along near by beside into onto over from around down up toward "
    "towards to outside inside"
)

_NEVER_IN = frozenset({"beach", "roof", "bridge", "playground", "sidewalk"})
_NEVER_ON = listed("kitchen forest pool river lake garden gym desert clouds")
"""Scenes that do not go with a preposition, as no one is "in a beach"."""

_ON_GROUND = listed("in on through across into onto over")

# Where the first words match, the others take their place.
_SIDES = {
    "in front of": "behind",
    "behind": "in front of",
    "on top of": "under",
    "under": "on top of",
    "underneath": "on top of",
    "beneath": "on top of",
    "above": "below",
    "below": "above",
    "inside of": "outside of",
    "outside of": "inside of",
    "inside": "outside",
    "outside": "inside",
    "indoors": "outdoors",
    "outdoors": "indoors",
    "into": "out of",
    "out of": "into",
    "toward": "away from",
    "towards": "away from",
    "away from": "towards",
    "next to": "far from",
    "left of": "right of",
    "right of": "left of",
    "over": "under",
}

_NEED_NO_NOUN = frozenset({"indoors", "outdoors", "outside", "inside"})

_NO_SIDES = listed("air camera distance sun sunset")
"""Whatever has no other side to be on: "into the air"."""

_SURFACES = listed(
    "bench benches table tables chair chairs bed couch sofa car cars truck bridge roof stage boat "
    "log tree trampoline box shelf platform desk seat rug blanket"
)

_SLOPES = listed(
    "hill hills mountain mountains stairs steps slope slide ladder ramp staircase wall cliff "
    "escalator rope street road"
)

_BODY = listed("side hand arm leg foot eye shoulder")


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
        name = "_".join(caption.words[place : place + length])
        if name not in _SCENES | _GROUNDS or place + length > len(caption):
            continue
        leading = _leading_preposition(caption, place)
        if not caption.ends_phrase(place + length) or leading is None:
            return None
        if name in _GROUNDS and leading not in _ON_GROUND:
            return None
        known = _SCENES.get(name) or _GROUNDS[name]
        unfit = {"in": _NEVER_IN, "on": _NEVER_ON}.get(leading, frozenset())
        options = [option.replace("_", " ") for option in known.split() if option not in unfit]
        other = caption.choose(place, options)
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


_ADJECTIVES = listed(
    "grassy snowy sandy rocky muddy dirty green white blue brown large small big open empty busy "
    "crowded dry wet deep shallow clear icy cold sunny lush beautiful tall long wide narrow "
    "paved quiet dark steep frozen calm local public"
)


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
